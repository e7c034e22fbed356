//! The rendered policy passes, and each of its mutilations is found.

use super::{
    judge::{self, Wanted},
    reach::{DERIVE, Policy, Registers, Request},
    *,
};

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd";
const ROOT: &str = "arn:aws:iam::111122223333:root";

fn parties() -> Parties {
    let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
    Parties {
        host: role("host"),
        administrator: role("admin"),
        break_glass: role("break-glass"),
    }
}

fn release(version: u32, seed: u8) -> Release {
    Release {
        version: Version(0, version, 0),
        pcr0: Pcr([seed; 48]),
        pcr1: Pcr([seed + 1; 48]),
        pcr2: Pcr([seed + 2; 48]),
    }
}

fn pins() -> Pins {
    Pins {
        releases: vec![release(1, 0x10), release(2, 0x20)],
        deployment: Pcr([0xd0; 48]),
        anchor: Pcr([0xa0; 48]),
    }
}

fn codes_of(policy: &Value, pins: Option<&Pins>) -> Vec<&'static str> {
    let wanted = Wanted {
        key: Some(KEY),
        parties: &parties(),
        pins,
    };
    let found = judge::policy(policy.to_string().as_bytes(), &wanted);
    found.iter().map(|finding| finding.code).collect()
}

fn codes(policy: &Value) -> Vec<&'static str> {
    codes_of(policy, Some(&pins()))
}

fn rendered() -> Value {
    render(&parties(), &pins())
}

/// The statement of a name.
fn named<'a>(policy: &'a mut Value, sid: &str) -> &'a mut Value {
    let list = policy["Statement"].as_array_mut().unwrap();
    list.iter_mut().find(|one| one["Sid"] == sid).unwrap()
}

fn drop_statement(policy: &mut Value, sid: &str) {
    let list = policy["Statement"].as_array_mut().unwrap();
    let before = list.len();
    list.retain(|one| one["Sid"] != sid);
    assert_eq!(list.len(), before - 1, "{sid}");
}

fn add(policy: &mut Value, statement: Value) {
    policy["Statement"].as_array_mut().unwrap().push(statement);
}

/// Denies that the render has, gone: what an Allow says alone then counts.
fn without_denies(policy: &mut Value) {
    for register in judge::PINNED {
        drop_statement(policy, &format!("OnlyPcr{register}"));
    }
}

