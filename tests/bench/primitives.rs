//! The crypto library alone, in this process: what no arrangement of the code around it can go below.
//!
//! Sizes are about those of the reference call. It knows nothing of an enclave.

use crate::cpu;
use anyhow::Context;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use claviger_enclave::core::COMMIT_RECORDS;
use claviger_shared::crypto::{MacKey, Scheme, Verifier, handshake::FrameKey, sha256};
use claviger_verify::ring_verifier::RingVerifier;
use std::hint::black_box;

const ROUNDS: u32 = 10_000;
/// Rounds of rounds, of which the quickest counts.
const TRIES: u32 = 5;
/// A signature base.
const MESSAGE: usize = 330;
/// A sealed request.
const REQUEST: usize = 260;
/// A sealed answer, receipt and all.
const ANSWER: usize = 1500;
/// A record.
const RECORD: usize = 420;
/// A checkpoint's text.
const NOTE: usize = 120;
/// Two hashes and what says that they are a node.
const NODE: usize = 65;
/// Canonical bytes of an input.
const INPUT: usize = 200;

/// CPU of one Ed25519 signature of 256 bytes, in microseconds: the primitive under everything.
pub fn signature() -> anyhow::Result<f64> {
    let key = key()?;
    let message = [0x42; 256];
    least(|_| {
        black_box(key.sign(black_box(&message)));
        Ok(())
    })
}

/// CPU of every primitive that one recorded call takes, in microseconds: its frame opened, its input's digest, its nonce's
/// mask, its signature, its record's hash, its answer sealed; with a body, that is opened and digested with the input, and its
/// own digest. Not the entry's: its share of a checkpoint and of the tree.
pub fn call(body: usize) -> anyhow::Result<f64> {
    let (key, mac) = (key()?, MacKey::new(&[1; 32]));
    let frames = Frames::of(REQUEST + body)?;
    let (message, record, input) = ([4; MESSAGE], [5; RECORD], vec![6; INPUT + body]);
    least(|round| {
        if body > 0 {
            black_box(sha256(&[black_box(&input[INPUT..])]));
        }
        frames.exchange(round, ANSWER)?;
        black_box(mac.mac(&[black_box(&input)]));
        black_box(mac.mac(&[&u64::from(round).to_be_bytes()]));
        black_box(key.sign(black_box(&message)));
        black_box(sha256(&[black_box(&record)]));
        Ok(())
    })
}

/// A sealed request and its channel's key.
struct Frames(FrameKey, Vec<u8>);

impl Frames {
    fn of(length: usize) -> anyhow::Result<Self> {
        let key = FrameKey::new([2; 32]).ok().context("frame key")?;
        let mut request = vec![3; length];
        key.seal(0, &mut request).ok().context("seal")?;
        Ok(Self(key, request))
    }

    /// Opens it, and seals an answer of so many bytes.
    fn exchange(&self, round: u32, length: usize) -> anyhow::Result<()> {
        let Self(key, request) = self;
        black_box(key.open(0, black_box(request)).ok().context("open")?);
        let mut answer = vec![7; length];
        let sealed = key.seal(u64::from(round) + 1, &mut answer);
        sealed.ok().context("seal")?;
        black_box(answer);
        Ok(())
    }
}

/// CPU of the primitives of one record of an audited log, in microseconds: its hash, a node of its entry's tree, and its share
/// of the entry's signature, which another library than the signer's verifies.
pub fn audited() -> anyhow::Result<f64> {
    let (record, node) = ([5; RECORD], [6; NODE]);
    let hashes = least(|_| {
        black_box(sha256(&[black_box(&record)]));
        black_box(sha256(&[black_box(&node)]));
        Ok(())
    })?;
    Ok(hashes + checkpoint()? / COMMIT_RECORDS as f64)
}

/// CPU of verifying a checkpoint's signature, in microseconds, by the library with which every receipt is checked.
pub fn checkpoint() -> anyhow::Result<f64> {
    let (key, note) = (key()?, [4; NOTE]);
    let signature = key.sign(&note);
    let public = key.public_key().as_ref();
    least(|_| {
        RingVerifier
            .verify(
                Scheme::Ed25519,
                public,
                black_box(&note),
                signature.as_ref(),
            )
            .ok()
            .context("signature")
    })
}

fn key() -> anyhow::Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32])
        .ok()
        .context("key")
}

/// CPU of one round in microseconds, where least else was in the way.
pub fn least(mut work: impl FnMut(u32) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        let start = cpu::this_thread();
        for round in 0..ROUNDS {
            work(round)?;
        }
        best = best.min((cpu::this_thread() - start) as f64 / 1e3 / f64::from(ROUNDS));
    }
    Ok(best)
}
