//! The ceremony: how a deployment begins, and what owners check before they sign.
//!
//! ```text
//! KMS key made, public key read ── g0 signed ── the host's enclave measures g0 ── genesis(nonce)
//!   ── document, bundle and log key checked (`birth`) ── g1 signed ── key policy put ── the enclave boots under g1
//! ```
//! Nothing that the host says is signed before it was checked against the owner's own g0, build and nonce.

pub mod birth;
pub mod folder;
pub mod kms;
pub mod manifest;
pub mod plan;
pub mod policy;
