//! The owner of a deployment under test: commands one after the other on one kept connection, each signed and answered when
//! it is applied. The chain's end is read from the audited log once and then known from what was sent.

use crate::{deployment::Granted, http::Http};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::{owner::Desk, profile::Profile, ssh::Signer};
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    crypto::{noise, sha256},
    id::{Digest, GrantId, KeyId, to_hex},
    label::NAMESPACE_COMMAND,
    time::{Millis, UnixMs},
};
use serde_json::{Value, json};

/// How long commands and grants live.
const LIFE: Millis = Millis(3_600_000 * 8);

/// An owner at work.
pub struct Owner {
    http: Http,
    signer: Signer,
    origin: String,
    seq: u64,
    prev: Digest,
    env: &'static str,
}

impl Owner {
    /// Opens a deployment's operators' face.
    pub async fn open(profile: &Profile, volatile: bool) -> anyhow::Result<Self> {
        let desk = Desk::open(profile.clone()).await?;
        let head = desk.view().state().widen_head();
        Ok(Self {
            http: Http::connect(&profile.operator_api)?,
            signer: desk.owner_key()?,
            origin: desk.chain().newest().origin.clone(),
            seq: head.seq,
            prev: head.digest,
            env: if volatile { "sandbox" } else { "live" },
        })
    }

    /// Signs and sends the next command.
    pub fn widen(&mut self, action: &Value) -> anyhow::Result<()> {
        let now = UnixMs(wall_clock_ms());
        let command = json!({
            "v": 1, "origin": self.origin, "chain": "widen", "seq": self.seq + 1, "prev": self.prev,
            "issued_at": now.to_string(), "not_after": now.plus(LIFE).to_string(), "action": action,
        });
        let body = command.to_string().into_bytes();
        let signature = self.signer.sign(NAMESPACE_COMMAND, &body)?;
        let sent = json!({ "body": STANDARD.encode(&body), "signatures": [signature] });
        let (status, answer) = self.http.ask(
            "POST /v1/commands",
            "Content-Type: application/json\r\n",
            sent.to_string().as_bytes(),
        )?;
        let answer = String::from_utf8_lossy(&answer);
        ensure!(status == 200, "{action}: {status} {answer}");
        self.seq += 1;
        self.prev = sha256(&[&body]);
        Ok(())
    }

    /// The bench's own resources beside those of the simulation.
    pub fn catalog(&mut self, text: &str) -> anyhow::Result<()> {
        let mut catalog: Value = serde_json::from_str(text)?;
        let resources = catalog
            .get_mut("resources")
            .and_then(Value::as_object_mut)
            .context("no resources")?;
        let notes = json!({ "env": self.env, "routes": [
            { "kind": "http", "host": "api.example.com", "path": "/v1/notes", "methods": ["POST"], "body": ["/title", "/text"] } ] });
        resources.insert("notes".to_owned(), notes);
        self.widen(&json!({ "type": "catalog.set", "catalog": catalog }))
    }

    /// A signing key of an agent.
    pub fn key(&mut self, agent: &str) -> anyhow::Result<KeyId> {
        let id = format!("k_{agent}");
        let key =
            json!({ "id": id, "kind": "http", "alg": "ed25519", "env": self.env, "agent": agent });
        self.widen(&json!({ "type": "key.create", "key": key }))?;
        Ok(KeyId::parse(&id)?)
    }

    /// A grant whose budgets a benchmark does not reach.
    pub fn grant(&mut self, id: &str, agent: &str) -> anyhow::Result<Granted> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| anyhow::anyhow!("no randomness"))?;
        let public = noise::public_key(&secret).map_err(|_| anyhow::anyhow!("agent key"))?;
        let now = UnixMs(wall_clock_ms());
        let grant = json!({
            "v": 1, "id": id, "agent": { "id": agent, "key": format!("x25519:{}", to_hex(&public)) }, "env": self.env,
            "not_before": now.to_string(), "expires_at": now.plus(LIFE).to_string(), "keys": [format!("k_{agent}")],
            "permissions": { "read": ["order_history"], "write": ["notes"], "delete": [] },
            "budgets": [{ "unit": "call", "max": "1000000000", "window": "grant" }],
        });
        self.widen(&json!({ "type": "grant.create", "grant": grant }))?;
        Ok(Granted {
            grant: GrantId::parse(id)?,
            secret,
            public: Vec::new(),
        })
    }
}
