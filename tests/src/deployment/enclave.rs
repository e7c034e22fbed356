//! One life of an enclave, and what a courier asks of it. What the deployment is, its parent knows.

use super::NONCE;
use crate::{
    courier::{Answer, Life, Link, Tap, serve_storage},
    platform::Recording,
    store::Store,
};
use claviger_shared::wire::{
    FrameType, Role,
    control::{Attest, Document, Genesis, Measure, Signed, Unseal},
};
use std::{path::PathBuf, sync::Arc};

/// One life of an enclave.
#[derive(Debug)]
pub struct Enclave {
    pub(super) socket: PathBuf,
    /// The control connection.
    pub control: Link,
    pub(super) tap: Tap,
    pub(super) life: Arc<Life>,
    /// What this life drew.
    pub entropy: Arc<Recording>,
}

impl Enclave {
    /// Measures a chain.
    #[track_caller]
    #[must_use]
    pub fn measure(&self, links: &[Signed]) -> Answer {
        let manifests = links.to_vec();
        self.control.ask(FrameType::Measure, &Measure { manifests })
    }

    /// Asks for genesis.
    #[track_caller]
    #[must_use]
    pub fn genesis(&self) -> Answer {
        let nonce = NONCE.to_vec();
        self.control.ask(FrameType::Genesis, &Genesis { nonce })
    }

    /// A document for KMS.
    #[track_caller]
    #[must_use]
    pub fn kms_document(&self) -> Vec<u8> {
        let Document { document } = self.control.ask(FrameType::AttestKms, &()).reply();
        document
    }

    /// Hands over KMS's reply and the bundle.
    #[track_caller]
    #[must_use]
    pub fn unseal(&self, arn: &str, ciphertext: &[u8], bundle: &[u8]) -> Answer {
        self.control.ask(
            FrameType::Unseal,
            &Unseal {
                recipient: arn.to_owned(),
                ciphertext: ciphertext.to_vec(),
                bundle: bundle.to_vec(),
            },
        )
    }

    /// Lets it replay the log.
    #[track_caller]
    pub fn resume(&self) {
        let () = self.control.ask(FrameType::Resume, &()).reply();
    }

    /// A document with its channel key.
    #[track_caller]
    #[must_use]
    pub fn attest(&self, nonce: &[u8]) -> Vec<u8> {
        let nonce = nonce.to_vec();
        let Document { document } = self
            .control
            .ask(FrameType::Attest, &Attest { nonce })
            .reply();
        document
    }

    /// A new connection for calls.
    #[track_caller]
    #[must_use]
    pub fn call_link(&self) -> Link {
        let link = Link::connect(&self.socket, Role::Call, &self.tap);
        assert!(link.welcome.is_some(), "call connection refused");
        link
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// A new connection in any role, or none yet.
    #[must_use]
    pub fn link(&self, role: Option<Role>) -> Link {
        match role {
            Some(role) => Link::connect(&self.socket, role, &self.tap),
            None => Link::raw(&self.socket, &self.tap),
        }
    }

    /// A new storage connection; the enclave closes the old one.
    pub fn reconnect_storage(&self, store: &Arc<Store>) {
        serve_storage(
            self.socket.clone(),
            Arc::clone(store),
            Arc::clone(&self.tap),
            Arc::clone(&self.life),
        );
    }

    /// This life ends for its store and its courier: nothing it does is stored or carried any more. Its threads end soon after.
    pub fn crash(&self) {
        self.life.end();
        self.control.close();
    }
}

impl Drop for Enclave {
    fn drop(&mut self) {
        self.crash();
    }
}
