//! Calls of the `ssh` kind, and a deployment whose agent makes them.

use crate::{
    agent::Agent,
    deployment::{Deployment, Enclave},
    owner::Granted,
};
use claviger_shared::call::{Input, SshCertificateInput, SshInput, SshSignatureInput};
use serde_json::{Value, json};

/// An Ed25519 key that is certified: RFC 8037 appendix A.2.
pub const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
/// A commit of whom `repo` lists.
pub const COMMIT: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
author Bot <bot@example.com> 1795424400 +0100
committer Bot <bot@example.com> 1795424400 +0100

message
";
/// A tag of the same.
pub const TAG: &str = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904
type commit
tag v1.2
tagger Bot <bot@example.com> 1795424400 +0100

notes
";

/// What the names of this module's grants mean.
#[must_use]
pub fn catalog() -> Value {
    json!({"v": 1, "resources": {
        "hosts": [{"kind": "ssh", "form": "certificate", "principals": ["deploy", "backup"], "force_command": "/usr/bin/backup --all",
            "source_address": ["10.0.0.0/8"], "extensions": ["permit-pty"], "ttl_s": 120}],
        "repo": [{"kind": "ssh", "form": "signature", "namespace": "git", "objects": ["commit", "tag"], "authors": ["Bot <bot@example.com>"]}],
    }})
}

/// A deployment that serves, with an SSH key born inside, and a grant over all of [`catalog`]; `change` narrows it.
#[must_use]
pub fn serving(alg: &str, change: impl FnOnce(&mut Value)) -> (Deployment, Enclave, Granted) {
    let (deployment, enclave) = Deployment::serving();
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": catalog()}),
    );
    let key = json!({"id": "k_ssh", "kind": "ssh", "alg": alg, "agent": "bot"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    let granted = deployment.grant(&enclave, "gr_ssh", |grant| {
        grant["keys"] = json!(["k_ssh"]);
        grant["permissions"] = json!({"write": ["hosts", "repo"]});
        grant["allow_minting"] = json!([]);
        grant["allow_identity_only"] = json!(["hosts"]);
        grant["allow_outliving"] = json!(["repo"]);
        grant["credentials"] = json!({});
        grant["budgets"] = json!([{"unit": "call", "max": "100000", "window": "grant"}]);
        change(grant);
    });
    (deployment, enclave, granted)
}

/// An agent of such a deployment.
#[must_use]
pub fn agent(deployment: &Deployment, enclave: &Enclave, granted: &Granted) -> Agent {
    Agent::connect(deployment, enclave, granted)
}

/// A certificate for some users.
#[must_use]
pub fn certificate(public_key: &str, principals: &[&str], ttl_s: Option<u64>) -> Input {
    let principals = principals.iter().map(|one| (*one).to_owned());
    Input::Ssh(SshInput::Certificate(SshCertificateInput {
        public_key: public_key.to_owned(),
        principals: principals.collect(),
        ttl_s,
    }))
}

/// A signature over an object.
#[must_use]
pub fn object(text: &[u8]) -> Input {
    Input::Ssh(SshInput::Signature(SshSignatureInput {
        namespace: "git".to_owned(),
        object: text.to_vec().into(),
    }))
}
