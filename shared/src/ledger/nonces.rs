//! Numbers of transactions: the highest that each key signed on each chain, so that a replacement is told.
//!
//! A chain carries out one transaction of a number; which, whoever sends them chooses. Each was charged when it was signed,
//! and no charge is handed back. What was never recorded (a platform that failed) may be told as replaced once too often,
//! never once too seldom. A key and chain have one line here for ever: chains are the catalog's, whose assets stay.

use super::state::State;
use crate::{
    effect::{ChainNonce, Effect},
    id::KeyId,
    time::UnixMs,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Nonces(BTreeMap<KeyId, BTreeMap<u64, Highest>>);

/// The highest number that was signed, and when first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Highest {
    nonce: u64,
    decided_at: UnixMs,
}

impl Nonces {
    /// Whether no transaction was signed.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn highest(&self, key: &KeyId, chain: u64) -> Option<&Highest> {
        self.0.get(key)?.get(&chain)
    }
}

fn numbers<'a>(
    effects: impl IntoIterator<Item = &'a Effect>,
) -> impl Iterator<Item = &'a ChainNonce> {
    effects
        .into_iter()
        .filter_map(|effect| effect.nonce.as_ref())
}

impl State {
    /// Whether a transaction of these effects may take the place of one that the key signed.
    #[must_use]
    pub fn replaces<'a>(&self, key: &KeyId, effects: impl IntoIterator<Item = &'a Effect>) -> bool {
        numbers(effects).any(|ChainNonce { chain, nonce }| {
            let known = self.data.nonces.highest(key, *chain);
            known.is_some_and(|known| known.nonce >= *nonce)
        })
    }

    /// Notes the numbers of what a key is about to sign.
    pub fn take_nonces<'a>(
        &mut self,
        key: &KeyId,
        effects: impl IntoIterator<Item = &'a Effect>,
        decided_at: UnixMs,
    ) {
        for ChainNonce { chain, nonce } in numbers(effects) {
            let (nonce, chain) = (*nonce, *chain);
            let lines = self.data.nonces.0.entry(key.clone()).or_default();
            let highest = lines.entry(chain).or_insert(Highest { nonce, decided_at });
            if nonce > highest.nonce {
                *highest = Highest { nonce, decided_at };
            } else if nonce == highest.nonce {
                highest.decided_at = highest.decided_at.min(decided_at);
            }
        }
    }

    /// Whether a record says that it replaces, where it does. Records may stand out of the order of their decisions: only
    /// what was decided before counts, and to say so without need is no lie.
    pub(super) fn is_told(
        &self,
        key: &KeyId,
        effects: &[Effect],
        decided_at: UnixMs,
        says: bool,
    ) -> bool {
        if says {
            return numbers(effects).next().is_some();
        }
        !numbers(effects).any(|ChainNonce { chain, nonce }| {
            let known = self.data.nonces.highest(key, *chain);
            known.is_some_and(|known| known.nonce >= *nonce && known.decided_at < decided_at)
        })
    }
}
