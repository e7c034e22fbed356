//! Bring your own key: read on the owner's machine, sealed to the channel key of the instance that serves, and sent.
//!
//! The channel key is taken from an attestation document that was verified under the profile's chain with an own nonce, never
//! from the host's word. The sealed bytes travel beside the command, so that no log holds them.

pub mod file;

use super::{Applied, Desk, key::NewKey};
use crate::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_client::{face::Face, session::wall_clock_ms, trust};
use claviger_shared::{
    crypto::{import, sha256},
    id::{Digest, KeyId},
    label,
    owner::command::{Action, Command},
    wire::control::Signed,
};
use file::PrivateKey;
use serde_json::{Value, json};

/// An import, ready to be signed: its action and the sealed key.
#[derive(Debug)]
pub struct Sealed {
    /// The key's name.
    pub id: KeyId,
    /// The action.
    pub action: Value,
    /// What travels beside the command.
    pub sealed: Vec<u8>,
}

impl Desk {
    /// Attests the instance that serves and seals a private key to it.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] for an instance that does not attest; [`Error::Unavailable`]; [`Error::Usage`] for a key of
    /// another algorithm than was asked for.
    pub async fn seal_key(&self, key: &NewKey, private: &PrivateKey) -> Result<Sealed, Error> {
        let face = Face::new(&self.profile().api)?;
        let floor = trust::Floor {
            fingerprint: self.chain().fingerprint(),
            generation: self.chain().newest().generation,
        };
        let trusted = trust::establish(&face, &floor, wall_clock_ms()).await?;
        let (born, id) = key.action()?;
        let mut facts = born.get("key").cloned().unwrap_or_default();
        if let Some(members) = facts.as_object_mut() {
            let public = STANDARD.encode(&private.public);
            members.insert("public".to_owned(), json!(public));
        }
        let mut action = json!({
            "type": "key.import", "key": facts, "boot": trusted.boot_hash,
            "channel_key": trusted.channel_key, "sealed": Digest([0; 32]),
        });
        // Read back as the enclave reads it, so that what is sealed is bound to exactly what is signed.
        let command = Command::parse(&self.widen(&action, &[])?)?;
        let Action::KeyImport(parsed) = command.action else {
            return Err(Error::Usage("not an import".to_owned()));
        };
        let sealed = import::prologue(&command.origin, &parsed)
            .and_then(|prologue| import::seal(&trusted.channel_key, &prologue, private.expose()));
        let sealed =
            sealed.map_err(|_| Error::Distrust("channel key of the instance".to_owned()))?;
        if let Some(members) = action.as_object_mut() {
            members.insert("sealed".to_owned(), json!(sha256(&[&sealed])));
        }
        Ok(Sealed { id, action, sealed })
    }

    /// Signs an import with the profile's owner key and sends it.
    ///
    /// # Errors
    ///
    /// As [`Desk::widen_now`].
    pub async fn import_now(&mut self, import: &Sealed) -> Result<Applied, Error> {
        self.alone()?;
        let body = self.widen(&import.action, &[])?;
        let signature = self.owner_key()?.sign(label::NAMESPACE_COMMAND, &body)?;
        let signed = Signed {
            body,
            signatures: vec![signature],
        };
        self.send_beside(signed, Some(&import.sealed)).await
    }
}
