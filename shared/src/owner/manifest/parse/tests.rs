//! Every rule of one manifest by itself, on both sides.

use super::*;
use crate::sample::{self, ANA, BEN, CEM, DUTY, g0, line, next, person, spki, with};
use serde_json::{Value, json};

fn parse(document: &Value) -> Result<Manifest, Error> {
    Manifest::parse(&sample::bytes(document))
}

fn g1() -> Value {
    let g0 = sample::bytes(&g0());
    next(&g0, &g0, 1)
}

#[track_caller]
fn refused(base: Value, pointer: &str, value: Value, at: &str, code: &str) {
    let document = with(base, pointer, value);
    let error = parse(&document).unwrap_err();
    assert_eq!((error.pointer(), error.code()), (at, code), "{error}");
}

#[test]
fn g0_is_read_in_full() {
    let manifest = parse(&g0()).unwrap();
    assert_eq!(manifest.digest, sha256(&[&sample::bytes(&g0())]));
    assert_eq!(manifest.generation, 0);
    assert_eq!(manifest.attestation_root, Some(AttestationRoot::Aws));
    assert_eq!((manifest.owners.len(), manifest.threshold), (3, 2));
    assert_eq!(manifest.operators[0].name, "duty");
    assert_eq!(manifest.recipients[0].public_key.len(), 91);
    assert_eq!((manifest.running, manifest.supersedes), (None, None));
    assert!(!manifest.anchor);
}

#[test]
fn g1_is_read_in_full() {
    let manifest = parse(&g1()).unwrap();
    let running = manifest.running.unwrap();
    assert!(manifest.anchor && running.rollback_accepted);
    assert_eq!(manifest.attestation_root, None);
    assert_eq!(running.bundle, Digest([7; 32]));
    assert_eq!(running.first_root, Digest([8; 32]));
    assert_eq!(running.releases[0].version, Version(0, 1, 0));
    assert_eq!(running.releases[0].pcr2, Pcr([1; 48]));
    assert_eq!(running.durability, Durability::Durable);
}

#[test]
fn what_is_optional_defaults_to_the_strict_side() {
    let document = with(g1(), "/rollback", Value::Null);
    let running = parse(&document).unwrap().running.unwrap();
    assert!(!running.rollback_accepted);
    let document = with(g1(), "/durability", json!("volatile"));
    let running = parse(&document).unwrap().running.unwrap();
    assert_eq!(running.durability, Durability::Volatile);
    let document = with(g0(), "/operators", json!([]));
    assert!(parse(&document).unwrap().operators.is_empty());
}

#[test]
fn a_simulation_names_its_root() {
    let root = json!({"certificate": "MAA="});
    let manifest = parse(&with(g0(), "/attestation_root", root)).unwrap();
    let expected = AttestationRoot::Certificate(vec![0x30, 0]);
    assert_eq!(manifest.attestation_root, Some(expected));
    let at = "/attestation_root";
    refused(g0(), at, json!("cert:MAA="), at, Error::INVALID);
    refused(
        g0(),
        at,
        json!({"certificate": ""}),
        "/attestation_root/certificate",
        Error::INVALID,
    );
    refused(
        g0(),
        at,
        json!({"certificate": "MA"}),
        "/attestation_root/certificate",
        Error::INVALID,
    );
}

#[test]
fn g0_has_nothing_that_genesis_makes_and_later_ones_have_all_of_it() {
    for name in [
        "supersedes",
        "bundle",
        "log",
        "releases",
        "min_version",
        "durability",
        "rollback",
        "anchor",
    ] {
        let pointer = format!("/{name}");
        let value = g1().get(name).cloned().unwrap_or_else(|| json!("durable"));
        refused(g0(), &pointer, value, &pointer, Error::MALFORMED);
    }
    for name in [
        "supersedes",
        "bundle",
        "log",
        "releases",
        "min_version",
        "anchor",
    ] {
        let pointer = format!("/{name}");
        refused(g1(), &pointer, Value::Null, &pointer, Error::MALFORMED);
    }
    refused(
        g1(),
        "/attestation_root",
        json!("aws"),
        "/attestation_root",
        Error::MALFORMED,
    );
    refused(
        g0(),
        "/attestation_root",
        Value::Null,
        "/attestation_root",
        Error::MALFORMED,
    );
    refused(g1(), "/anchor", json!(false), "/anchor", Error::INVALID);
}

