//! Profile `wimse`: what it covers and says, whose key signs, and the drafts' own samples.
//!
//! Data: `tests/vectors/wimse`; its sources and licence stand beside it.

use super::*;
use crate::{
    fixture::{self, get, key, listed, moment, post, route},
    wit,
};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_shared::{
    catalog::{Media, Route, WimseRoute},
    crypto::{AwsLc, Scheme, Verifier},
    effect::Bound,
    grant::{CredentialRule, profile},
    jwk,
    time::UnixMs,
};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/wimse/vectors.json");
const SPEC: &str = include_str!("../../../docs/spec/credential-http.md");
const ORDER: &str = "https://api.example.com/v1/orders/7?expand=items";
const BILLING: &str = "wimse://example.com/billing";
/// RFC 8037 appendix A.1: a published key.
const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

fn pair() -> Ed25519KeyPair {
    let seed = URL_SAFE_NO_PAD.decode(SEED).unwrap();
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
}

fn own() -> SigningKeyInfo {
    SigningKeyInfo {
        public: pair().public_key().as_ref().to_vec(),
        ..key(Kind::Http, Alg::Ed25519)
    }
}

fn claims() -> Value {
    json!({
        "sub": BILLING, "exp": moment().expires_at.secs(),
        "cnf": {"jwk": {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": URL_SAFE_NO_PAD.encode(pair().public_key())}}
    })
}

fn token(claims: &Value) -> String {
    let parts = [json!({"alg": "EdDSA", "typ": "wit+jwt"}), claims.clone()];
    let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.c2lnbmF0dXJl")
}

fn with(input: HttpInput, claims: &Value) -> HttpInput {
    let field = (wit::FIELD.to_owned(), token(claims));
    let headers = [vec![field], input.headers].concat();
    HttpInput { headers, ..input }
}

fn said() -> WimseRoute {
    WimseRoute {
        audience: None,
        subject: BILLING.to_owned(),
        sign_response: false,
    }
}

/// `orders` and `charges`, between workloads.
fn under(
    named: Option<&str>,
    said: Option<WimseRoute>,
    input: &HttpInput,
) -> Result<HttpCall, Denial> {
    let wimse = said.map(Box::new);
    let orders = HttpRoute {
        query: listed(&["expand"]),
        headers: listed(&["authorization", "txn-token", "x-tenant"]),
        wimse: wimse.clone(),
        ..route("/v1/orders/{id}", &["GET", "HEAD"])
    };
    let charges = HttpRoute {
        body: fixture::body(Media::Json, &["/amount"]),
        wimse,
        ..route("/v1/charges", &["POST"])
    };
    let routes = [("orders", orders), ("charges", charges)];
    let routes = routes.map(|(name, route)| (name, vec![Route::Http(route)]));
    let catalog = fixture::catalog(routes.into());
    let mut grant = fixture::grant(&["orders"], &["charges"], &[]);
    let rule = CredentialRule {
        profile: named.map(str::to_owned),
        signature_agent: None,
        ttl: None,
    };
    grant.credentials.insert(Kind::Http, rule);
    HttpCall::parse(input, None, &catalog, &grant)
}

fn call(input: &HttpInput) -> HttpCall {
    under(Some(profile::WIMSE), Some(said()), input).unwrap()
}

fn denied(input: &HttpInput) -> (Code, Option<String>) {
    let denial = under(Some(profile::WIMSE), Some(said()), input).unwrap_err();
    (denial.code, denial.param)
}

fn message(call: &HttpCall) -> String {
    let signed = call.to_sign(&own(), &moment()).unwrap();
    String::from_utf8(signed.message().unwrap().to_vec()).unwrap()
}

fn fields(call: &HttpCall, signature: &[u8]) -> Vec<(String, String)> {
    let to_sign = ToSign::Message(message(call).into_bytes());
    let made = call.assemble(&moment(), &to_sign, signature);
    let Credential::Http { headers } = made.unwrap() else {
        panic!("another kind")
    };
    headers
}

/// Of -07: the bytes are ours but for the nonce, which is no word of ours, and the published signature is over them.
#[test]
fn the_newest_drafts_sample_is_what_is_made() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let case = &vectors["07"];
    let text = |name: &str| case[name].as_str().unwrap();
    let sample = HttpRoute {
        host: "svcb.example.com".to_owned(),
        query: listed(&["flavor"]),
        wimse: Some(Box::new(WimseRoute {
            subject: "wimse://example.com/svcA".to_owned(),
            sign_response: true,
            ..said()
        })),
        ..route("/gimme-ice-cream", &["GET"])
    };
    let catalog = fixture::catalog(vec![("ice", vec![Route::Http(sample)])]);
    let mut grant = fixture::grant(&["ice"], &[], &[]);
    let rule = CredentialRule {
        profile: Some(profile::WIMSE.to_owned()),
        signature_agent: None,
        ttl: None,
    };
    grant.credentials.insert(Kind::Http, rule);
    let mut input = get(text("url"));
    input
        .headers
        .push((wit::FIELD.to_owned(), text("wit").to_owned()));
    let call = HttpCall::parse(&input, None, &catalog, &grant).unwrap();
    let public = URL_SAFE_NO_PAD.decode(text("x")).unwrap();
    let info = SigningKeyInfo {
        thumbprint: jwk::thumbprint(Alg::Ed25519, &public).unwrap(),
        public,
        ..key(Kind::Http, Alg::Ed25519)
    };
    let at = |name: &str| UnixMs(case[name].as_u64().unwrap() * 1000);
    let sampled = Moment {
        now: at("created"),
        expires_at: at("expires"),
        ..moment()
    };
    let signed = call.to_sign(&info, &sampled).unwrap();
    let base = String::from_utf8(signed.message().unwrap().to_vec()).unwrap();
    assert!(base.contains("AAECAwQFBgcICQoLDA0ODw"), "{base}");
    let base = base.replace("AAECAwQFBgcICQoLDA0ODw", text("nonce"));
    let input = base::signature_input(base.as_bytes()).unwrap();
    assert_eq!(format!("{LABEL}={input}"), text("signature_input"));
    let published = text("signature").strip_prefix("sig1=:").unwrap();
    let published = STANDARD.decode(published.trim_end_matches(':')).unwrap();
    let verify =
        |base: &str| AwsLc.verify(Scheme::Ed25519, &info.public, base.as_bytes(), &published);
    verify(&base).unwrap();
    verify(&base.replace("vanilla", "lemon")).unwrap_err();
}

/// Of -06, whose private key is published: its layout is another, its serialisation the same.
#[test]
fn the_draft_befores_sample_is_built_and_signed_to_the_byte() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let case = &vectors["06"];
    let text = |name: &str| case[name].as_str().unwrap();
    let integer = |name: &str| Parameter::Integer(case[name].as_u64().unwrap());
    let components = [
        Component::new("@method", "GET"),
        Component::new("@request-target", "/gimme-ice-cream?flavor=vanilla"),
        Component::new(wit::FIELD, text("wit")),
    ];
    let parameters = [
        ("created", integer("created")),
        ("expires", integer("expires")),
        ("nonce", Parameter::Text(text("nonce").into())),
        ("tag", Parameter::Text(WIMSE_TAG.into())),
        ("wimse-aud", Parameter::Text(text("audience").into())),
        ("wimse-sign-response", Parameter::True),
    ];
    let base = base::base(&components, &parameters).unwrap();
    let input = base::signature_input(&base).unwrap();
    assert_eq!(format!("wimse={input}"), text("signature_input"));
    let decode = |name: &str| URL_SAFE_NO_PAD.decode(text(name)).unwrap();
    let pair = Ed25519KeyPair::from_seed_and_public_key(&decode("d"), &decode("x")).unwrap();
    let signature = STANDARD.encode(pair.sign(&base));
    assert_eq!(format!("wimse=:{signature}:"), text("signature"));
}

