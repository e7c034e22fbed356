//! Who must sign what, what never changes, and what only an anchor may take away.

use super::*;
use crate::{
    crypto::AwsLc,
    sample::{
        self, ANA, BEN, CEM, DUTY, NIGHT, STRANGER, bytes, g0, links, manifest, next, person,
        release, signatures, with,
    },
};
use serde_json::{Value, json};

fn verify(links: &[Signed]) -> Result<Chain, Error> {
    Chain::verify(links, &AwsLc)
}

/// g0, g1 and a g2 that differs in one member.
fn third(pointer: &str, value: Value, anchor: bool, seeds: &[u8]) -> Result<Chain, Error> {
    let mut links = links();
    let g2 = next(&links[0].body, &links[1].body, 2);
    let g2 = with(with(g2, "/anchor", json!(anchor)), pointer, value);
    links.push(manifest(&g2, seeds));
    verify(&links)
}

#[track_caller]
fn refused(result: Result<Chain, Error>, pointer: &str, code: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.pointer(), error.code()), (pointer, code), "{error}");
}

#[test]
fn a_chain_answers_from_its_links() {
    let links = links();
    let alone = verify(&links[..1]).unwrap();
    assert_eq!(alone.newest_anchor(), None);
    assert_eq!(alone.first_command_prev(), alone.fingerprint());
    let chain = third("/durability", json!("volatile"), false, &[ANA, BEN]).unwrap();
    assert_eq!(
        chain.fingerprint(),
        crate::crypto::sha256(&[&links[0].body])
    );
    assert_eq!(chain.g0().generation, 0);
    assert_eq!(chain.newest().generation, 2);
    assert_eq!(chain.newest_anchor().unwrap().generation, 1);
    assert_eq!(chain.get(1), chain.newest_anchor());
    assert_eq!(chain.bytes(1), Some(&links[1].body[..]));
    assert_eq!(chain.first_command_prev(), chain.get(1).unwrap().digest);
    assert_eq!(
        (chain.get(3), chain.get(u64::MAX), chain.bytes(3)),
        (None, None, None)
    );
}

#[test]
fn a_file_reads_back() {
    let links = links();
    assert_eq!(
        Chain::parse_file(Chain::to_file(&links).as_bytes()).unwrap(),
        links
    );
    for bad in [
        "{}",
        r#"{"manifests":[]}"#,
        r#"{"manifests":[{"body":"?","signatures":[]}]}"#,
    ] {
        Chain::parse_file(bad.as_bytes()).unwrap_err();
    }
}

#[test]
fn a_file_is_limited_on_both_sides() {
    let links = |n: usize, signatures: usize| {
        let link = Signed {
            body: b"x".to_vec(),
            signatures: vec!["y".to_owned(); signatures],
        };
        Chain::to_file(&vec![link; n])
    };
    Chain::parse_file(links(MAX_MANIFESTS, 32).as_bytes()).unwrap();
    let error = Chain::parse_file(links(MAX_MANIFESTS + 1, 1).as_bytes()).unwrap_err();
    assert_eq!(error.pointer(), "/manifests");
    let error = Chain::parse_file(links(1, 33).as_bytes()).unwrap_err();
    assert_eq!(error.pointer(), "/manifests/0/signatures");
}

#[test]
fn g0_needs_its_own_owners_threshold_of_distinct_people() {
    let signed = |seeds: &[u8]| verify(&[manifest(&g0(), seeds)]);
    signed(&[ANA, CEM]).unwrap();
    refused(signed(&[]), "/manifests/0/signatures", Error::THRESHOLD);
    refused(signed(&[ANA]), "/manifests/0/signatures", Error::THRESHOLD);
    refused(
        signed(&[ANA, ANA]),
        "/manifests/0/signatures",
        Error::THRESHOLD,
    );
    refused(
        signed(&[ANA, DUTY]),
        "/manifests/0/signatures/1",
        Error::SIGNATURE,
    );
    refused(
        signed(&[ANA, BEN, STRANGER]),
        "/manifests/0/signatures/2",
        Error::SIGNATURE,
    );
    refused(verify(&[]), "/manifests", Error::MALFORMED);
}

#[test]
fn two_keys_of_one_person_are_one_person() {
    let owners = json!([
        person("ana", &[ANA, 30]),
        person("ben", &[BEN]),
        person("cem", &[CEM])
    ]);
    let document = with(g0(), "/owners", owners);
    refused(
        verify(&[manifest(&document, &[ANA, 30])]),
        "/manifests/0/signatures",
        Error::THRESHOLD,
    );
    verify(&[manifest(&document, &[BEN, 30])]).unwrap();
}