#[test]
fn what_is_not_built_or_not_known_is_refused() {
    for name in UNBUILT {
        let pointer = format!("/{name}");
        refused(g1(), &pointer, json!([]), &pointer, Error::UNSUPPORTED);
    }
    refused(g1(), "/owner", json!([]), "/owner", Error::MALFORMED);
    refused(g1(), "/v", json!(2), "/v", Error::UNSUPPORTED);
    refused(
        g1(),
        "/rollback",
        json!("witnessed"),
        "/rollback",
        Error::INVALID,
    );
    refused(
        g1(),
        "/durability",
        json!("none"),
        "/durability",
        Error::INVALID,
    );
}

#[test]
fn a_threshold_is_more_than_half_and_at_most_all() {
    for (threshold, fine) in [(0, false), (1, false), (2, true), (3, true), (4, false)] {
        let result = parse(&with(g0(), "/threshold", json!(threshold)));
        assert_eq!(result.is_ok(), fine, "{threshold}");
    }
    let two = json!([person("ana", &[ANA]), person("ben", &[BEN])]);
    let two = with(g0(), "/owners", two);
    assert_eq!(
        parse(&with(two, "/threshold", json!(1)))
            .unwrap_err()
            .pointer(),
        "/threshold"
    );
}

#[test]
fn nobody_shares_a_name_or_a_key_with_anybody() {
    let owners = |list: Value| with(g0(), "/owners", list);
    let base = || person("ana", &[ANA]);
    for (list, at) in [
        (json!([]), "/owners"),
        (json!([base(), person("ana", &[BEN])]), "/owners/1/name"),
        (json!([base(), person("ben", &[ANA])]), "/owners/1/keys/0"),
        (
            json!([base(), person("ben", &[BEN, BEN])]),
            "/owners/1/keys/1",
        ),
        (json!([base(), person("duty", &[BEN])]), "/operators/0/name"),
        (
            json!([base(), person("ben", &[DUTY])]),
            "/operators/0/keys/0",
        ),
        (json!([base(), person("ben", &[])]), "/owners/1/keys"),
        (json!([base(), person("", &[BEN])]), "/owners/1/name"),
        (json!([base(), person("b\n", &[BEN])]), "/owners/1/name"),
        (
            json!([base(), {"name": "b", "keys": ["ssh-rsa AAAA"]}]),
            "/owners/1/keys/0",
        ),
    ] {
        let error = parse(&owners(list)).unwrap_err();
        assert_eq!((error.pointer(), error.code()), (at, Error::INVALID));
    }
    // The same key under another comment is the same key.
    let twice = json!([base(), {"name": "ben", "keys": [format!("{} laptop", line(ANA))]}]);
    assert_eq!(
        parse(&owners(twice)).unwrap_err().pointer(),
        "/owners/1/keys/0"
    );
}

#[test]
fn the_number_of_people_and_the_length_of_names_are_limited_on_both_sides() {
    let crowd = |n: u8| {
        let owners: Vec<Value> = (0..n)
            .map(|i| person(&format!("p{i}"), &[i + 10]))
            .collect();
        let document = with(g0(), "/owners", json!(owners));
        parse(&with(document, "/threshold", json!(n)))
    };
    crowd(32).unwrap();
    assert_eq!(crowd(33).unwrap_err().pointer(), "/owners");
    let name = |n: usize| parse(&with(g0(), "/owners/0/name", json!("a".repeat(n))));
    name(MAX_PERSON_NAME).unwrap();
    name(MAX_PERSON_NAME + 1).unwrap_err();
    let origin = |n: usize| parse(&with(g0(), "/origin", json!("a".repeat(n))));
    origin(MAX_ORIGIN).unwrap();
    origin(MAX_ORIGIN + 1).unwrap_err();
    for bad in ["", "/a", "a/", "a//b", "a b", "a+b", "ü", "-a", "a/.."] {
        refused(g0(), "/origin", json!(bad), "/origin", Error::INVALID);
    }
}

