//! Every action, every limit of a command, and whose signatures it takes.

use super::*;
use crate::{
    crypto::AwsLc,
    sample::{self, ANA, BEN, CEM, DUTY, STRANGER, with},
    time::Millis,
};
use serde_json::{Value, json};

fn base(chain: &str, action: Value) -> Value {
    sample::command(chain, 1, &Digest([3; 32]), &action)
}

fn parse(document: &Value) -> Result<Command, Error> {
    Command::parse(&sample::bytes(document))
}

#[track_caller]
fn refused(document: &Value, pointer: &str, code: &str) {
    let error = parse(document).unwrap_err();
    assert_eq!((error.pointer(), error.code()), (pointer, code), "{error}");
}

fn actions() -> Vec<(&'static str, Value)> {
    let agent_key = sample::grant()["agent"]["key"].clone();
    vec![
        (
            "widen",
            json!({"type": "catalog.set", "catalog": sample::catalog(), "touches": ["gr_1"]}),
        ),
        ("narrow", json!({"type": "freeze"})),
        ("widen", json!({"type": "thaw"})),
        (
            "widen",
            json!({"type": "grant.create", "grant": sample::grant()}),
        ),
        (
            "widen",
            json!({"type": "grant.amend", "grant": sample::grant()}),
        ),
        ("widen", json!({"type": "grant.resume", "grant": "gr_1"})),
        ("narrow", json!({"type": "grant.revoke", "grant": "gr_1"})),
        ("narrow", json!({"type": "grant.suspend", "grant": "gr_1"})),
        (
            "widen",
            json!({"type": "grant.reissue", "old": "gr_1", "new": "gr_2",
            "agent_key": agent_key, "expires_at": "2026-11-23T17:00:00Z"}),
        ),
        (
            "widen",
            json!({"type": "key.create", "key": {"id": "k_1", "kind": "jwt", "alg": "p256",
            "env": "sandbox", "agent": "bot"}}),
        ),
        ("widen", json!({"type": "key.retire", "key": "k_1"})),
        (
            "widen",
            json!({"type": "manifest.set", "body": "e30=", "signatures": ["x"]}),
        ),
        (
            "widen",
            json!({"type": "key.import", "key": {"id": "k_2", "kind": "http", "alg": "ed25519",
            "public": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}, "boot": Digest([1; 32]).to_string(),
            "channel_key": agent_key, "sealed": Digest([2; 32]).to_string()}),
        ),
    ]
}

#[test]
fn every_action_stands_in_its_own_chain_alone() {
    for (chain, action) in actions() {
        let document = base(chain, action);
        let command = parse(&document).unwrap();
        assert_eq!(command.chain == Chain::Narrow, chain == "narrow");
        assert_eq!(command.digest, sha256(&[&sample::bytes(&document)]));
        let other = if chain == "narrow" { "widen" } else { "narrow" };
        refused(
            &with(document.clone(), "/chain", json!(other)),
            "/chain",
            Error::INVALID,
        );
        refused(
            &with(document, "/chain", json!("")),
            "/chain",
            Error::INVALID,
        );
    }
}

#[test]
fn every_member_of_an_action_is_needed_and_no_other_is_taken() {
    for (chain, action) in actions() {
        for name in action.as_object().unwrap().keys() {
            let pointer = format!("/action/{name}");
            let document = with(base(chain, action.clone()), &pointer, Value::Null);
            assert_eq!(parse(&document).is_ok(), name == "touches", "{document}");
        }
        let document = with(base(chain, action), "/action/more", json!(1));
        refused(&document, "/action/more", Error::MALFORMED);
    }
}

#[test]
fn a_command_says_what_it_says() {
    let command = parse(&base("widen", actions()[9].1.clone())).unwrap();
    let expected = KeyCreate {
        id: KeyId::parse("k_1").unwrap(),
        kind: Kind::Jwt,
        alg: Alg::P256,
        env: crate::effect::Env::Sandbox,
        agent: Some(crate::id::AgentId::parse("bot").unwrap()),
    };
    assert_eq!(command.action, Action::KeyCreate(expected));
    assert_eq!((command.seq, command.prev), (1, Digest([3; 32])));
    assert_eq!(
        command.not_after.since(command.issued_at),
        Millis(MAX_LIFE_MS)
    );
    let command = parse(&base("widen", actions()[11].1.clone())).unwrap();
    let expected = Action::ManifestSet {
        body: b"{}".to_vec(),
        signatures: vec!["x".to_owned()],
    };
    assert_eq!(command.action, expected);
}

