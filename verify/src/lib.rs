//! What anyone can check of Claviger offline: attestation documents, receipts, the log.
//!
//! Everything here takes bytes, a trust root and a time, and answers with a type whose existence is the proof or with
//! an error. It holds no key, reads no clock and does no I/O; what the enclave signed with one library is checked here
//! with another.

#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        reason = "a test that counts wrongly fails; the same code without tests is linted in full"
    )
)]

pub mod attestation;
pub mod audit;
pub mod ring_verifier;
