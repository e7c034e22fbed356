//! Vault and OpenBao: a jwt method of its own with the keys inlined, and a role bound to audience and subject.

use super::{Facts, NAME, Setup, Step, Subject, named, quote, token};
use crate::owner::federate::rules::word;
use claviger_shared::jwk;
use serde_json::json;
use std::collections::BTreeSet;

pub(super) fn setup(facts: &Facts) -> Setup {
    let keys = facts.signing.iter();
    let keys: Vec<_> = keys
        .filter_map(|key| jwk::pem(key.alg, &key.public))
        .collect();
    let algorithms: BTreeSet<_> = facts.signing.iter().map(|key| word(key.alg)).collect();
    let config = json!({
        "jwt_validation_pubkeys": keys, "jwt_supported_algs": algorithms, "bound_issuer": facts.issuer,
    });
    let mut role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": [facts.audience],
        "token_policies": ["POLICY"], "token_no_default_policy": true, "token_ttl": "5m", "token_max_ttl": "5m",
    });
    if let Some(members) = role.as_object_mut() {
        let bound = match &facts.subject {
            Subject::Exact(subject) => vec![("bound_subject", json!(subject))],
            // No part of a subject holds the star.
            Subject::Prefix(prefix) => vec![
                ("bound_claims_type", json!("glob")),
                ("bound_claims", json!({ "sub": format!("{prefix}*") })),
            ],
        };
        members.extend(
            bound
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
    }
    let name = quote(&named(facts));
    let enable = format!("vault auth enable -path={NAME} jwt");
    let enable = Step::run(
        "a method for this deployment; with OpenBao, bao for vault",
        &[&enable],
    );
    let configure = format!("vault write auth/{NAME}/config @jwt-config.json");
    let configure = Step::run("its keys and issuer", &[&configure]);
    let path = format!("vault write auth/{NAME}/role/");
    let bind = Step::run("the role", &[&format!("{path}{name}"), "@role.json"]);
    let login = format!("vault write -field=token auth/{NAME}/login role={name} jwt=- <TOKEN_FILE");
    let login = Step::run("a token of Vault's", &[&login]);
    Setup {
        provider: vec![
            enable,
            Step::file(
                "whose tokens are verified, inlined",
                "jwt-config.json",
                config,
            ),
            configure,
            Step::file("what is compared and given", "role.json", role),
            bind,
        ],
        exchange: vec![token(facts), login],
        minted: "a token for all that POLICY allows, 5 minutes by the role; `vault token revoke` ends it, and a token that can be renewed \
                 ends with token_max_ttl",
        fill: vec![
            "POLICY: the policy's name",
            "TOKEN_FILE: a file of mode 0600",
        ],
    }
}
