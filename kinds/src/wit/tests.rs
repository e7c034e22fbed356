//! What is read of a Workload Identity Token, and what is none.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/wimse/vectors.json");
// RFC 8037 appendix A.2 and A.3: a published key and its thumbprint.
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn header() -> Value {
    json!({"alg": "ES256", "kid": "June 5", "typ": "wit+jwt"})
}

fn claims() -> Value {
    json!({
        "sub": "wimse://example.com/billing", "exp": 1_795_424_460_u64, "iss": "https://example.com", "iat": 1,
        "cnf": {"jwk": {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": X}}
    })
}

fn token(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|text| URL_SAFE_NO_PAD.encode(text));
    format!("{header}.{claims}.AAAA")
}

fn read(text: &str) -> Option<Wit> {
    Wit::parse(text, PARAM)
}

fn of(header: &Value, claims: &Value) -> Option<Wit> {
    read(&token(&header.to_string(), &claims.to_string()))
}

#[test]
fn a_token_says_workload_key_and_end() {
    let wit = of(&header(), &claims()).unwrap();
    assert_eq!(wit.subject, "wimse://example.com/billing");
    assert_eq!((wit.alg, wit.name), (Alg::Ed25519, "EdDSA"));
    let bound = Bound {
        key: THUMBPRINT.to_owned(),
        from: UnixMs(0),
        ends_at: UnixMs(1_795_424_460_000),
        param: PARAM,
    };
    assert_eq!(wit.bound, bound);
    let mut other = claims();
    other["nbf"] = json!(7);
    other["cnf"]["jwk"]["kid"] = json!("a");
    other["cnf"]["jwk"]["use"] = json!("sig");
    other["cnf"]["jwk"]["alg"] = json!("Ed25519");
    let other = of(&header(), &other).unwrap();
    assert_eq!((other.bound.from, other.name), (UnixMs(7000), "Ed25519"));
    assert_eq!(other.bound.key, THUMBPRINT);
}

/// RFC 7517 appendix A.1: the first key.
#[test]
fn a_key_of_p256_is_read_as_well() {
    let (x, y) = (
        "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    );
    let mut claims = claims();
    claims["cnf"]["jwk"] = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "x": x, "y": y});
    let wit = of(&header(), &claims).unwrap();
    let public = [
        vec![4],
        URL_SAFE_NO_PAD.decode(x).unwrap(),
        URL_SAFE_NO_PAD.decode(y).unwrap(),
    ];
    let expected = jwk::thumbprint(Alg::P256, &public.concat()).unwrap();
    assert_eq!((wit.alg, wit.bound.key), (Alg::P256, expected));
    for name in ["x", "y", "alg"] {
        let mut bad = claims.clone();
        bad["cnf"]["jwk"].as_object_mut().unwrap().remove(name);
        assert_eq!(of(&header(), &bad), None, "{name}");
    }
}

#[test]
fn the_drafts_tokens_are_read() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    for (name, subject) in [
        ("07", "wimse://example.com/svcA"),
        ("06", "wimse://example.com/svcA"),
        ("wpt", "wimse://example.com/specific-workload"),
    ] {
        let wit = read(vectors[name]["wit"].as_str().unwrap()).unwrap();
        assert_eq!((wit.subject.as_str(), wit.alg), (subject, Alg::Ed25519));
    }
}

#[test]
fn what_names_no_algorithm_of_its_own_or_another_sort_is_no_token() {
    for alg in [
        "none", "None", "HS256", "HS512", "dir", "RSA-OAEP", "", "es256",
    ] {
        let mut bad = header();
        bad["alg"] = json!(alg);
        assert_eq!(of(&bad, &claims()), None, "{alg}");
    }
    for typ in ["JWT", "wpt+jwt", "WIT+JWT", "application/wit+jwt", ""] {
        let mut bad = header();
        bad["typ"] = json!(typ);
        assert_eq!(of(&bad, &claims()), None, "{typ}");
    }
    let mut bad = header();
    bad["crit"] = json!(["exp"]);
    assert_eq!(of(&bad, &claims()), None);
    for name in ["alg", "typ"] {
        let mut bad = header();
        bad.as_object_mut().unwrap().remove(name);
        assert_eq!(of(&bad, &claims()), None, "{name}");
    }
}

