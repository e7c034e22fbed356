//! Owners and operators: signed commands, next of their chain by an audit of what is stored.

use crate::deployment::{Deployment, Enclave};
use claviger_cli::ssh::Signer;
use claviger_shared::{
    codec::cbor,
    id::{Digest, GrantId, to_hex},
    label::NAMESPACE_COMMAND,
    ledger::State,
    time::Millis,
    wire::{
        FrameType,
        control::{CommandDone, CommandRefused, CommandReply, Signed, Submitted},
    },
};
use claviger_verify::audit::Auditor;
use serde_json::{Value, json};

/// An agent's secret and its grant.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The grant.
    pub id: GrantId,
    /// The agent's channel key.
    pub secret: [u8; 32],
}

impl Deployment {
    /// What the stored log says, audited.
    #[track_caller]
    #[must_use]
    pub fn audited(&self) -> State {
        let mut auditor = Auditor::new(self.chain()).unwrap();
        for entry in self.store.entries() {
            auditor.entry(&entry).expect("the stored log is honest");
        }
        auditor.state().clone()
    }

    fn write(&self, chain: &str, head: (u64, Digest), action: &Value, lifts: &[Digest]) -> Vec<u8> {
        let now = self.clock.now();
        let mut command = json!({
            "v": 1, "origin": self.chain().newest().origin, "chain": chain, "seq": head.0 + 1, "prev": head.1,
            "issued_at": now.to_string(), "not_after": now.plus(Millis(7_200_000)).to_string(), "action": action,
        });
        if !lifts.is_empty() {
            command["lifts"] = json!(lifts);
        }
        command.to_string().into_bytes()
    }

    /// The next widening command, signed by the owner.
    #[must_use]
    pub fn widening(&self, action: &Value, lifts: &[Digest]) -> Signed {
        let head = self.audited().widen_head();
        let body = self.write("widen", (head.seq, head.digest), action, lifts);
        sign(&self.owner, body)
    }

    /// The next narrowing command of the operator.
    #[must_use]
    pub fn narrowing(&self, action: &Value) -> Signed {
        let signer = self.operator.public().fingerprint();
        let head = self.audited().narrow_head(&signer);
        let body = self.write("narrow", (head.seq, head.digest), action, &[]);
        sign(&self.operator, body)
    }

    /// Widens; it must be done.
    #[track_caller]
    pub fn widen(&self, enclave: &Enclave, action: &Value) -> CommandDone {
        done(enclave.command(&self.widening(action, &[])))
    }

    /// Narrows; it must be done.
    #[track_caller]
    pub fn narrow(&self, enclave: &Enclave, action: &Value) -> CommandDone {
        done(enclave.command(&self.narrowing(action)))
    }

    /// A catalog and two keys, as most tests want them.
    #[track_caller]
    pub fn furnish(&self, enclave: &Enclave) {
        self.widen(
            enclave,
            &json!({"type": "catalog.set", "catalog": catalog()}),
        );
        for (id, kind, alg, env) in [
            ("k_http", "http", "ed25519", "live"),
            ("k_jwt", "jwt", "p256", "live"),
            ("k_sand", "http", "ed25519", "sandbox"),
        ] {
            let key = json!({"id": id, "kind": kind, "alg": alg, "env": env, "agent": "bot"});
            self.widen(enclave, &json!({"type": "key.create", "key": key}));
        }
    }

    /// A grant of DESIGN's shape; `change` narrows it.
    #[track_caller]
    pub fn grant(&self, enclave: &Enclave, id: &str, change: impl FnOnce(&mut Value)) -> Granted {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).unwrap();
        let mut grant = self.plain_grant(id, &secret);
        change(&mut grant);
        self.widen(enclave, &json!({"type": "grant.create", "grant": grant}));
        let id = GrantId::parse(id).unwrap();
        Granted { id, secret }
    }

    fn plain_grant(&self, id: &str, secret: &[u8; 32]) -> Value {
        let public = claviger_shared::crypto::noise::public_key(secret).unwrap();
        let now = self.clock.now();
        json!({
            "v": 1, "id": id, "agent": {"id": "bot", "key": format!("x25519:{}", to_hex(&public))},
            "env": "live", "not_before": now.to_string(), "expires_at": now.plus(Millis(3_600_000)).to_string(),
            "keys": ["k_http", "k_jwt"],
            "permissions": {"read": ["orders"], "write": ["charges", "tokens"]},
            "allow_minting": ["tokens"],
            "credentials": {"http": {"profile": "generic", "ttl_s": 60}, "jwt": {"profile": "assertion", "ttl_s": 60}},
            "budgets": [
                {"unit": "call", "max": "1000", "window": "grant"},
                {"unit": "usd-cents", "max": "500", "window": "call"},
                {"unit": "usd-cents", "max": "1000", "window": "grant"},
            ],
        })
    }
}

/// Signs a command's bytes.
#[must_use]
pub fn sign(signer: &Signer, body: Vec<u8>) -> Signed {
    let signature = signer.sign(NAMESPACE_COMMAND, &body).unwrap();
    Signed {
        body,
        signatures: vec![signature],
    }
}

/// A reply that must be done.
#[track_caller]
pub fn done(reply: CommandReply) -> CommandDone {
    match reply {
        CommandReply::Done(done) => done,
        CommandReply::Refused(refused) => panic!("refused: {refused:?}"),
    }
}

/// A reply that must be a refusal.
#[track_caller]
pub fn refused(reply: CommandReply) -> CommandRefused {
    match reply {
        CommandReply::Refused(refused) => refused,
        CommandReply::Done(done) => panic!("done: {done:?}"),
    }
}

/// Reads, charges and tokens, live and in the sandbox.
#[must_use]
pub fn catalog() -> Value {
    json!({"v": 1, "resources": {
        "orders": [{"kind": "http", "host": "api.example.com", "path": "/v1/orders/{id}", "query": ["expand"], "probe": true}],
        "charges": [{"kind": "http", "host": "pay.example.com", "path": "/v1/charges", "methods": ["POST"],
            "body": ["/amount", "/currency"],
            "charge": [{"unit": "usd-cents", "from": "json", "field": "/amount", "require": {"/currency": "usd"}}]}],
        "tokens": [{"kind": "jwt", "profile": "assertion", "audience": "https://idp.example.com/token",
            "issuer": "client-7", "subject": "client-7", "mints": true}],
        "unnamed": [{"kind": "http", "host": "other.example.com", "path": "/v1/things"}],
        "sand": {"env": "sandbox", "routes": [
            {"kind": "http", "host": "sand.example.com", "path": "/v1/things"}]},
    }})
}

impl Enclave {
    /// Sends a command on the control connection and waits.
    #[track_caller]
    #[must_use]
    pub fn command(&self, signed: &Signed) -> CommandReply {
        self.submit(signed, &[])
    }

    /// The same with a sealed key beside it.
    #[track_caller]
    #[must_use]
    pub fn submit(&self, signed: &Signed, sealed: &[u8]) -> CommandReply {
        let submitted = beside(signed, sealed);
        self.control.ask(FrameType::Command, &submitted).reply()
    }

    /// Sends a command and does not wait; the frame's id.
    #[must_use]
    pub fn send_command(&self, signed: &Signed) -> u64 {
        self.control.send(
            FrameType::Command,
            &cbor::encode(&beside(signed, &[])).unwrap(),
        )
    }
}

fn beside(signed: &Signed, sealed: &[u8]) -> Submitted {
    Submitted {
        signed: signed.clone(),
        sealed: sealed.to_vec(),
    }
}
