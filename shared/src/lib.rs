//! The contract of Claviger: every type, byte format and rule that more than one party must agree on.
//!
//! This crate is pure. It holds no key, reads no clock, draws no randomness and does no I/O: callers pass time, random
//! bytes and a [`crypto::Verifier`] in. What it accepts it has parsed in full; what it refuses it refuses by a typed error.
//!
//! # Glossary
//!
//! | word | means here |
//! |---|---|
//! | grant | owner-signed permission for one agent: scope, time, rate and budgets in one conjunctive document |
//! | scope | the set of calls a grant permits, in names of the catalog |
//! | budget | what a grant may still spend of one unit in one window |
//! | reserve | take from all matching budgets, before anything is signed; never handed back |
//! | effect | what a credential does in the world, derived from the bytes that are signed |
//! | credential | what an agent gets for one call: signed headers, a token; never a key |
//! | signing key | what the enclave holds; born inside, wrapped in storage; never leaves |
//! | denial | a refusal an agent sees; an `Error` is for operators |
//! | attestation document, PCR, nonce | as AWS defines them |
//! | seal, unseal, bundle | encrypt the root secret to a KMS key that owners pinned; open it under KMS's consent |
//! | manifest | the owner-signed statement of who may do what in a deployment; a chain from g0 |
//! | deployment | everything under one g0; its fingerprint is SHA-256 of g0's bytes |
//! | instance | one boot of an enclave; it has its own random id |
//! | record, entry, leaf | one logged fact; the batch of records of one commit; the small hashed head of an entry |
//! | checkpoint, origin, tree size, root | as C2SP defines them |
//! | receipt | offline-checkable proof that a call's record is in the log |

#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::assertions_on_result_states,
        reason = "a test that counts wrongly or panics fails; the same code without tests is linted in full"
    )
)]

pub mod amount;
pub mod attest;
pub mod bundle;
pub mod call;
pub mod catalog;
pub mod chain;
pub mod codec;
pub mod credential;
pub mod crypto;
pub mod denial;
pub mod effect;
pub mod grant;
pub mod id;
pub mod jwk;
pub mod label;
pub mod ledger;
pub mod log;
pub mod oidc;
pub mod owner;
#[cfg(test)]
pub(crate) mod sample;
pub mod solana;
pub mod time;
pub mod wire;