#[test]
fn what_has_no_end_no_workload_or_no_one_key_is_no_token() {
    for name in ["sub", "exp", "cnf"] {
        let mut bad = claims();
        bad.as_object_mut().unwrap().remove(name);
        assert_eq!(of(&header(), &bad), None, "{name}");
    }
    let with = |pointer: &str, value: Value| {
        let mut claims = claims();
        *claims.pointer_mut(pointer).unwrap() = value;
        claims
    };
    for bad in [
        with("/exp", json!("1795424460")),
        with("/exp", json!(1_795_424_460.5)),
        with("/exp", json!(-1)),
        with("/exp", json!(u64::MAX)),
        with("/sub", json!(["wimse://example.com/billing"])),
        with("/cnf", json!({"kid": "a"})),
        with("/cnf", json!({"jkt": THUMBPRINT})),
        with("/cnf/jwk", json!([])),
        with("/cnf/jwk/kty", json!("EC")),
        with("/cnf/jwk/kty", json!("oct")),
        with("/cnf/jwk/crv", json!("Ed448")),
        with("/cnf/jwk/alg", json!("none")),
        with("/cnf/jwk/alg", json!("ES256")),
        with("/cnf/jwk/alg", json!("HS256")),
        with("/cnf/jwk/x", json!("")),
        with("/cnf/jwk/x", json!(format!("{X}="))),
        with(
            "/cnf/jwk/x",
            json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"),
        ),
        with("/cnf/jwk/x", json!("AAAA")),
    ] {
        assert_eq!(of(&header(), &bad), None, "{bad}");
    }
    // A private key, another way to name one, an unknown member.
    for (pointer, name) in [("/cnf/jwk", "d"), ("/cnf/jwk", "key_ops"), ("/cnf", "kid")] {
        let mut bad = claims();
        bad.pointer_mut(pointer).unwrap()[name] = json!("AAAA");
        assert_eq!(of(&header(), &bad), None, "{pointer}/{name}");
    }
    let mut bad = claims();
    bad["nbf"] = json!("0");
    assert_eq!(of(&header(), &bad), None);
    bad = claims();
    bad["cnf"]["jwk"]["use"] = json!("enc");
    assert_eq!(of(&header(), &bad), None);
}

#[test]
fn what_has_a_second_reading_is_no_token() {
    let (header, claims) = (header().to_string(), claims().to_string());
    let good = token(&header, &claims);
    assert!(read(&good).is_some());
    let twice = claims.replacen("{", "{\"sub\":\"wimse://example.com/root\",", 1);
    assert_eq!(read(&token(&header, &twice)), None);
    let twice = claims.replace("\"kty\"", "\"x\":\"AAAA\",\"kty\"");
    assert_eq!(read(&token(&header, &twice)), None);
    let twice = header.replacen("{", "{\"alg\":\"none\",", 1);
    assert_eq!(read(&token(&twice, &claims)), None);
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        "..".to_owned(),
        unsigned.to_owned(),
        format!("{unsigned}."),
        format!("{unsigned}.A"),
        format!("{good}."),
        format!("{good}.AAAA"),
        format!(" {good}"),
        format!("{good}="),
        format!("Bearer {good}"),
        good.replace('.', ":"),
    ] {
        assert_eq!(read(&bad), None, "{bad}");
    }
}

proptest! {
    /// Whatever stands there ends in an answer, and one changed character of what is read is another token or none.
    #[test]
    fn no_text_stops_the_reader(text in "[A-Za-z0-9_.=-]{0,80}", header in "\\PC{0,40}", claims in "\\PC{0,60}") {
        let _ = read(&text);
        let _ = read(&token(&header, &claims));
    }

    /// A key that is read is the one that a plain reader finds.
    #[test]
    fn the_key_is_the_one_that_stands_there(public in any::<[u8; 32]>(), exp in 0_u64..1 << 40) {
        let mut claims = claims();
        claims["cnf"]["jwk"]["x"] = json!(URL_SAFE_NO_PAD.encode(public));
        claims["exp"] = json!(exp);
        let wit = of(&header(), &claims).unwrap();
        prop_assert_eq!(Some(wit.bound.key), jwk::thumbprint(Alg::Ed25519, &public));
        prop_assert_eq!(wit.bound.ends_at, UnixMs(exp.saturating_mul(1000)));
    }
}
