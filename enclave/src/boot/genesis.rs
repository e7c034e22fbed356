//! Genesis: the root secret is born, sealed to the keys that owners pinned, and forgotten.
//!
//! It happens under g0 alone, once: the Genesis entry must be the first of an empty log. What leaves is the sealed bundle
//! and a document that binds it, the log's key and its first root to the owner's nonce. Nothing here is kept in memory.

use super::{
    Error,
    attest::{self, Wanted},
    bundle,
    measure::Measured,
};
use crate::{
    secret::{RootKeys, Secret, on_wiped_stack},
    serve::{
        entry::{Head, head_entry},
        storage::Storage,
    },
};
use claviger_shared::{
    attest::genesis_user_data,
    bundle::Bundle,
    crypto::sha256,
    id::{Digest, InstanceId},
    log::{
        merkle::Frontier,
        record::{self, Body, Record},
    },
    wire::{
        control::{Born, MAX_NONCE},
        storage::Appended,
    },
};

/// Shortest nonce.
const MIN_NONCE: usize = 16;

/// Makes the root, consuming the boot: the enclave stops afterwards, whatever comes of it.
///
/// # Errors
///
/// An [`Error`]; nothing that was made can then be used, since no bundle left.
pub fn genesis(measured: Measured, storage: &Storage, nonce: &[u8]) -> Result<Born, Error> {
    let Measured {
        platform, chain, ..
    } = &measured;
    if chain.newest().running.is_some() {
        return Err(Error::Phase("genesis is over: the chain has more than g0"));
    }
    if nonce.len() < MIN_NONCE || nonce.len() > MAX_NONCE {
        return Err(Error::Phase("a nonce of 16 to 64 bytes"));
    }
    let failed = |_| Error::Platform("crypto");
    let entropy = platform.entropy.as_ref();
    let g0 = chain.fingerprint();
    let log_origin = measured.log_origin();
    let (keys, bundle) = on_wiped_stack(|| {
        let root = Secret::generate(entropy).map_err(|_| Error::Platform("entropy"))?;
        let keys = RootKeys::derive(&root, &g0, &log_origin).map_err(failed)?;
        let bundle = bundle::seal(entropy, &root, &g0, &chain.g0().recipients).map_err(failed)?;
        Ok((keys, bundle))
    })?;
    let facts = record::Genesis {
        g0,
        bundle: Bundle::digest(&bundle),
        vkey: keys.log_key().vkey(),
        nonce: sha256(&[nonce]),
    };
    let first_root = first_entry(&measured, storage, &keys, facts.clone())?;
    let user_data = genesis_user_data(nonce, &g0, &facts.bundle, &facts.vkey, &first_root);
    let wanted = Wanted {
        nonce: Some(nonce.to_vec()),
        user_data: Some(user_data),
        public_key: None,
    };
    let document = attest::document(platform.nsm.as_ref(), wanted)?;
    Ok(Born {
        bundle,
        origin: log_origin,
        vkey: facts.vkey,
        first_root,
        document,
    })
}

/// Writes the Genesis entry into an empty log; the root it gives.
fn first_entry(
    measured: &Measured,
    storage: &Storage,
    keys: &RootKeys,
    facts: record::Genesis,
) -> Result<Digest, Error> {
    let platform = &measured.platform;
    let entropy = |_| Error::Platform("entropy");
    let mut salt = [0; 16];
    platform.entropy.fill(&mut salt).map_err(entropy)?;
    let mut instance = [0; 16];
    platform.entropy.fill(&mut instance).map_err(entropy)?;
    let record = Record {
        salt,
        body: Body::Genesis(Box::new(facts)),
    };
    let head = Head {
        instance: InstanceId(instance),
        time: attest::time(platform.nsm.as_ref())?,
    };
    let entry = head_entry(keys, &head, &Frontier::default(), &[record]);
    let (stored, next) = entry.ok_or(Error::Platform("crypto"))?;
    match storage.append(&stored) {
        Ok(Appended::Stored) => Ok(next.root()),
        Ok(Appended::Conflict) => Err(Error::Storage("the log is not empty: genesis happens once")),
        Ok(Appended::Failed(_)) | Err(_) => Err(Error::Storage("the first entry was not stored")),
    }
}
