//! The proof of a sample: its receipt, and its signature under the agent's public key by a library that did not make it.

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_client::receipt;
use claviger_shared::{
    call::{Ask, HttpInput, Input, IssuedWithReceipt},
    credential::Credential,
    id::GrantId,
    log::checkpoint::LogKey,
};
use ring::signature::{ED25519, UnparsedPublicKey};
use std::sync::Arc;

/// What a credential of one agent must prove.
#[derive(Clone)]
pub struct Expected {
    /// The grant.
    pub grant: GrantId,
    /// The agent's Ed25519 key.
    pub public: Vec<u8>,
    /// The log's key.
    pub log_key: Arc<LogKey>,
}

impl Expected {
    /// Checks a credential against what was asked.
    pub fn check(&self, ask: &Ask, issued: &IssuedWithReceipt) -> anyhow::Result<()> {
        let sign = match ask {
            Ask::Sign(sign) => sign,
            // Nothing is signed and nothing recorded.
            Ask::Simulate(_) => return Ok(()),
            other => bail!("not a call: {other:?}"),
        };
        receipt::check(issued, &self.grant, &self.log_key)?;
        let (Input::Http(input), Some(Credential::Http { headers })) =
            (&sign.input, &issued.issued.credential)
        else {
            bail!("not an HTTP signature")
        };
        let (base, signature) = signed(input, headers)?;
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        let fine = key.verify(base.as_bytes(), &signature);
        fine.map_err(|_| anyhow::anyhow!("a signature does not verify"))
    }
}

/// The signature base of RFC 9421 as a relying party builds it, and the signature.
fn signed(input: &HttpInput, headers: &[(String, String)]) -> anyhow::Result<(String, Vec<u8>)> {
    let field = |name: &str| {
        let mut all = headers.iter().chain(&input.headers);
        let found = all.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).context("no field")
    };
    let value = field("signature-input")?.strip_prefix("sig1=");
    let value = value.context("another label")?;
    let signature = field("signature")?.strip_prefix("sig1=:");
    let signature = signature.and_then(|text| text.strip_suffix(':'));
    let signature = STANDARD.decode(signature.context("no signature")?)?;
    let inner = value
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'));
    let (components, _) = inner.context("no components")?;
    let url = input.url.strip_prefix("https://").context("not https")?;
    let slash = url.find('/').context("no path")?;
    let (authority, target) = url.split_at(slash);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut base = String::new();
    for component in components.split(' ') {
        let name = component.trim_matches('"');
        let value = match name {
            "@method" => input.method.clone(),
            "@authority" => authority.to_owned(),
            "@path" => path.to_owned(),
            "@query" => format!("?{query}"),
            name => field(name)?.to_owned(),
        };
        base += &format!("\"{name}\": {value}\n");
    }
    ensure!(base.contains("@authority"), "no destination is signed");
    base += &format!("\"@signature-params\": {value}");
    Ok((base, signature))
}