#[test]
fn an_imported_key_says_what_it_is_and_for_which_boot() {
    let document = base("widen", actions()[12].1.clone());
    let command = parse(&document).unwrap();
    let Action::KeyImport(import) = command.action else {
        panic!("not an import")
    };
    assert_eq!((import.public, import.boot), (vec![1; 32], Digest([1; 32])));
    assert_eq!(import.sealed, Digest([2; 32]));
    for member in ["boot", "channel_key", "sealed", "key"] {
        let mut without = document.clone();
        without["action"].as_object_mut().unwrap().remove(member);
        refused(&without, &format!("/action/{member}"), Error::MALFORMED);
    }
    let public = "/action/key/public";
    for bad in [json!(""), json!("AQE="), json!("not base64")] {
        refused(&with(document.clone(), public, bad), public, Error::INVALID);
    }
    // 32 bytes are no public key of P-256.
    refused(
        &with(document, "/action/key/alg", json!("p256")),
        public,
        Error::INVALID,
    );
}

#[test]
fn an_hmac_key_has_a_name_of_its_own_and_is_never_born() {
    let import = base("widen", actions()[12].1.clone());
    let import = with(import, "/action/key/alg", json!("hs256"));
    let named = |name: &[u8]| {
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, name);
        with(import.clone(), "/action/key/public", json!(text))
    };
    for fine in [&b"x"[..], b"!~", &[b'x'; 128]] {
        let Action::KeyImport(key) = parse(&named(fine)).unwrap().action else {
            panic!("not an import")
        };
        assert_eq!((key.key.alg, key.public.as_slice()), (Alg::Hs256, fine));
        assert_eq!(Alg::Hs256.key_id(fine).unwrap().as_bytes(), fine);
        assert_eq!(Alg::SigV4.key_id(fine), None);
    }
    for bad in [&b""[..], b" ", b"a b", b"a\n", b"\xc3\xbc", &[b'x'; 129]] {
        refused(&named(bad), "/action/key/public", Error::INVALID);
    }
    for alg in ["hs512", "p521", "rs256"] {
        let document = with(import.clone(), "/action/key/alg", json!(alg));
        refused(&document, "/action/key/alg", Error::UNSUPPORTED);
    }
    let create = base("widen", actions()[9].1.clone());
    let create = with(create, "/action/key/kind", json!("http"));
    let create = |alg: &str| with(create.clone(), "/action/key/alg", json!(alg));
    parse(&create("ps512")).unwrap();
    refused(&create("hs256"), "/action/key", Error::UNSUPPORTED);
}

#[test]
fn what_is_not_built_is_unsupported_and_what_is_unknown_invalid() {
    refused(
        &base("widen", json!({"type": "grant.delete"})),
        "/action/type",
        Error::INVALID,
    );
    let key = base("widen", actions()[9].1.clone());
    refused(
        &with(key.clone(), "/action/key/kind", json!("teapot")),
        "/action/key/kind",
        Error::UNSUPPORTED,
    );
    refused(
        &with(key, "/action/key/alg", json!("rsa")),
        "/action/key/alg",
        Error::UNSUPPORTED,
    );
}

#[test]
fn an_error_inside_a_document_names_its_place_in_the_command() {
    let create = base(
        "widen",
        json!({"type": "grant.create", "grant": sample::grant()}),
    );
    refused(
        &with(create, "/action/grant/budgets", json!([])),
        "/action/grant/budgets",
        Error::INVALID,
    );
    let set = base(
        "widen",
        json!({"type": "catalog.set", "catalog": sample::catalog()}),
    );
    let set = with(set, "/action/catalog/resources/invoices", json!([]));
    refused(&set, "/action/catalog/resources/invoices", Error::INVALID);
}