#[test]
fn a_manifest_is_limited_in_bytes_on_both_sides() {
    let mut bytes = sample::bytes(&g0());
    bytes.resize(MAX_MANIFEST, b' ');
    Manifest::parse(&bytes).unwrap();
    bytes.push(b' ');
    assert_eq!(
        Manifest::parse(&bytes).unwrap_err().code(),
        Error::MALFORMED
    );
}

#[test]
fn recipients_are_distinct_p256_keys() {
    let at = "/recipients";
    refused(g0(), at, json!([]), at, Error::INVALID);
    let one = |arn: &str, key: &str| json!({"arn": arn, "public_key": key});
    let twice = json!([one("a", &spki(1)), one("a", &spki(2))]);
    refused(g0(), at, twice, "/recipients/1/arn", Error::INVALID);
    refused(
        g0(),
        at,
        json!([one("", &spki(1))]),
        "/recipients/0/arn",
        Error::INVALID,
    );
    use base64::{Engine, engine::general_purpose::STANDARD};
    let der = STANDARD.decode(spki(1)).unwrap();
    let compressed = [&der[..26], &[2], &der[27..]].concat();
    let mut other_curve = der.clone();
    other_curve[22] = 8;
    for bad in [
        &der[..90],
        &[&der[..], &[0]].concat(),
        &compressed,
        &other_curve,
        &[],
    ] {
        let list = json!([one("a", &STANDARD.encode(bad))]);
        refused(g0(), at, list, "/recipients/0/public_key", Error::INVALID);
    }
}

#[test]
fn releases_are_complete_and_measured() {
    let at = "/releases";
    refused(g1(), at, json!([]), at, Error::INVALID);
    let one = sample::release("0.1.0", 1);
    refused(g1(), at, json!([one, one]), "/releases/1", Error::INVALID);
    let zero = json!([sample::release("0.1.0", 0)]);
    refused(g1(), at, zero, "/releases/0/pcr0", Error::INVALID);
    refused(
        g1(),
        "/releases/0/pcr1",
        json!("00"),
        "/releases/0/pcr1",
        Error::INVALID,
    );
    refused(
        g1(),
        "/releases/0/pcr3",
        json!("00"),
        "/releases/0/pcr3",
        Error::MALFORMED,
    );
    let digest = json!("sha256:00");
    refused(g1(), "/bundle", digest, "/bundle", Error::INVALID);
    refused(
        g1(),
        "/log/vkey",
        json!("a+b+c"),
        "/log/vkey",
        Error::INVALID,
    );
}

#[test]
fn a_version_is_three_plain_numbers() {
    assert_eq!(
        Version::parse("0.10.4294967295"),
        Some(Version(0, 10, u32::MAX))
    );
    for text in ["0.1.0", "12.3.456"] {
        assert_eq!(Version::parse(text).unwrap().to_string(), text);
    }
    for bad in [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.2.x",
        "1..3",
        "+1.2.3",
        "1.2.4294967296",
    ] {
        assert_eq!(Version::parse(bad), None, "{bad}");
    }
    assert!(Version(0, 10, 0) > Version(0, 9, 9));
}

#[test]
fn cem_may_have_two_keys() {
    let owners = json!([
        person("ana", &[ANA]),
        person("ben", &[BEN]),
        person("cem", &[CEM, 30])
    ]);
    assert_eq!(
        parse(&with(g0(), "/owners", owners)).unwrap().owners[2]
            .keys
            .len(),
        2
    );
}