fn allow(principal: Value, action: &str) -> Value {
    json!({ "Sid": "Added", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*" })
}

#[test]
fn the_rendered_policies_pass() {
    assert_eq!(codes(&rendered()), [""; 0]);
    assert_eq!(codes_of(&unborn(&parties()), None), [""; 0]);
    assert!(rendered().to_string().len() < 32 * 1024);
}

type Mutilation = (&'static str, fn(&mut Value));

const MUTILATIONS: [Mutilation; 30] = [
    ("missing_deny", |p| drop_statement(p, "OnlyPcr0")),
    ("missing_deny", |p| drop_statement(p, "OnlyPcr1")),
    ("missing_deny", |p| drop_statement(p, "OnlyPcr2")),
    ("missing_deny", |p| drop_statement(p, "OnlyPcr16")),
    ("derive_unpinned", |p| drop_statement(p, "OnlyPcr17")),
    ("missing_deny", |p| {
        named(p, "OnlyPcr17")["Principal"] = json!({ "AWS": parties().host })
    }),
    ("missing_deny", |p| {
        named(p, "OnlyPcr16")["Action"] = json!("kms:Decrypt")
    }),
    ("missing_deny", |p| {
        named(p, "OnlyPcr16")["Resource"] = json!("arn:aws:kms:eu-west-1:111122223333:key/other")
    }),
    ("missing_deny", |p| {
        named(p, "OnlyPcr17")["Condition"]["Bool"] = json!({ "aws:SecureTransport": "true" });
    }),
    ("deny_spares_absent", |p| {
        let held = named(p, "OnlyPcr17")["Condition"]["StringNotEqualsIgnoreCase"].take();
        named(p, "OnlyPcr17")["Condition"] =
            json!({ "ForAnyValue:StringNotEqualsIgnoreCase": held });
    }),
    ("deny_spares_absent", |p| {
        named(p, "OnlyPcr16")["Condition"]["Null"] =
            json!({ "kms:RecipientAttestation:PCR16": "false" });
    }),
    ("derive_unpinned", |p| {
        named(p, "OnlyPcr17")["Condition"]["StringNotEqualsIgnoreCase"]["kms:RecipientAttestation:PCR17"] =
            json!([to_hex(&[0xa0; 48]), to_hex(&[0xb0; 48])]);
    }),
    ("derive_unpinned", |p| {
        let held = named(p, "OnlyPcr16")["Condition"]["StringNotEqualsIgnoreCase"].take();
        let mut held = held;
        held["kms:RecipientAttestation:PCR16"] = json!("d0*");
        named(p, "OnlyPcr16")["Condition"] = json!({ "StringNotLike": held });
    }),
    ("derive_without_attestation", |p| {
        without_denies(p);
        named(p, "Release0x1x0")
            .as_object_mut()
            .unwrap()
            .remove("Condition");
    }),
    ("absent_passes", |p| {
        let held = named(p, "Release0x1x0")["Condition"]["StringEqualsIgnoreCase"].take();
        named(p, "Release0x1x0")["Condition"] = json!({ "StringEqualsIgnoreCaseIfExists": held });
    }),
    ("derive_without_attestation", |p| {
        without_denies(p);
        let held = named(p, "Release0x1x0")["Condition"]["StringEqualsIgnoreCase"].take();
        named(p, "Release0x1x0")["Condition"] =
            json!({ "ForAllValues:StringEqualsIgnoreCase": held });
    }),
    ("derive_debug", |p| {
        without_denies(p);
        let zero = "00".repeat(48);
        named(p, "Release0x1x0")["Condition"]["StringEqualsIgnoreCase"] = json!({
            "kms:RecipientAttestation:PCR0": zero, "kms:RecipientAttestation:PCR1": zero, "kms:RecipientAttestation:PCR2": zero,
        });
    }),
    ("not_principal", |p| {
        let statement = named(p, "OnlyPcr0").as_object_mut().unwrap();
        statement.remove("Principal");
        statement.insert("NotPrincipal".to_owned(), json!({ "AWS": parties().host }));
    }),
    ("not_action", |p| {
        let mut added = allow(json!({ "AWS": parties().administrator }), "");
        added.as_object_mut().unwrap().remove("Action");
        added["NotAction"] = json!("kms:Decrypt");
        add(p, added);
    }),
    ("policy_changeable", |p| {
        let mut added = allow(json!({ "AWS": parties().administrator }), "");
        added.as_object_mut().unwrap().remove("Action");
        added["NotAction"] = json!("kms:DeriveSharedSecret");
        add(p, added);
    }),
    ("wildcard_action", |p| {
        add(
            p,
            allow(json!({ "AWS": parties().administrator }), "kms:Derive*"),
        )
    }),
    ("anybody", |p| add(p, allow(json!("*"), "kms:DescribeKey"))),
    ("iam_delegation", |p| {
        add(p, allow(json!({ "AWS": ROOT }), "kms:DescribeKey"))
    }),
    ("iam_delegation", |p| {
        add(p, allow(json!({ "AWS": "111122223333" }), "kms:*"))
    }),
    ("other_principal", |p| {
        add(
            p,
            allow(
                json!({ "Service": "ec2.amazonaws.com" }),
                "kms:DeriveSharedSecret",
            ),
        )
    }),
    ("policy_changeable", |p| {
        add(
            p,
            allow(json!({ "AWS": parties().host }), "kms:PutKeyPolicy"),
        )
    }),
    ("deletable", |p| {
        add(
            p,
            allow(
                json!({ "AWS": parties().administrator }),
                "kms:schedulekeydeletion",
            ),
        )
    }),
    ("grants_not_denied", |p| {
        named(p, "NoOtherWayOut")["Action"] = json!("kms:ReplicateKey")
    }),
    ("replicas_not_denied", |p| {
        named(p, "NoOtherWayOut")["Principal"] = json!({ "AWS": ROOT })
    }),
    ("release_shut_out", |p| drop_statement(p, "Release0x2x0")),
];

#[test]
fn each_mutilation_is_found() {
    for (number, (code, mutilate)) in MUTILATIONS.into_iter().enumerate() {
        let mut policy = rendered();
        mutilate(&mut policy);
        let found = codes(&policy);
        assert!(
            found.contains(&code),
            "{number}: {code}, found {found:?}\n{policy:#}"
        );
    }
}

#[test]
fn what_else_is_wrong_has_its_own_word() {
    let mut other = rendered();
    add(
        &mut other,
        allow(json!({ "AWS": parties().administrator }), DERIVE),
    );
    assert!(codes(&other).contains(&"other_deriver"));
    let mut locked = rendered();
    drop_statement(&mut locked, "BreakGlass");
    assert_eq!(codes(&locked), ["policy_locked"]);
    let mut numeric = rendered();
    let held = named(&mut numeric, "OnlyPcr16")["Condition"]["StringNotEqualsIgnoreCase"].take();
    named(&mut numeric, "OnlyPcr16")["Condition"] = json!({ "NumericNotEquals": held });
    assert!(codes(&numeric).contains(&"operator_not_understood"));
    assert!(codes_of(&rendered(), None).contains(&"derive_unborn"));
    for text in [
        json!({}),
        json!({ "Statement": [{ "Effect": "Allow" }] }),
        json!({ "Statement": "x" }),
    ] {
        assert_eq!(codes(&text), ["not_understood"], "{text}");
    }
    // Two members of one name: two readers could see two policies.
    let twice = br#"{"Statement":[],"Statement":[]}"#;
    let wanted = Wanted {
        key: None,
        parties: &parties(),
        pins: None,
    };
    assert_eq!(judge::policy(twice, &wanted)[0].code, "not_understood");
}

#[test]
fn a_build_of_one_release_with_a_register_of_another_is_no_release() {
    let policy = rendered();
    let policy = Policy::parse(policy.to_string().as_bytes(), Some(KEY)).unwrap();
    let mut mixed: Registers = vectors::pinned(&pins())[0].clone();
    let host = parties().host;
    let reaches = |registers: &Registers| {
        let request = Request {
            caller: &host,
            action: DERIVE,
            registers,
        };
        policy.reaches(&request).is_some()
    };
    assert!(reaches(&mixed));
    mixed.insert(1, pins().releases[1].pcr1);
    assert!(!reaches(&mixed));
}
