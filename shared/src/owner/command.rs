//! Commands: one action each, chained, signed by owners (widening) or by one operator or owner (narrowing).
//!
//! Having a [`Command`] means its bytes were strict JSON within limits and its action is complete. It does not mean
//! anybody signed it or that it is the next of its chain: the ledger checks both.

pub mod parse;

use crate::{
    catalog::Catalog,
    chain::Address,
    effect::{Env, Kind},
    grant::Grant,
    id::{AgentId, Digest, GrantId, KeyId, X25519Public},
    time::UnixMs,
};
use serde::{Deserialize, Serialize};

/// Longest time between `issued_at` and `not_after` (DESIGN §5): 24 hours.
pub const MAX_LIFE_MS: u64 = 86_400_000;

/// One action with its place in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// SHA-256 of the exact bytes.
    pub digest: Digest,
    /// The deployment it is for.
    pub origin: String,
    /// Whether it widens or narrows; follows from the action and must be stated.
    pub chain: Chain,
    /// One more than the last of its chain, from 1.
    pub seq: u64,
    /// Digest of the last command of the chain; of g1 for the first.
    pub prev: Digest,
    /// When it was made.
    pub issued_at: UnixMs,
    /// When it can no longer be applied, at most 24 h later.
    pub not_after: UnixMs,
    /// Digests of the narrow commands this lifts; only for actions that lift.
    pub lifts: Vec<Digest>,
    /// What to do.
    pub action: Action,
}

/// Which chain a command stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chain {
    /// One per signing key; one signature.
    Narrow,
    /// One per deployment; the owners' threshold.
    Widen,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `catalog.set`: the names' meaning, whole; grants that a change touches must be listed.
    CatalogSet {
        /// The new catalog.
        catalog: Box<Catalog>,
        /// Live grants whose names change meaning.
        touches: Vec<GrantId>,
    },
    /// `freeze`: nothing is issued, released or renewed.
    Freeze,
    /// `grant.amend`: the same grant, other terms; counters stay.
    GrantAmend(Box<Grant>),
    /// `grant.create`.
    GrantCreate(Box<Grant>),
    /// `grant.reissue`: same scope, shorter end, new agent key; counters inherited.
    GrantReissue {
        /// The grant that ends.
        old: GrantId,
        /// The new one's name.
        new: GrantId,
        /// The new agent key.
        agent_key: X25519Public,
        /// The new end, not later than the old one's.
        expires_at: UnixMs,
    },
    /// `grant.resume`.
    GrantResume(GrantId),
    /// `grant.revoke`: for ever.
    GrantRevoke(GrantId),
    /// `grant.suspend`.
    GrantSuspend(GrantId),
    /// `key.create`: born inside.
    KeyCreate(KeyCreate),
    /// `key.import`: made elsewhere, sealed for one boot.
    KeyImport(Box<KeyImport>),
    /// `key.retire`: forgotten for ever.
    KeyRetire(KeyId),
    /// `manifest.set`: the next generation.
    ManifestSet {
        /// The manifest's exact bytes.
        body: Vec<u8>,
        /// Signatures over them, under its own and the previous owners' threshold.
        signatures: Vec<String>,
    },
    /// `thaw`.
    Thaw,
}

/// A key to be born.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCreate {
    /// Its name.
    pub id: KeyId,
    /// Its one kind.
    pub kind: Kind,
    /// Its algorithm.
    pub alg: Alg,
    /// Live or sandbox, for ever.
    pub env: Env,
    /// The one agent that may ever use it, where the owner says so already.
    pub agent: Option<AgentId>,
}

/// A key made elsewhere, sealed on its owner's machine to the channel key of one boot; the sealed bytes travel beside the
/// command, so that no log holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyImport {
    /// Name, kind, algorithm, environment and agent, as for a key that is born.
    pub key: KeyCreate,
    /// Its public key, as its owner says; the enclave refuses a private key that does not fit it.
    pub public: Vec<u8>,
    /// Hash of the Boot record of the one instance it is sealed for.
    pub boot: Digest,
    /// That instance's channel key.
    pub channel_key: X25519Public,
    /// SHA-256 of the sealed bytes.
    pub sealed: Digest,
}

/// Algorithms of signing keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alg {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 4096 bits; born with 2048. Only of kind `jwt`.
    Rs256,
    /// AWS Signature Version 4: HMAC-SHA-256 under keys that follow from a secret access key. Symmetric: what stands for its
    /// public key is the access key id. Only of kind `aws`, and only imported.
    SigV4,
    /// ECDSA on secp256k1 over Keccak-256, deterministic (RFC 6979), with `s` in the lower half (EIP-2). Only of kind `evm`.
    Secp256k1,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes (RFC 9421 §3.3.1), 2048 to 4096 bits; born with 2048. Only of kind `http`.
    Ps512,
    /// HMAC-SHA-256. Symmetric: what stands for its public key is the identifier its owner gives. Only imported: a secret that
    /// nobody else has verifies nothing.
    Hs256,
    /// HMAC-SHA-512, likewise.
    Hs512,
    /// ECDSA on P-521 with SHA-512.
    P521,
}

/// Longest identifier of an HMAC key.
pub const MAX_KEY_ID: usize = 128;
/// Shortest and longest access key id (IAM API Reference, `AccessKey`).
pub const ACCESS_KEY_ID: std::ops::RangeInclusive<usize> = 16..=128;

impl Alg {
    /// Whether bytes are what stands for a public key of this algorithm.
    #[must_use]
    pub fn is_public(self, public: &[u8]) -> bool {
        match self {
            Self::Secp256k1 => crate::crypto::secp256k1::is_public(public),
            Self::Ed25519 | Self::P256 | Self::Rs256 | Self::Ps512 | Self::P521 => {
                crate::jwk::jwk(self, public).is_some()
            }
            Self::Hs256 | Self::Hs512 => {
                let fine = public.iter().all(u8::is_ascii_graphic);
                (1..=MAX_KEY_ID).contains(&public.len()) && fine
            }
            Self::SigV4 => {
                let fine = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
                ACCESS_KEY_ID.contains(&public.len()) && public.iter().all(fine)
            }
        }
    }

    /// The account of a public key on chains of the Ethereum family; nothing for another algorithm.
    #[must_use]
    pub fn address(self, public: &[u8]) -> Option<Address> {
        let address = (self == Self::Secp256k1).then(|| Address::of_public_key(public));
        address.flatten()
    }

    /// The access key id that stands for a public key; nothing for another algorithm.
    #[must_use]
    pub fn access_key_id(self, public: &[u8]) -> Option<&str> {
        let text = std::str::from_utf8(public).ok()?;
        (self == Self::SigV4 && self.is_public(public)).then_some(text)
    }

    /// Whether a signature takes longer than others should wait for it to share an entry of the log: hundreds of microseconds
    /// and more, where the others take tens.
    #[must_use]
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::Rs256 | Self::Ps512 | Self::P521)
    }

    /// Whether signer and verifier hold the same secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::SigV4 | Self::Hs256 | Self::Hs512)
    }

    /// The identifier that stands for a public key of HMAC; nothing for another algorithm.
    #[must_use]
    pub fn key_id(self, public: &[u8]) -> Option<&str> {
        let text = std::str::from_utf8(public).ok()?;
        (matches!(self, Self::Hs256 | Self::Hs512) && self.is_public(public)).then_some(text)
    }
}
