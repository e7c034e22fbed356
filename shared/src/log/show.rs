//! Records as JSON, for people and programs: one form wherever a record is shown (docs/spec/http.md).
//!
//! Everything a record holds is shown, salts aside; keyed digests stay digests; times are RFC 3339 texts. It checks nothing.

use crate::{
    crypto::sha256,
    effect::{ChainNonce, Charge, Effect},
    id::{Digest, to_hex},
    log::record::{
        Body, Boot, Born, Call, Command, Denied, Genesis, Renewed, RevokedSelf, Simulated,
        Snapshot, Warned,
    },
    owner::manifest::Version,
    time::{Millis, UnixMs},
};
use serde_json::{Map, Value, json};

/// A record's kind in a word, and its members.
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
        replaces,
    } = call;
    let mut value = json!({
        "grant": grant, "outcome": outcome, "decided_at": text(*decided_at), "expires_at": text(*expires_at), "key": key,
        "effects": effects.iter().map(effect).collect::<Vec<_>>(), "charged": charges(charged), "input": input,
        "idempotency": idempotency, "nonce": to_hex(nonce), "reported_source": source_text(source),
    });
    if let (true, Some(members)) = (replaces, value.as_object_mut()) {
        members.insert("replaces".to_owned(), json!(true));
    }
    value
}

/// Charges.
#[must_use]
pub fn charges(list: &[Charge]) -> Value {
    let one = |charge: &Charge| json!({ "unit": charge.unit, "amount": charge.amount });
    list.iter().map(one).collect()
}

/// One effect.
#[must_use]
pub fn effect(effect: &Effect) -> Value {
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
        fixed: _,
        ends_at: _,
        signer: _,
        token: _,
        nonce,
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
    let length = (*max_lifetime != Millis::ENDLESS).then_some(max_lifetime.0);
    put("max_lifetime_ms", json!(length));
    if let Some(ChainNonce { chain, nonce }) = nonce {
        put("nonce", json!({ "chain": chain, "nonce": nonce }));
    }
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
