//! Attestations that a caller could bring: every combination of what a policy mentions, what it should pin, and what it should not.

use super::{
    Pins,
    condition::Context,
    judge::PINNED,
    reach::{Policy, Registers, context},
};
use claviger_shared::id::{Pcr, from_hex};
use std::collections::{BTreeMap, BTreeSet};

/// A value that no policy mentions.
pub(super) const OTHER: Pcr = Pcr([0x5a; 48]);
/// What a register of an enclave in debug mode holds.
const ZERO: Pcr = Pcr([0; 48]);
/// Combinations from which on only those near the pinned ones are tried.
const MANY: usize = 20_000;

/// One attestation.
#[derive(Debug, Clone)]
pub(super) struct Vector {
    pub(super) registers: Registers,
    /// The condition keys that it sets.
    pub(super) context: Context,
    /// What is not as pinned, in words; empty where everything is.
    pub(super) wrong: Vec<String>,
}

/// What a released enclave shows, one per release.
pub(super) fn pinned(pins: &Pins) -> Vec<Registers> {
    let one = |release: &claviger_shared::owner::manifest::Release| {
        Registers::from([
            (0, release.pcr0),
            (1, release.pcr1),
            (2, release.pcr2),
            (16, pins.deployment),
            (17, pins.anchor),
        ])
    };
    pins.releases.iter().map(one).collect()
}

/// Every attestation to try, those with the least wrong about them first.
pub(super) fn all(policy: &Policy, pins: Option<&Pins>) -> Vec<Vector> {
    let good = pins.map(pinned).unwrap_or_default();
    let candidates = candidates(policy, &good);
    let count = candidates.values().fold(1_usize, |product, values| {
        product.saturating_mul(values.len())
    });
    let vectors = if count <= MANY {
        product(&candidates)
    } else {
        near(&candidates, &good)
    };
    let mut vectors: Vec<Vector> = vectors
        .into_iter()
        .map(|registers| Vector {
            wrong: wrong(&registers, &good),
            context: context(&registers),
            registers,
        })
        .collect();
    vectors.sort_by_key(|vector| vector.wrong.len());
    vectors
}

/// What sort of trouble an attestation is.
pub(super) fn sort(registers: &Registers, wrong: &[String], born: bool) -> &'static str {
    let debug = (0..=2).all(|index| registers.get(&index) == Some(&ZERO));
    match () {
        () if !born => "derive_unborn",
        () if wrong.is_empty() => "pinned",
        () if registers.is_empty() => "derive_without_attestation",
        () if debug => "derive_debug",
        () => "derive_unpinned",
    }
}

type Candidates = BTreeMap<u8, Vec<Option<Pcr>>>;

fn candidates(policy: &Policy, good: &[Registers]) -> Candidates {
    let mut values: BTreeMap<u8, BTreeSet<Option<Pcr>>> = BTreeMap::new();
    for index in PINNED {
        values.entry(index).or_default();
    }
    for (index, mentioned) in policy.mentioned() {
        values.entry(index).or_default().extend(mentioned.map(Some));
    }
    for (index, tried) in &mut values {
        tried.extend([None, Some(ZERO), Some(OTHER)]);
        tried.extend(good.iter().map(|registers| registers.get(index).copied()));
    }
    values
        .into_iter()
        .map(|(index, tried)| (index, tried.into_iter().collect()))
        .collect()
}

fn product(candidates: &Candidates) -> Vec<Registers> {
    let mut vectors = vec![Registers::new()];
    for (index, values) in candidates {
        let mut next = Vec::with_capacity(vectors.len().saturating_mul(values.len()));
        for vector in &vectors {
            for value in values {
                next.push(with(vector, *index, *value));
            }
        }
        vectors = next;
    }
    vectors
}

/// The pinned ones with up to two registers changed, and those that are all the same.
fn near(candidates: &Candidates, good: &[Registers]) -> Vec<Registers> {
    let uniform = [None, Some(ZERO), Some(OTHER)];
    let mut vectors: Vec<Registers> = uniform
        .into_iter()
        .map(|value| {
            let all = candidates.keys().filter_map(|index| Some((*index, value?)));
            all.collect()
        })
        .collect();
    for base in good {
        vectors.push(base.clone());
        for (index, values) in candidates {
            for value in values {
                let one = with(base, *index, *value);
                for (second, others) in candidates.range(index..).skip(1) {
                    vectors.extend(others.iter().map(|other| with(&one, *second, *other)));
                }
                vectors.push(one);
            }
        }
    }
    vectors
}

fn with(vector: &Registers, index: u8, value: Option<Pcr>) -> Registers {
    let mut vector = vector.clone();
    match value {
        Some(value) => drop(vector.insert(index, value)),
        None => drop(vector.remove(&index)),
    }
    vector
}

/// In what a vector differs from the pinned one that is nearest to it. Registers that are not pinned do not count.
fn wrong(registers: &Registers, good: &[Registers]) -> Vec<String> {
    let from = |base: &Registers| {
        let differs = PINNED
            .iter()
            .filter(|index| registers.get(index) != base.get(index));
        differs
            .map(|index| match registers.get(index) {
                None => format!("no PCR{index}"),
                Some(&ZERO) => format!("a PCR{index} of zeros"),
                Some(&OTHER) => format!("any PCR{index}"),
                Some(_) => format!("another PCR{index} that the policy names"),
            })
            .collect::<Vec<_>>()
    };
    let nearest = good.iter().map(from).min_by_key(Vec::len);
    nearest.unwrap_or_else(|| vec!["any registers".to_owned()])
}

/// A value of a register that a pattern or a text in a policy would match.
pub(super) fn matching(text: &str) -> Option<Pcr> {
    let lower = text.to_ascii_lowercase().replace('?', "0");
    let stars = lower.matches('*').count();
    let text = if stars == 0 {
        lower
    } else {
        let digits = lower.len().checked_sub(stars)?;
        let fill = "0".repeat(96_usize.checked_sub(digits)?);
        lower.replacen('*', &fill, 1).replace('*', "")
    };
    from_hex(&text).ok().map(Pcr)
}
