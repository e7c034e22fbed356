//! The reference call's own steps in this process, apart from each other and from the crypto library: what is signed and made
//! of it, and the bytes that must be written of it, by the writer that writes them (decision 0034).
//!
//! Everything is in the processor's caches here, and nothing waits for anything.

use anyhow::{Context, ensure};
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    amount::Amount,
    call::{Answer, Echo, IssuedWithReceipt, Reply},
    codec::cbor,
    credential::{Issued, Remaining},
    effect::{Charge, Effect, Kind},
    grant::Grant,
    id::{Digest, KeyId, Unit},
    log::{
        receipt::{Parts, Status},
        record::{self, Body, Outcome},
    },
    owner::command::Alg,
    time::UnixMs,
};
use claviger_tests::agent;
use std::hint::black_box;

/// What its figures are called.
pub const MADE: &str = "http: what is signed, and the fields made of it";
/// Of a record.
pub const RECORD: &str = "its record written";
/// Of an answer.
pub const ANSWER: &str = "its receipt and answer written";
/// Hashes that lead from a record to its entry's root, of 64.
const RECORD_PROOF: usize = 6;
/// And from an entry to the root of a log of a few hundred.
const LEAF_PROOF: usize = 8;
/// Bytes of a leaf.
const LEAF: usize = 300;
/// Bytes of a checkpoint.
const CHECKPOINT: usize = 230;

/// A parsed GET and what is written of it.
pub struct Bench {
    call: AnyCall,
    info: SigningKeyInfo,
    moment: Moment,
    fact: Body,
    record: Vec<u8>,
    answer: Answer,
}

impl Bench {
    /// Of a call under this grant.
    pub fn new(call: AnyCall, grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        let info = SigningKeyInfo {
            id: KeyId::parse("k_0")?,
            kind: Kind::Http,
            alg: Alg::Ed25519,
            deployment: "bench".into(),
            public: vec![1; 32],
            thumbprint: "t".repeat(43),
            session_token: None,
        };
        let moment = Moment {
            now,
            expires_at: now.plus(call.effects().first.max_lifetime),
            nonce: [7; 16],
        };
        let credential = made(&call, &info, &moment).context("no credential")?;
        let charge = Charge {
            unit: Unit::call(),
            amount: Amount(1),
        };
        let fact = Body::Call(Box::new(record::Call {
            grant: grant.id.clone(),
            outcome: Outcome::Issued,
            decided_at: now,
            expires_at: moment.expires_at,
            key: info.id.clone(),
            effects: told(&call),
            charges: vec![charge.clone()],
            input: Digest([2; 32]),
            idempotency: None,
            nonce: moment.nonce,
            source: agent::SOURCE,
            replaces: false,
        }));
        let issued = Issued {
            credential: Some(credential),
            expires_at: moment.expires_at,
            replay: call.replay(&moment),
            effects: told(&call),
            charged: vec![charge],
            remaining: vec![Remaining {
                unit: Unit::call(),
                window: "grant".to_owned(),
                amount: Amount(999_999_999),
                resets_at: None,
            }],
            sandbox: false,
            replayed: false,
            replaces: false,
        };
        let record = record::encode(&[3; 16], &fact)?;
        let receipt = receipt(&record)?;
        let answer = Answer {
            echo: Echo {
                size: 1_000_000,
                root: Digest([4; 32]),
            },
            reply: Reply::Issued(Box::new(IssuedWithReceipt { issued, receipt })),
        };
        Ok(Self {
            answer,
            call,
            info,
            moment,
            fact,
            record,
        })
    }

    /// The signature base, and the header fields of a signature.
    pub fn make(&self) {
        let _ = black_box(made(&self.call, &self.info, &self.moment));
    }

    /// Its effects as they are told, and its record's bytes.
    pub fn record(&self) {
        black_box(told(&self.call));
        let _ = black_box(record::encode(&[3; 16], &self.fact));
    }

    /// Its receipt's bytes and its answer's.
    pub fn answer(&self) {
        let _ = black_box(receipt(&self.record));
        let _ = black_box(cbor::encode(&self.answer));
    }

    /// That what is measured works, and is as long as what is sent.
    pub fn check(&self) -> anyhow::Result<()> {
        let length = cbor::encode(&self.answer)?.len();
        ensure!(
            (1500..2500).contains(&length),
            "an answer of {length} bytes"
        );
        Ok(())
    }
}

fn told(call: &AnyCall) -> Vec<Effect> {
    call.effects().iter().map(Effect::told).collect()
}

fn made(
    call: &AnyCall,
    info: &SigningKeyInfo,
    moment: &Moment,
) -> Option<claviger_shared::credential::Credential> {
    let to_sign = call.to_sign(info, moment).ok()?;
    matches!(to_sign, ToSign::Message(_)).then_some(())?;
    call.assemble(moment, &to_sign, &[9; 64]).ok()
}

fn receipt(record: &[u8]) -> anyhow::Result<Vec<u8>> {
    let parts = Parts {
        v: 1,
        status: Status::Logged,
        record,
        place: 17,
        record_proof: &[Digest([5; 32]); RECORD_PROOF],
        leaf: &[6; LEAF],
        leaf_proof: &[Digest([7; 32]); LEAF_PROOF],
        checkpoint: &"c".repeat(CHECKPOINT),
        simulation: true,
    };
    Ok(parts.encode()?)
}