#[test]
fn it_covers_the_request_and_the_token_and_says_neither_key_nor_algorithm() {
    let signed = message(&call(&with(get(ORDER), &claims())));
    let expected = format!(
        "\"@method\": GET\n\"@path\": /v1/orders/7\n\"@query\": ?expand=items\n\"workload-identity-token\": {}\n\
         \"@signature-params\": (\"@method\" \"@path\" \"@query\" \"workload-identity-token\");created=1795424400;\
         expires=1795424460;nonce=\"AAECAwQFBgcICQoLDA0ODw\";tag=\"wimse-workload-to-workload\";\
         wimse-aud=\"https://api.example.com/v1/orders/7\"",
        token(&claims())
    );
    assert_eq!(signed, expected);
    assert!(!signed.contains("keyid") && !signed.contains(";alg="));
}

#[test]
fn whatever_the_draft_wants_covered_is_covered_where_it_is_there() {
    let mut order = get(ORDER);
    for (name, value) in [
        ("authorization", "Bearer a"),
        ("txn-token", "b.c.d"),
        ("x-tenant", "7"),
    ] {
        order.headers.push((name.to_owned(), value.to_owned()));
    }
    let signed = message(&call(&with(order, &claims())));
    for line in [
        "\"authorization\": Bearer a\n",
        "\"txn-token\": b.c.d\n",
        "\"x-tenant\": 7\n",
    ] {
        assert!(signed.contains(line), "{line} in {signed}");
    }
    let charge = post(
        "https://api.example.com/v1/charges",
        "application/json",
        br#"{"amount":1}"#,
    );
    let charged = call(&with(charge, &claims()));
    let signed = message(&charged);
    let digest = content_digest(&sha256(&[br#"{"amount":1}"#]).0);
    for line in [
        format!("\"content-digest\": {digest}\n"),
        "\"content-type\": application/json\n".to_owned(),
    ] {
        assert!(signed.contains(&line), "{line} in {signed}");
    }
    let names: Vec<_> = fields(&charged, &[0; 64])
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["content-digest", "signature-input", "signature"]);
}

#[test]
fn the_audience_is_the_routes_and_never_the_callers() {
    let input = with(get(ORDER), &claims());
    let named = WimseRoute {
        audience: Some("wimse://example.com/orders".to_owned()),
        sign_response: true,
        ..said()
    };
    let named = under(Some(profile::WIMSE), Some(named), &input).unwrap();
    let signed = message(&named);
    assert!(
        signed.ends_with(";wimse-aud=\"wimse://example.com/orders\";wimse-sign-response"),
        "{signed}"
    );
    assert_eq!(
        named.effects().first.destination,
        "wimse://example.com/orders"
    );
    let own = call(&input);
    assert_eq!(own.effects().first.destination, "api.example.com");
    assert_ne!(own.canonical(), named.canonical());
    assert_eq!(own.canonical(), call(&input).canonical());
    let port = "https://api.example.com:8443/v1/orders/7";
    assert_eq!(
        denied(&with(get(port), &claims())).0,
        Code::DestinationDenied
    );
}

#[test]
fn the_effect_is_bound_to_the_tokens_key_and_life() {
    let mut claims = claims();
    claims["nbf"] = json!(1_795_424_000);
    let call = call(&with(get(ORDER), &claims));
    let bound = Bound {
        key: own().thumbprint,
        from: UnixMs(1_795_424_000_000),
        ends_at: moment().expires_at,
        param: wit::PARAM,
    };
    assert_eq!(call.effects().first.token, Some(bound));
    assert_eq!(call.effects().first.max_lifetime, MAX_LIFETIME);
}

#[test]
fn no_other_key_signs_than_the_tokens() {
    let call = call(&with(get(ORDER), &claims()));
    let thief = SigningKeyInfo {
        thumbprint: jwk::thumbprint(Alg::Ed25519, &[7; 32]).unwrap(),
        public: vec![7; 32],
        ..own()
    };
    let others = [Alg::P256, Alg::Ps512, Alg::Hs256].map(|alg| key(Kind::Http, alg));
    for info in others.into_iter().chain([thief]) {
        let denial = call.to_sign(&info, &moment()).unwrap_err();
        assert_eq!(denial.code, Code::KeyDenied, "{info:?}");
    }
    for length in [0, 32, 63, 65, 256] {
        let signed = call.to_sign(&own(), &moment()).unwrap();
        let denial = call.assemble(&moment(), &signed, &vec![0; length]);
        assert_eq!(denial.unwrap_err().code, Code::KeyDenied);
    }
}

#[test]
fn no_signature_begins_before_its_token_or_ends_after_it() {
    let ends = moment().expires_at.secs();
    for (name, value, fine) in [
        ("exp", ends, true),
        ("exp", ends - 1, false),
        ("exp", 0, false),
        ("nbf", moment().now.secs(), true),
        ("nbf", moment().now.secs() + 1, false),
    ] {
        let mut claims = claims();
        claims[name] = json!(value);
        let made = call(&with(get(ORDER), &claims)).to_sign(&own(), &moment());
        assert_eq!(made.is_ok(), fine, "{name} {value}");
        if let Err(denial) = made {
            let place = denial.param.as_deref();
            assert_eq!((denial.code, place), (Code::Outliving, Some(wit::PARAM)));
        }
    }
}

#[test]
fn a_request_without_its_workloads_token_is_refused() {
    let place = Some(wit::PARAM.to_owned());
    let missing = (Code::InvalidRequest, place.clone());
    assert_eq!(denied(&get(ORDER)), missing);
    for text in ["", "a.b.c", "none"] {
        let mut input = get(ORDER);
        input.headers.push((wit::FIELD.to_owned(), text.to_owned()));
        assert_eq!(denied(&input), missing, "{text}");
    }
    let mut other = claims();
    other["sub"] = json!("wimse://example.com/billing2");
    assert_eq!(
        denied(&with(get(ORDER), &other)),
        (Code::PermissionDenied, place)
    );
    let twice = with(with(get(ORDER), &claims()), &claims());
    assert_eq!(denied(&twice), missing);
}

#[test]
fn a_route_and_a_grant_of_two_profiles_make_nothing() {
    let input = with(get(ORDER), &claims());
    for named in [None, Some(profile::GENERIC)] {
        let denial = under(named, Some(said()), &input).unwrap_err();
        assert_eq!(denial.code, Code::Unsupported, "{named:?}");
    }
    let denial = under(Some(profile::WIMSE), None, &get(ORDER)).unwrap_err();
    assert_eq!(denial.code, Code::Unsupported);
    // Elsewhere the token is a field like any other: not listed, not taken.
    let denial = under(None, None, &input).unwrap_err();
    let place = denial.param.as_deref();
    assert_eq!(
        (denial.code, place),
        (Code::UnlistedMember, Some(wit::PARAM))
    );
}

#[test]
fn the_specs_example_is_what_is_made() {
    let call = call(&with(get(ORDER), &claims()));
    let message = message(&call);
    assert!(SPEC.contains(&format!("```\n{message}\n```")), "{message}");
    let signed = fields(&call, pair().sign(message.as_bytes()).as_ref());
    let lines: String = signed.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
    assert!(SPEC.contains(&format!("```\n{lines}```")), "{lines}");
}

/// A second, plain reading of what was signed: its lines, and its parameters by splitting.
fn read(message: &str) -> (Vec<(String, String)>, Vec<String>) {
    let lines = message.lines().map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.trim_matches('"').to_owned(), value.to_owned())
    });
    let mut lines: Vec<_> = lines.collect();
    let (_, params) = lines.pop().unwrap();
    let (_, params) = params.split_once(')').unwrap();
    let params = params.split(';').skip(1).map(str::to_owned).collect();
    (lines, params)
}

