//! Receipts, checked before an answer is believed: the record is in the log, is this grant's, and charges what was told.

use crate::Error;
use claviger_shared::{
    call::IssuedWithReceipt,
    id::GrantId,
    log::{
        checkpoint::LogKey,
        receipt::{Proved, Receipt},
        record::{Body, Outcome},
    },
};
use claviger_verify::ring_verifier::RingVerifier;

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
    let receipt =
        Receipt::decode(&answer.receipt).map_err(|_| Error::Answer("receipt is malformed"))?;
    let proved = receipt
        .verify(log_key, &RingVerifier)
        .map_err(|_| Error::Answer("receipt proves nothing"))?;
    let Body::Call(call) = &proved.record.body else {
        return Err(Error::Answer("receipt is for another record"));
    };
    let told = &answer.issued;
    let same = call.outcome == Outcome::Issued
        && call.charges == told.charged
        && call.expires_at == told.expires_at;
    if same && call.grant == *grant {
        Ok(proved)
    } else {
        Err(Error::Answer("receipt is for another call"))
    }
}
