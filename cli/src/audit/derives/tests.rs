//! Derivations with and without a boot, and events in each form that AWS writes.

use super::*;
use claviger_shared::id::to_hex;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1";
/// 2026-11-23T10:00:00Z.
const NOON: u64 = 1_795_428_000_000;
const WITHIN: Millis = Millis(900_000);

/// An event in the form of the AWS KMS developer guide ("Monitoring requests for Nitro enclaves"); trails hold registers in
/// base64, which the guide does not say.
fn event(id: &str, after_s: u64, change: impl FnOnce(&mut Value)) -> Value {
    let mut event = json!({
        "eventVersion": "1.11", "eventSource": "kms.amazonaws.com", "eventName": "DeriveSharedSecret", "awsRegion": "eu-west-1",
        "eventTime": UnixMs(NOON + after_s * 1000).to_string(), "eventID": id,
        "userIdentity": { "type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/claviger-host/i-0" },
        "requestParameters": { "keyId": KEY, "keyAgreementAlgorithm": "ECDH" }, "responseElements": null,
        "additionalEventData": { "recipient": {
            "attestationDocumentModuleId": "i-0-enc0", "attestationDocumentEnclaveImageDigest": STANDARD.encode([1; 48]),
            "attestationDocumentEnclavePCR1": to_hex(&[2; 48]).to_uppercase(), "attestationDocumentEnclavePCR2": STANDARD.encode([3; 48]),
        } },
        "resources": [{ "accountId": "111122223333", "type": "AWS::KMS::Key", "ARN": KEY }],
    });
    change(&mut event);
    event
}

fn boot(index: u64, after_s: u64) -> Boot {
    Boot {
        index,
        time: UnixMs(NOON + after_s * 1000),
        pcrs: [Pcr([1; 48]), Pcr([2; 48]), Pcr([3; 48])],
    }
}

fn compared(events: &[Value], boots: &[Boot], now_s: u64) -> Comparison {
    let text = json!({ "Records": events }).to_string();
    let now = UnixMs(NOON + now_s * 1000);
    compare(read(&text).unwrap(), boots, &[KEY.to_owned()], WITHIN, now)
}

#[test]
fn each_derivation_needs_a_boot_of_its_own() {
    let two = [event("a", 0, |_| {}), event("b", 300, |_| {})];
    let found = compared(&two, &[boot(1, 2), boot(7, 303)], 10_000);
    assert!(found.is_well() && found.untold.is_empty());
    let entries: Vec<_> = found
        .known
        .iter()
        .map(|(derive, index)| (derive.id.as_str(), *index))
        .collect();
    assert_eq!(entries, [("a", 1), ("b", 7)]);
    let found = compared(&two, &[boot(1, 2)], 10_000);
    assert_eq!(
        found
            .unknown
            .iter()
            .map(|one| one.id.as_str())
            .collect::<Vec<_>>(),
        ["b"]
    );
    assert!(!found.is_well());
    // The same event, delivered twice, is one.
    let twice = [event("a", 0, |_| {}), event("a", 0, |_| {})];
    assert!(compared(&twice, &[boot(1, 2)], 10_000).is_well());
}

#[test]
fn a_boot_explains_only_its_build_and_its_time() {
    let boots = [boot(1, 2)];
    type Change = fn(&mut Value);
    let wrong: [Change; 5] = [
        |event| {
            event["additionalEventData"]["recipient"]["attestationDocumentEnclaveImageDigest"] =
                json!(to_hex(&[9; 48]))
        },
        |event| {
            event["additionalEventData"]["recipient"]["attestationDocumentEnclavePCR2"] =
                json!(to_hex(&[9; 48]))
        },
        |event| event["additionalEventData"] = Value::Null,
        |event| event["additionalEventData"]["recipient"] = json!({}),
        |event| event["eventTime"] = json!(UnixMs(NOON + 123_000).to_string()),
    ];
    for change in wrong {
        let found = compared(&[event("a", 0, change)], &boots, 100_000);
        assert_eq!(found.unknown.len(), 1, "{found:?}");
    }
    // On both sides of the time that it may take.
    assert!(compared(&[event("a", 0, |_| {})], &[boot(1, 900)], 100_000).is_well());
    assert!(!compared(&[event("a", 0, |_| {})], &[boot(1, 901)], 100_000).is_well());
}

#[test]
fn a_young_derivation_is_pending_unless_nothing_attested_it() {
    let found = compared(&[event("a", 0, |_| {})], &[], 899);
    assert_eq!((found.pending.len(), found.unknown.len()), (1, 0));
    assert_eq!(
        compared(&[event("a", 0, |_| {})], &[], 900).unknown.len(),
        1
    );
    let bare = event("a", 0, |event| event["additionalEventData"] = Value::Null);
    assert_eq!(compared(&[bare], &[], 1).unknown.len(), 1);
}

#[test]
fn refusals_other_keys_and_untold_boots_are_told_apart() {
    let refused = event("a", 0, |event| event["errorCode"] = json!("AccessDenied"));
    let other = event("b", 0, |event| {
        event["resources"][0]["ARN"] = json!("arn:aws:kms:eu-west-1:111122223333:key/2")
    });
    let found = compared(&[refused, other], &[boot(1, 2), boot(5, 500)], 10_000);
    assert_eq!(
        (found.refused.len(), found.known.len(), found.unknown.len()),
        (1, 0, 0)
    );
    assert_eq!(found.untold, [5]);
}

#[test]
fn events_are_read_in_each_form() {
    let one = event("a", 0, |_| {});
    let looked_up = json!({ "Events": [{ "EventId": "a", "CloudTrailEvent": one.to_string() }] });
    let forms = [
        json!({ "Records": [one] }).to_string(),
        looked_up.to_string(),
        json!([one]).to_string(),
        format!(
            "{one}\n\n{}\n",
            event("b", 1, |event| event["eventName"] = json!("Decrypt"))
        ),
    ];
    for form in forms {
        assert_eq!(read(&form).unwrap().len(), 1, "{form}");
    }
    assert!(
        read(&json!({ "Records": [] }).to_string())
            .unwrap()
            .is_empty()
    );
    for bad in ["", "{}", "{\"Events\":[{}]}", "nothing"] {
        assert!(bad.is_empty() || read(bad).is_err(), "{bad}");
    }
    for unread in ["", "AAAA", "zz"] {
        let register = |event: &mut Value| {
            event["additionalEventData"]["recipient"]["attestationDocumentEnclavePCR2"] =
                json!(unread);
        };
        let refused = read(&event("a", 0, register).to_string()).unwrap_err();
        assert!(refused.to_string().contains("no register"), "{unread}");
    }
    for member in ["eventID", "eventTime"] {
        let broken = event("a", 0, |event| event[member] = Value::Null);
        assert!(read(&broken.to_string()).is_err(), "{member}");
    }
}
