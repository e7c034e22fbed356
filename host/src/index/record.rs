//! Records as operators read them: one JSON object each, the same members as the command's offline audit shows.
//!
//! Everything a record holds is shown, salts aside; keyed digests stay digests. It checks nothing.

use claviger_shared::{
    crypto::sha256,
    effect::{Charge, Effect},
    id::{Digest, to_hex},
    log::record::{
        Body, Boot, Born, Call, Command, Denied, Genesis, Outcome, Renewed, RevokedSelf, Simulated,
        Snapshot, Warned,
    },
    owner::manifest::Version,
    time::UnixMs,
};
use serde_json::{Map, Value, json};

/// The words of `kind`, one per sort of record.
pub const KINDS: [&str; 10] = [
    "boot",
    "call",
    "command",
    "denied",
    "genesis",
    "renewed",
    "revoked_self",
    "simulated",
    "snapshot",
    "warned",
];
/// The words of `decision`.
pub const DECISIONS: [&str; 5] = ["denied", "failed", "issued", "simulated", "withdrawn"];

/// The word for what was decided, where something was.
pub(super) const fn decision(body: &Body) -> Option<&'static str> {
    match body {
        Body::Call(call) => Some(outcome(call.outcome)),
        Body::Denied(_) => Some("denied"),
        Body::Simulated(_) => Some("simulated"),
        Body::Boot(_)
        | Body::Command(_)
        | Body::Genesis(_)
        | Body::Renewed(_)
        | Body::RevokedSelf(_)
        | Body::Snapshot(_)
        | Body::Warned(_) => None,
    }
}

/// The word for a call's outcome.
pub(super) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "failed",
        Outcome::Issued => "issued",
        Outcome::Withdrawn => "withdrawn",
    }
}

/// The grant that a record is about.
pub(super) fn grant(body: &Body) -> Option<String> {
    match body {
        Body::Call(call) => Some(call.grant.to_string()),
        Body::Denied(denied) => Some(denied.grant.to_string()),
        Body::Renewed(renewed) => Some(renewed.grant.to_string()),
        Body::RevokedSelf(revoked) => Some(revoked.grant.to_string()),
        Body::Simulated(simulated) => Some(simulated.grant.to_string()),
        Body::Warned(warned) => Some(warned.grant.to_string()),
        Body::Command(command) => {
            let command: Value = serde_json::from_slice(&command.body).ok()?;
            let action = command.get("action")?;
            let named = ["grant", "new"].iter().find_map(|name| action.get(name))?;
            let id = named.get("id").unwrap_or(named);
            id.as_str().map(str::to_owned)
        }
        Body::Boot(_) | Body::Genesis(_) | Body::Snapshot(_) => None,
    }
}

/// The word for a record's kind and its members.
pub(super) fn members(body: &Body) -> (&'static str, Value) {
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
        }) => (
            "denied",
            json!({
                "grant": grant, "code": code.as_str(), "count": count, "first": text(*first), "last": text(*last),
            }),
        ),
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
        }) => (
            "renewed",
            json!({ "grant": grant, "expires_at": text(*expires_at), "at": text(*at) }),
        ),
        Body::RevokedSelf(RevokedSelf {
            grant,
            agent,
            leaked,
            at,
        }) => (
            "revoked_self",
            json!({ "grant": grant, "agent": agent, "leaked": leaked, "at": text(*at) }),
        ),
        Body::Simulated(Simulated {
            grant,
            count,
            first,
            last,
        }) => (
            "simulated",
            json!({ "grant": grant, "count": count, "first": text(*first), "last": text(*last) }),
        ),
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
        }) => (
            "warned",
            json!({
                "grant": grant, "unit": unit, "window": window, "max": max, "spent": spent, "at": text(*at),
            }),
        ),
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

fn charges(list: &[Charge]) -> Value {
    let one = |charge: &Charge| json!({ "unit": charge.unit, "amount": charge.amount });
    list.iter().map(one).collect()
}

fn effect(effect: &Effect) -> Value {
    let Effect {
        kind,
        verb,
        resource,
        route,
        destination,
        method,
        path_template,
        parameters: _,
        mints,
        identity_only,
        charges: list,
        max_lifetime,
    } = effect;
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("kind", json!(kind));
    put("verb", json!(verb));
    put("resource", json!(resource));
    put("route", json!(route));
    put("destination", json!(destination));
    put("method", json!(method));
    if !path_template.is_empty() {
        put("path", json!(path_template));
    }
    if *mints {
        put("mints", json!(true));
    }
    if *identity_only {
        put("identity_only", json!(true));
    }
    put("charges", charges(list));
    put("max_lifetime_ms", json!(max_lifetime.0));
    Value::Object(members)
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
    let digest: Digest = sha256(&[body]);
    let parsed: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let born = born.as_ref().map(|born| {
        let Born { key, public, blob } = born;
        json!({ "key": key, "public": to_hex(public), "blob": blob })
    });
    json!({
        "digest": digest, "command": parsed, "signatures": signatures, "applied_at": text(*applied_at), "born": born,
    })
}