#[test]
fn a_signature_is_over_the_exact_bytes_in_the_namespace_of_manifests() {
    let mut links = links();
    links[0].body.push(b' ');
    refused(
        verify(&links),
        "/manifests/0/signatures/0",
        Error::SIGNATURE,
    );
    let body = bytes(&g0());
    let signed = Signed {
        signatures: signatures(crate::label::NAMESPACE_COMMAND, &body, &[ANA, BEN]),
        body,
    };
    refused(
        verify(&[signed]),
        "/manifests/0/signatures/0",
        Error::SIGNATURE,
    );
}

#[test]
fn the_next_generation_needs_both_the_old_and_the_new_owners() {
    let mut links = links();
    let owners = json!([
        person("ana", &[ANA]),
        person("dan", &[40]),
        person("eve", &[41])
    ]);
    let document = with(next(&links[0].body, &links[0].body, 1), "/owners", owners);
    for (seeds, code) in [
        (&[ANA, BEN][..], Error::THRESHOLD),
        (&[ANA, 40], Error::THRESHOLD),
        (&[40, 41], Error::THRESHOLD),
        (&[ANA, BEN, STRANGER], Error::SIGNATURE),
    ] {
        links[1] = manifest(&document, seeds);
        let error = verify(&links).unwrap_err();
        assert_eq!(error.code(), code, "{seeds:?}");
        assert!(error.pointer().starts_with("/manifests/1/signatures"));
    }
    links[1] = manifest(&document, &[ANA, BEN, 40]);
    verify(&links).unwrap();
}

#[test]
fn what_genesis_made_never_changes() {
    let all = &[ANA, BEN];
    let at = |name: &str| format!("/manifests/2/body{name}");
    let digest = json!(Digest([1; 32]).to_string());
    let other_key = crate::log::checkpoint::LogKey {
        public: [3; 32],
        ..sample::log_key(&links()[0].body)
    };
    let recipients = json!([{"arn": "b", "public_key": sample::spki(1)}]);
    for (pointer, value) in [
        ("/bundle", digest.clone()),
        ("/log/first_root", digest.clone()),
        ("/log/vkey", json!(other_key.vkey())),
        ("/origin", json!("acme/other")),
        ("/recipients", recipients),
        ("/supersedes", digest),
    ] {
        refused(
            third(pointer, value, true, all),
            &at(pointer),
            Error::SUCCESSION,
        );
    }
    refused(
        third("/generation", json!(3), true, all),
        &at("/generation"),
        Error::SUCCESSION,
    );
}

#[test]
fn a_generation_is_neither_skipped_nor_repeated_nor_started_late() {
    let links = links();
    refused(
        verify(&links[1..]),
        "/manifests/0/body/generation",
        Error::SUCCESSION,
    );
    let twice = [links[0].clone(), links[0].clone()];
    refused(
        verify(&twice),
        "/manifests/1/body/generation",
        Error::SUCCESSION,
    );
}

#[test]
fn the_log_is_named_after_g0() {
    let mut links = links();
    let document = next(&links[0].body, &links[0].body, 1);
    for other in [b"another g0".as_slice(), &links[1].body] {
        let vkey = json!(sample::log_key(other).vkey());
        let signed = manifest(&with(document.clone(), "/log/vkey", vkey), &[ANA, BEN]);
        refused(
            verify(&[links[0].clone(), signed]),
            "/manifests/1/body/log/vkey",
            Error::SUCCESSION,
        );
    }
    links[1] = manifest(&document, &[ANA, BEN]);
    verify(&links).unwrap();
}

#[test]
fn what_takes_a_power_away_is_an_anchor() {
    let duty = || person("duty", &[DUTY]);
    let fewer_owners = json!([person("ana", &[ANA]), person("ben", &[BEN])]);
    let other_key = json!([
        person("ana", &[ANA]),
        person("ben", &[BEN]),
        person("cem", &[30])
    ]);
    for (pointer, value) in [
        ("/owners", fewer_owners),
        ("/owners", other_key),
        ("/operators", json!([duty()])),
        ("/operators", json!([])),
        ("/releases", json!([release("0.2.0", 2)])),
        ("/releases", json!([release("0.1.0", 2)])),
        ("/min_version", json!("0.1.1")),
        ("/rollback", Value::Null),
    ] {
        let seeds = &[ANA, BEN];
        third(pointer, value.clone(), true, seeds).unwrap();
        refused(
            third(pointer, value, false, seeds),
            "/manifests/2/body/anchor",
            Error::SUCCESSION,
        );
    }
}

