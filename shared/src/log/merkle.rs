//! RFC 6962 hashing (§2.1): leaf and node hashes, roots, a growing frontier, inclusion proofs and their check.
//!
//! The tests hold the roots that Certificate Transparency implementations publish. This module does not know what is hashed.

use crate::{crypto::sha256, id::Digest};
use serde::{Deserialize, Serialize};

/// Hashes a proof may have: enough for 2^64 leaves.
pub const MAX_PROOF: usize = 64;

/// A proof that does not lead to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("inclusion proof does not lead to the root")]
pub struct BadProof;

/// SHA-256(0x00 ‖ data).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Digest {
    sha256(&[&[0], data])
}

/// SHA-256(0x01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], &left.0, &right.0])
}

/// The root of the empty tree: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Digest {
    sha256(&[])
}

/// The root over leaf hashes.
#[must_use]
pub fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.append(*leaf);
    }
    frontier.root()
}

/// The right edge of a growing tree: all that is needed to append and to tell the root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf hash.
    pub fn append(&mut self, leaf: Digest) {
        let mut hash = leaf;
        let mut size = self.size;
        while size & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            size >>= 1;
        }
        self.peaks.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The root of the tree so far.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return empty_root();
        };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The inclusion proof that a leaf appended now would have, as the last leaf of the tree one larger.
    #[must_use]
    pub fn next_leaf_proof(&self) -> Vec<Digest> {
        self.peaks.iter().rev().copied().collect()
    }
}

/// A whole tree over leaf hashes, for proving many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Leaves first; a node without a right neighbour stands on the next level as it is (RFC 6962 §2.1's split).
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// Hashes the tree.
    #[must_use]
    pub fn new(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let next = level.chunks(2).filter_map(|pair| match pair {
                [left, right] => Some(node_hash(left, right)),
                [alone] => Some(*alone),
                _ => None,
            });
            let next = next.collect();
            levels.push(next);
        }
        Self { levels }
    }

    /// Its root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.levels
            .last()
            .and_then(|level| level.first())
            .copied()
            .unwrap_or_else(empty_root)
    }

    /// The inclusion proof of one leaf (RFC 6962 §2.1.1), nothing for an index outside.
    #[must_use]
    pub fn proof(&self, index: usize) -> Option<Vec<Digest>> {
        self.levels.first()?.get(index)?;
        let mut at = index;
        let mut proof = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            if level.len() > 1 {
                proof.extend(level.get(at ^ 1).copied());
            }
            at >>= 1;
        }
        Some(proof)
    }
}

/// Checks that a leaf hash stands at `index` in the tree of `size` leaves with `root` (RFC 9162 §2.1.3.2).
///
/// # Errors
///
/// [`BadProof`] when it does not.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), BadProof> {
    if index >= size || proof.len() > MAX_PROOF {
        return Err(BadProof);
    }
    let mut at = index;
    let mut last = size.saturating_sub(1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(BadProof);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root {
        Ok(())
    } else {
        Err(BadProof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The eight leaves and roots of Certificate Transparency's reference tests (RFC 6962 hashing).
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [(usize, &str); 6] = [
        (
            1,
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        ),
        (
            2,
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        ),
        (
            3,
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ),
        (
            4,
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
        (
            5,
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        ),
        (
            8,
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];

    #[test]
    fn rfc_6962_roots() {
        let leaves: Vec<Digest> = LEAVES
            .iter()
            .map(|text| leaf_hash(&hex::decode(text).unwrap()))
            .collect();
        for (size, expected) in ROOTS {
            assert_eq!(
                hex::encode(root(&leaves[..size]).0),
                expected,
                "{size} leaves"
            );
        }
        assert_eq!(
            hex::encode(empty_root().0),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    proptest! {
        #[test]
        fn every_leaf_is_proved_and_nothing_else(size in 1_usize..70, index in 0_usize..70, other in 0_usize..70) {
            let leaves: Vec<Digest> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let whole = root(&leaves);
            prop_assert_eq!(Tree::new(leaves.clone()).root(), whole);
            let Some(proof) = Tree::new(leaves.clone()).proof(index) else { prop_assert!(index >= size); return Ok(()) };
            let check = |leaf: usize, at: usize, of: usize| verify_inclusion(&leaves[leaf], at as u64, of as u64, &proof, &whole);
            prop_assert!(check(index, index, size).is_ok());
            let other = other % size;
            prop_assert_eq!(check(other, index, size).is_ok(), other == index);
            if !proof.is_empty() {
                prop_assert!(verify_inclusion(&leaves[index], index as u64, size as u64, &proof[1..], &whole).is_err());
            }
        }

        #[test]
        fn the_next_leaf_is_proved_before_it_is_appended(size in 0_u64..70) {
            let mut frontier = Frontier::default();
            for n in 0..size {
                frontier.append(leaf_hash(&n.to_be_bytes()));
            }
            let proof = frontier.next_leaf_proof();
            let leaf = leaf_hash(b"next");
            frontier.append(leaf);
            prop_assert!(verify_inclusion(&leaf, size, size + 1, &proof, &frontier.root()).is_ok());
        }
    }
}
