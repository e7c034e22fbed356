//! A key that an owner brings, of which a test knows every byte: to look for it where it must and where it must not be.

use crate::{
    command::done,
    stage::{Stage, answered, get, grant},
};
use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    rand,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::call::{Ask, Reply};
use claviger_tests::memory::Wanted;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A call that its grant reaches.
pub const ORDER: &str = "https://api.example.com/v1/orders/ord_1";

/// A private key made here: what a test must know of it, and its file outside the deployment.
pub struct Own {
    /// The key's name in the deployment.
    pub name: &'static str,
    /// The seed or scalar.
    pub secret: [u8; 32],
}

impl Own {
    /// One that nobody else has.
    pub fn random(name: &'static str) -> Self {
        let mut secret = [0; 32];
        rand::fill(&mut secret).unwrap();
        // Below the order of P-256, whose first bytes are ones.
        secret[0] &= 0x7f;
        Self { name, secret }
    }

    /// As a JWK, whose public half the command works out again.
    fn jwk(&self, p256: bool) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        if p256 {
            let key = PrivateKey::from_private_key(&ECDH_P256, &self.secret).unwrap();
            let point = key.compute_public_key().unwrap();
            let (x, y) = point.as_ref()[1..].split_at(32);
            json!({"kty": "EC", "crv": "P-256", "d": text(&self.secret), "x": text(x), "y": text(y)})
        } else {
            let pair = Ed25519KeyPair::from_seed_unchecked(&self.secret).unwrap();
            let public = pair.public_key().as_ref();
            json!({"kty": "OKP", "crv": "Ed25519", "d": text(&self.secret), "x": text(public)})
        }
    }

    /// Imports it, gives an agent a grant over it, and lets it sign.
    pub async fn import(&self, stage: &Stage, outside: &Path, p256: bool) {
        self.bring(stage, outside, &self.jwk(p256)).await;
    }

    /// The same as a secret of HMAC.
    pub async fn import_shared(&self, stage: &Stage, outside: &Path) {
        let secret = claviger_shared::id::to_hex(&self.secret);
        let file = json!({"key_id": self.name, "secret": secret, "encoding": "hex"});
        self.bring(stage, outside, &file).await;
    }

    async fn bring(&self, stage: &Stage, outside: &Path, text: &Value) {
        let file = outside.join(self.name);
        fs::write(&file, text.to_string()).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let agent = format!("{}-bot", self.name.replace('_', "-"));
        let words = [
            "key", "import", "--file", &file, "--kind", "http", "--agent", &agent, "--name",
            self.name,
        ];
        done(stage, &words).await.unwrap();
        fs::remove_file(&file).unwrap();
        let mut scope = grant(100, 100, 100);
        scope["agent"]["id"] = json!(agent);
        scope["keys"] = json!([self.name]);
        scope["permissions"] = json!({"read": ["order_history"], "write": [], "delete": []});
        scope["allow_minting"] = json!([]);
        let agent = stage.agent(&agent, &scope).await.unwrap();
        for _ in 0..3 {
            let reply = answered(&agent, Ask::Sign(get(ORDER))).await.unwrap();
            assert!(matches!(reply, Reply::Issued(_)), "{reply:?}");
        }
    }

    /// Retires it.
    pub async fn retire(&self, stage: &Stage) {
        done(stage, &["key", "retire", self.name]).await.unwrap();
    }

    /// The half of the hash of an Ed25519 seed that signs, beside the seed.
    pub fn wanted(&self, wanted: Wanted, p256: bool) -> Wanted {
        let wanted = wanted.and(self.name, &self.secret);
        if p256 {
            return wanted;
        }
        let expanded = claviger_shared::crypto::sha512(&[&self.secret]);
        wanted
            .and(&format!("{} scalar", self.name), &expanded[1..])
            .and(&format!("{} prefix", self.name), &expanded[32..])
    }
}
