//! Records as people and programs read them: one JSON object each, its kind in a member, times as texts.
//!
//! Everything a record holds is shown, salts aside; keyed digests stay digests.

use claviger_client::render::{charges, effect};
use claviger_shared::{
    id::{Digest, to_hex},
    log::{
        entry::Entry,
        record::{
            Body, Boot, Born, Call, Command, Denied, Genesis, Renewed, RevokedSelf, Simulated,
            Snapshot, Warned,
        },
    },
    owner::manifest::Version,
    time::UnixMs,
};
use serde_json::{Value, json};

/// Every record of a checked entry.
pub fn of_entry(entry: &Entry) -> impl Iterator<Item = Value> + '_ {
    let numbered = entry.records.iter().enumerate();
    numbered.map(|(place, record)| {
        let (kind, members) = members(&record.body);
        let mut value = json!({
            "index": entry.leaf.index, "place": place, "time": entry.leaf.time.to_string(), "kind": kind,
        });
        if let (Some(all), Value::Object(members)) = (value.as_object_mut(), members) {
            all.extend(members);
        }
        value
    })
}

/// The word for a record's kind and its members.
#[must_use]
pub fn members(body: &Body) -> (&'static str, Value) {
    match body {
        Body::Boot(boot) => ("boot", self::boot(boot)),
        Body::Call(call) => ("call", self::call(call)),
        Body::Command(command) => ("command", self::command(command)),
        Body::Denied(Denied {
            grant,
            code,
            count,
            first,
            last,
        }) => {
            let value = json!({
                "grant": grant, "code": code.as_str(), "count": count, "first": text(*first), "last": text(*last),
            });
            ("denied", value)
        }
        Body::Genesis(genesis) => {
            let Genesis {
                g0,
                bundle,
                vkey,
                nonce,
            } = genesis.as_ref();
            let value = json!({ "g0": g0, "bundle": bundle, "vkey": vkey, "nonce": nonce });
            ("genesis", value)
        }
        Body::Renewed(Renewed {
            grant,
            expires_at,
            at,
        }) => {
            let value = json!({ "grant": grant, "expires_at": text(*expires_at), "at": text(*at) });
            ("renewed", value)
        }
        Body::RevokedSelf(RevokedSelf {
            grant,
            agent,
            leaked,
            at,
        }) => {
            let value =
                json!({ "grant": grant, "agent": agent, "leaked": leaked, "at": text(*at) });
            ("revoked_self", value)
        }
        Body::Simulated(Simulated {
            grant,
            count,
            first,
            last,
        }) => {
            let value = json!({ "grant": grant, "count": count, "first": text(*first), "last": text(*last) });
            ("simulated", value)
        }
        Body::Snapshot(Snapshot { size, root, digest }) => (
            "snapshot",
            json!({ "size": size, "root": root, "digest": digest }),
        ),
        Body::Warned(Warned {
            grant,
            unit,
            window,
            max,
            spent,
            at,
        }) => {
            let value = json!({ "grant": grant, "unit": unit, "window": window, "max": max, "spent": spent, "at": text(*at) });
            ("warned", value)
        }
    }
}

fn text(time: UnixMs) -> String {
    time.to_string()
}

fn boot(boot: &Boot) -> Value {
    let Boot {
        instance,
        nonce,
        channel_key,
        pcrs,
        version: Version(major, minor, patch),
        generation,
        manifest,
        time,
        durability,
    } = boot;
    let pcrs: Vec<String> = pcrs.iter().map(|pcr| to_hex(&pcr.0)).collect();
    json!({
        "instance": to_hex(&instance.0), "nonce": to_hex(nonce), "channel_key": channel_key, "pcrs": pcrs,
        "version": format!("{major}.{minor}.{patch}"), "generation": generation, "manifest": manifest,
        "booted_at": text(*time), "durability": durability,
    })
}

fn call(call: &Call) -> Value {
    let Call {
        grant,
        outcome,
        decided_at,
        expires_at,
        key,
        effects,
        charges: charged,
        input,
        idempotency,
        nonce,
        source,
    } = call;
    json!({
        "grant": grant, "outcome": outcome, "decided_at": text(*decided_at), "expires_at": text(*expires_at), "key": key,
        "effects": effects.iter().map(effect).collect::<Vec<_>>(), "charged": charges(charged), "input": input,
        "idempotency": idempotency, "nonce": to_hex(nonce), "reported_source": source_text(source),
    })
}

/// An address as text; IPv4 in its mapped form as IPv4.
fn source_text(source: &[u8; 16]) -> Option<String> {
    let address = std::net::Ipv6Addr::from(*source);
    (!address.is_unspecified()).then(|| address.to_canonical().to_string())
}

fn command(command: &Command) -> Value {
    let Command {
        body,
        signatures,
        applied_at,
        born,
    } = command;
    let digest: Digest = claviger_shared::crypto::sha256(&[body]);
    let parsed: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let born = born.as_ref().map(|born| {
        let Born { key, public, blob } = born;
        json!({ "key": key, "public": to_hex(public), "blob": blob })
    });
    json!({
        "digest": digest, "command": parsed, "signatures": signatures, "applied_at": text(*applied_at), "born": born,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_source_is_shown_as_one_and_no_source_as_none() {
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 20, 0, 1];
        assert_eq!(source_text(&mapped).as_deref(), Some("10.20.0.1"));
        assert_eq!(source_text(&[0; 16]), None);
    }
}
