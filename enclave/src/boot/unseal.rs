//! Unsealing: a document with a fresh key for KMS, and the root opened with what KMS answered.
//!
//! Having an [`Unsealed`] means a KMS key that owners pinned derived the secret of the newest manifest's bundle, for a
//! document of this boot. Whatever the courier swaps ends in an error, and the RSA key of that try is used up.

use super::{
    Error,
    attest::{self, Wanted},
    bundle,
    cms::RecipientKey,
    measure::Measured,
};
use crate::{
    platform::Nsm,
    secret::{RootKeys, on_wiped_stack},
};
use claviger_shared::{
    attest::kms_user_data,
    bundle::Bundle,
    owner::manifest::chain::Chain,
    wire::control::{MAX_BUNDLE, MAX_CIPHERTEXT_FOR_RECIPIENT, MAX_KMS_DOCUMENTS, Unseal},
};

/// The key of the newest document for KMS, and how many were made.
#[derive(Debug, Default)]
pub struct Asking {
    key: Option<RecipientKey>,
    made: u32,
}

impl Asking {
    /// A document with a new RSA key; the last one is erased.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`] at [`MAX_KMS_DOCUMENTS`] of one boot or under g0 alone, [`Error::Platform`].
    pub fn document(&mut self, measured: &Measured) -> Result<Vec<u8>, Error> {
        self.key = None;
        if measured.chain.newest().running.is_none() {
            return Err(Error::Phase("nothing to unseal before genesis"));
        }
        if self.made >= MAX_KMS_DOCUMENTS {
            return Err(Error::Phase(
                "too many documents for KMS in one boot: restart",
            ));
        }
        self.made = self.made.saturating_add(1);
        let key = RecipientKey::generate().map_err(|_| Error::Platform("crypto"))?;
        let document = document(measured.platform.nsm.as_ref(), &measured.chain, &key)?;
        self.key = Some(key);
        Ok(document)
    }

    /// Opens KMS's reply and the bundle.
    ///
    /// # Errors
    ///
    /// [`Error::Reply`] or [`Error::Bundle`]; the key is used up all the same.
    pub fn unseal(&mut self, measured: &Measured, request: &Unseal) -> Result<RootKeys, Error> {
        let key = self
            .key
            .take()
            .ok_or(Error::Phase("ask for a document first"))?;
        let Unseal {
            recipient,
            ciphertext,
            bundle: bytes,
        } = request;
        if ciphertext.len() > MAX_CIPHERTEXT_FOR_RECIPIENT || bytes.len() > MAX_BUNDLE {
            return Err(Error::Reply);
        }
        let chain = &measured.chain;
        let running = chain.newest().running.as_ref().ok_or(Error::Bundle)?;
        if Bundle::digest(bytes) != running.bundle {
            return Err(Error::Bundle);
        }
        let parsed = Bundle::parse(bytes).map_err(|_| Error::Bundle)?;
        let keys = on_wiped_stack(|| {
            let shared = key.open(ciphertext).map_err(|_| Error::Reply)?;
            let g0 = chain.fingerprint();
            let root = bundle::open(&parsed, recipient, &shared, &g0).map_err(|_| Error::Bundle)?;
            let keys = RootKeys::derive(&root, &g0, &measured.log_origin());
            keys.map_err(|_| Error::Platform("crypto"))
        })?;
        if keys.log_key().vkey() == running.log_vkey {
            Ok(keys)
        } else {
            Err(Error::Bundle)
        }
    }
}

fn document(nsm: &dyn Nsm, chain: &Chain, key: &RecipientKey) -> Result<Vec<u8>, Error> {
    let newest = chain.newest();
    let user_data = kms_user_data(&newest.origin, &chain.fingerprint(), &newest.digest);
    let wanted = Wanted {
        nonce: None,
        public_key: Some(key.spki().to_vec()),
        user_data: Some(user_data),
    };
    attest::document(nsm, wanted)
}

/// A boot whose root is open.
#[derive(Debug)]
pub struct Unsealed {
    pub(super) measured: Measured,
    pub(super) keys: RootKeys,
}

impl Unsealed {
    /// The next phase of a measured boot.
    #[must_use]
    pub const fn new(measured: Measured, keys: RootKeys) -> Self {
        Self { measured, keys }
    }

    /// What was measured.
    #[must_use]
    pub const fn measured(&self) -> &Measured {
        &self.measured
    }

    /// The log's verifier key.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.keys.log_key().vkey()
    }
}