proptest! {
    /// Whatever is signed covers every part of the request, is for the route's audience, and lives no longer than its token.
    #[test]
    fn what_is_signed_says_no_more_than_it_may(
        id in "[a-z0-9]{1,6}", expand in prop::option::of("[a-z]{0,4}"), tenant in prop::option::of("[ -~]{0,8}"),
        audience in prop::option::of("[!-~]{1,20}"), sign_response in any::<bool>(), left in 0_u64..200, late in -3_i64..3,
    ) {
        let query = expand.as_ref().map(|value| format!("?expand={value}")).unwrap_or_default();
        let path = format!("/v1/orders/{id}");
        let mut input = get(&format!("https://api.example.com{path}{query}"));
        input.headers.extend(tenant.iter().map(|value| ("x-tenant".to_owned(), value.clone())));
        let mut claims = claims();
        claims["exp"] = json!(moment().now.secs().saturating_add(left));
        claims["nbf"] = json!(moment().now.secs().checked_add_signed(late).unwrap());
        let input = with(input, &claims);
        let route = WimseRoute { audience: audience.clone(), sign_response, ..said() };
        let Ok(call) = under(Some(profile::WIMSE), Some(route), &input) else {
            prop_assert!(tenant.is_some_and(|value| value.trim() != value));
            return Ok(());
        };
        let Ok(signed) = call.to_sign(&own(), &moment()) else {
            prop_assert!(left < 60 || late > 0);
            return Ok(());
        };
        prop_assert!(left >= 60 && late <= 0);
        let (lines, params) = read(std::str::from_utf8(signed.message().unwrap()).unwrap());
        let mut expected = vec![
            ("@method".to_owned(), "GET".to_owned()),
            ("@path".to_owned(), path.clone()),
            ("@query".to_owned(), if query.is_empty() { "?".to_owned() } else { query }),
        ];
        expected.extend(input.headers);
        prop_assert_eq!(lines, expected);
        if audience.as_ref().is_none_or(|text| !text.contains([';', '"', '\\'])) {
            let audience = audience.unwrap_or_else(|| format!("https://api.example.com{path}"));
            let names: Vec<_> = params.iter().map(|one| one.split('=').next().unwrap()).collect();
            let mut expected = vec!["created", "expires", "nonce", "tag", "wimse-aud"];
            expected.extend(sign_response.then_some("wimse-sign-response"));
            prop_assert_eq!(names, expected);
            prop_assert_eq!(&params[4], &format!("wimse-aud=\"{audience}\""));
        }
    }
}
