//! Agent keys, requests of the sidecar, and what the host reads from files and queries.

use claviger_cli::sidecar::{
    request::{self, Kind},
    ssh::message::{Request, is_login},
};
use claviger_client::AgentKey;
use claviger_host::{Config, index::audit::Place, store::Entry};
use claviger_shared::call::Input;

/// An agent key: one spelling, and its secret is never shown.
pub fn agent_key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match AgentKey::parse(text) {
        Ok(key) => {
            assert_eq!(key.expose().unwrap().as_str(), text.trim());
            let secret = hex::encode(key.secret.expose());
            assert!(!format!("{key:?}").contains(&secret));
        }
        Err(error) => assert_eq!(error.to_string(), "agent key is malformed"),
    }
}

/// A message to the ssh-agent: what is to be signed is all of it, and a login is for the key that is asked to sign it.
pub fn ssh_agent(data: &[u8]) {
    let Some(Request::Sign { key, data: signed }) = Request::parse(data) else {
        return;
    };
    // Type, two lengths, flags.
    assert_eq!(data.len(), 1 + 4 + key.len() + 4 + signed.len() + 4);
    for algorithm in ["ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"] {
        if is_login(signed, key, algorithm.as_bytes()) {
            assert!(!signed.starts_with(b"SSHSIG"));
            let text = String::from_utf8_lossy(signed).into_owned();
            assert!(text.contains("ssh-connection") && text.contains(algorithm));
            assert!(signed.windows(key.len().max(1)).any(|part| part == key) || key.is_empty());
        }
    }
}

/// A sidecar's request: nothing is in what is asked that was not in the text, and unknown members are refused.
pub fn sidecar(data: &[u8]) {
    if let Ok(sign) = request::parse(Kind::Http, data) {
        let Input::Http(input) = sign.input else {
            panic!("another kind");
        };
        let other: serde_json::Value = serde_json::from_slice(data).unwrap();
        assert_eq!(
            (other["method"].as_str(), other["url"].as_str()),
            (Some(&*input.method), Some(&*input.url))
        );
        assert_eq!(
            other["idempotency_key"].as_str(),
            sign.idempotency_key.as_deref()
        );
        let known = ["method", "url", "headers", "body", "idempotency_key"];
        assert!(
            other
                .as_object()
                .is_none_or(|members| members.keys().all(|name| known.contains(&name.as_str())))
        );
        assert!(
            input
                .headers
                .iter()
                .all(|(name, _)| !name.bytes().any(|byte| byte.is_ascii_uppercase()))
        );
        assert_eq!(input.body.is_some(), !other["body"].is_null());
    }
    if let Ok(sign) = request::parse(Kind::Jwt, data) {
        let Input::Jwt(input) = sign.input else {
            panic!("another kind");
        };
        let other: serde_json::Value = serde_json::from_slice(data).unwrap();
        assert_eq!(
            (other["audience"].as_str(), other["ttl_s"].as_u64()),
            (Some(&*input.audience), input.ttl_s)
        );
    }
}

/// A record's place in queries and paths: one spelling.
pub fn audit_place(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(place) = Place::parse(text)
    {
        assert_eq!(place.to_string(), text);
    }
}

/// The host's configuration: what is accepted holds its rules, and an error says where.
pub fn host_config(data: &[u8]) {
    match Config::parse(data) {
        Ok(config) => config.check().unwrap(),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// An entry as the store keeps it: one form.
pub fn stored_entry(data: &[u8]) {
    if let Ok(entry) = Entry::parse(data.to_vec()) {
        assert_eq!(entry.bytes(), data);
        assert_eq!(Entry::new(entry.value().clone()).unwrap().bytes(), data);
    }
}
