//! Receipts, checked before an answer is believed: the record is in the log, is this grant's, and charges what was told.

use crate::Error;
use claviger_shared::{
    call::IssuedWithReceipt,
    id::GrantId,
    log::{
        checkpoint::{self, Checkpoint, LogKey},
        receipt::{Proved, Receipt},
        record::{Body, Outcome},
    },
};
use claviger_verify::ring_verifier::RingVerifier;
use std::sync::{Mutex, PoisonError};

/// One log's key, and the last note that it was seen to have signed: answers of one entry share theirs.
#[derive(Debug)]
pub struct Notes {
    key: LogKey,
    last: Mutex<Option<(String, Checkpoint)>>,
}

impl Notes {
    /// Of a log.
    #[must_use]
    pub const fn new(key: LogKey) -> Self {
        Self {
            key,
            last: Mutex::new(None),
        }
    }

    /// The checkpoint of a note that the log's key signed.
    fn signed(&self, note: &str) -> Option<Checkpoint> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, checkpoint)) = &*last
            && known == note
        {
            return Some(checkpoint.clone());
        }
        let checkpoint = checkpoint::verify(note, &self.key, &RingVerifier).ok()?;
        *last = Some((note.to_owned(), checkpoint.clone()));
        Some(checkpoint)
    }
}

/// A receipt and what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// As it was sent.
    pub receipt: Receipt,
    /// What it was checked to prove.
    pub proved: Proved,
}

/// Checks the receipt of an issued credential.
///
/// # Errors
///
/// [`Error::Answer`] with what does not fit.
pub fn check(
    answer: &IssuedWithReceipt,
    grant: &GrantId,
    log_key: &LogKey,
) -> Result<Proved, Error> {
    check_with(answer, grant, &Notes::new(log_key.clone())).map(|checked| checked.proved)
}

/// [`check`], with the note that was seen last.
///
/// # Errors
///
/// As for [`check`].
pub fn check_with(
    answer: &IssuedWithReceipt,
    grant: &GrantId,
    notes: &Notes,
) -> Result<Checked, Error> {
    let receipt =
        Receipt::decode(&answer.receipt).map_err(|_| Error::Answer("receipt is malformed"))?;
    let proved = receipt
        .verify_with(&notes.key, |note| notes.signed(note))
        .map_err(|_| Error::Answer("receipt proves nothing"))?;
    let Body::Call(call) = &proved.record.body else {
        return Err(Error::Answer("receipt is for another record"));
    };
    let told = &answer.issued;
    let same = call.outcome == Outcome::Issued
        && call.charges == told.charged
        && call.expires_at == told.expires_at
        && call.replaces == told.replaces;
    if same && call.grant == *grant {
        Ok(Checked { receipt, proved })
    } else {
        Err(Error::Answer("receipt is for another call"))
    }
}