#[test]
fn what_adds_a_power_needs_no_anchor() {
    let operators = json!([
        person("duty", &[DUTY]),
        person("night", &[NIGHT]),
        person("x", &[41])
    ]);
    for (pointer, value) in [
        ("/operators", operators),
        (
            "/releases",
            json!([release("0.1.0", 1), release("0.2.0", 2)]),
        ),
        ("/durability", json!("volatile")),
    ] {
        third(pointer, value, false, &[ANA, BEN]).unwrap();
    }
}

#[test]
fn more_signers_or_durable_answers_than_before_are_an_anchor() {
    let owners = json!([
        person("ana", &[ANA]),
        person("ben", &[BEN]),
        person("cem", &[CEM]),
        person("dan", &[40])
    ]);
    for anchor in [true, false] {
        // Four owners need three of them.
        let mut grown = links();
        let g2 = with(
            next(&grown[0].body, &grown[1].body, 2),
            "/owners",
            owners.clone(),
        );
        let g2 = with(with(g2, "/threshold", json!(3)), "/anchor", json!(anchor));
        grown.push(manifest(&g2, &[ANA, BEN, CEM]));
        assert_eq!(verify(&grown).is_ok(), anchor);
        let mut back = links();
        let g2 = with(
            next(&back[0].body, &back[1].body, 2),
            "/durability",
            json!("volatile"),
        );
        back.push(manifest(&g2, &[ANA, BEN]));
        let g3 = with(
            next(&back[0].body, &back[2].body, 3),
            "/durability",
            json!("durable"),
        );
        back.push(manifest(&with(g3, "/anchor", json!(anchor)), &[ANA, BEN]));
        assert_eq!(verify(&back).is_ok(), anchor);
    }
}

#[test]
fn an_operator_who_becomes_an_owner_loses_nothing() {
    let mut links = links();
    let owners = json!([
        person("ana", &[ANA]),
        person("ben", &[BEN]),
        person("cem", &[CEM]),
        person("duty", &[DUTY])
    ]);
    let g2 = with(next(&links[0].body, &links[1].body, 2), "/owners", owners);
    let g2 = with(g2, "/operators", json!([person("night", &[NIGHT])]));
    // Three of four sign where two of three did: an anchor for that alone.
    let g2 = with(g2, "/anchor", json!(true));
    links.push(manifest(
        &with(g2, "/threshold", json!(3)),
        &[ANA, BEN, CEM],
    ));
    verify(&links).unwrap();
}

#[test]
fn the_number_of_manifests_is_limited() {
    let links = vec![links()[0].clone(); MAX_MANIFESTS + 1];
    refused(verify(&links), "/manifests", Error::MALFORMED);
}

#[test]
fn a_chain_grows_one_link_at_a_time_and_to_its_limit() {
    let mut links = links();
    let mut chain = verify(&links).unwrap();
    for generation in 2.. {
        let g = next(&links[0].body, &links[links.len() - 1].body, generation);
        let link = manifest(&g, &[ANA, BEN]);
        if links.len() == MAX_MANIFESTS {
            refused(chain.extended(&link, &AwsLc), "/body", Error::SUCCESSION);
            break;
        }
        links.push(link.clone());
        chain = chain.extended(&link, &AwsLc).unwrap();
    }
    assert_eq!(chain, verify(&links).unwrap());
    assert_eq!(chain.up_to(1), verify(&links[..2]).ok());
    assert_eq!(chain.up_to(0), verify(&links[..1]).ok());
    assert_eq!(chain.up_to(64), None);
    assert_eq!(chain.up_to(63), Some(chain.clone()));
    refused(
        chain.extended(&links[1], &AwsLc),
        "/body",
        Error::SUCCESSION,
    );
}

#[test]
fn what_extends_a_chain_is_checked_like_a_link() {
    let links = links();
    let chain = verify(&links).unwrap();
    let g2 = next(&links[0].body, &links[1].body, 2);
    chain.extended(&manifest(&g2, &[ANA, BEN]), &AwsLc).unwrap();
    let few = chain.extended(&manifest(&g2, &[ANA]), &AwsLc);
    refused(few, "/signatures", Error::THRESHOLD);
    let again = chain.extended(&links[1], &AwsLc);
    refused(again, "/body/generation", Error::SUCCESSION);
}