#[test]
fn only_what_lifts_a_stop_has_lifts() {
    let lifts = json!([Digest([1; 32]).to_string(), Digest([2; 32]).to_string()]);
    for (chain, action) in actions() {
        let word = action["type"].as_str().unwrap().to_owned();
        let document = with(base(chain, action), "/lifts", lifts.clone());
        if ["thaw", "grant.resume", "grant.reissue", "grant.amend"].contains(&word.as_str()) {
            assert_eq!(
                parse(&document).unwrap().lifts,
                [Digest([1; 32]), Digest([2; 32])]
            );
        } else {
            refused(&document, "/lifts", Error::INVALID);
        }
    }
    let twice = json!([Digest([1; 32]).to_string(), Digest([1; 32]).to_string()]);
    let document = with(base("widen", json!({"type": "thaw"})), "/lifts", twice);
    refused(&document, "/lifts/1", Error::INVALID);
}

#[test]
fn a_command_lives_at_most_a_day() {
    let freeze = || base("narrow", json!({"type": "freeze"}));
    let until = |text: &str| parse(&with(freeze(), "/not_after", json!(text)));
    until("2026-11-23T09:00:01Z").unwrap();
    until("2026-11-24T09:00:00Z").unwrap();
    for bad in [
        "2026-11-24T09:00:01Z",
        "2026-11-23T09:00:00Z",
        "2026-11-23T08:00:00Z",
    ] {
        assert_eq!(until(bad).unwrap_err().pointer(), "/not_after", "{bad}");
    }
    refused(&with(freeze(), "/seq", json!(0)), "/seq", Error::INVALID);
    refused(&with(freeze(), "/v", json!(0)), "/v", Error::UNSUPPORTED);
}

#[test]
fn a_command_is_limited_in_bytes_on_both_sides() {
    let mut bytes = sample::bytes(&base("narrow", json!({"type": "freeze"})));
    bytes.resize(MAX_COMMAND, b' ');
    Command::parse(&bytes).unwrap();
    bytes.push(b' ');
    Command::parse(&bytes).unwrap_err();
}

#[track_caller]
fn signed(chain: Chain, seeds: &[u8]) -> Result<Option<Digest>, Error> {
    let signatures = sample::command_signatures(b"body", seeds);
    verify_signers(
        chain,
        b"body",
        &signatures,
        sample::chain().newest(),
        &AwsLc,
    )
}

#[test]
fn widening_takes_the_owners_threshold() {
    assert_eq!(signed(Chain::Widen, &[ANA, CEM]), Ok(None));
    assert_eq!(signed(Chain::Widen, &[ANA, BEN, CEM]), Ok(None));
    for (seeds, code) in [
        (&[][..], Error::THRESHOLD),
        (&[ANA], Error::THRESHOLD),
        (&[ANA, ANA], Error::THRESHOLD),
        (&[ANA, DUTY], Error::SIGNATURE),
        (&[ANA, BEN, STRANGER], Error::SIGNATURE),
    ] {
        assert_eq!(
            signed(Chain::Widen, seeds).unwrap_err().code(),
            code,
            "{seeds:?}"
        );
    }
}

#[test]
fn narrowing_takes_exactly_one_owner_or_operator_who_names_the_chain() {
    for seed in [ANA, DUTY] {
        let fingerprint = sample::Signer::new(seed).public().fingerprint();
        assert_eq!(signed(Chain::Narrow, &[seed]), Ok(Some(fingerprint)));
    }
    for (seeds, code) in [
        (&[][..], Error::THRESHOLD),
        (&[ANA, BEN], Error::THRESHOLD),
        (&[STRANGER], Error::SIGNATURE),
    ] {
        assert_eq!(
            signed(Chain::Narrow, seeds).unwrap_err().code(),
            code,
            "{seeds:?}"
        );
    }
}

#[test]
fn a_signature_counts_for_commands_over_these_bytes_alone() {
    let chain = sample::chain();
    let verify = |signatures: &[String]| {
        verify_signers(Chain::Narrow, b"body", signatures, chain.newest(), &AwsLc)
    };
    let manifest = sample::signatures(crate::label::NAMESPACE_MANIFEST, b"body", &[ANA]);
    assert_eq!(verify(&manifest).unwrap_err().code(), Error::SIGNATURE);
    let other = sample::command_signatures(b"bodx", &[ANA]);
    assert_eq!(verify(&other).unwrap_err().code(), Error::SIGNATURE);
    assert_eq!(
        verify(&["nonsense".to_owned()]).unwrap_err().pointer(),
        "/signatures/0"
    );
}
