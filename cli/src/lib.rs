//! The command of Claviger: what owners, operators and agents type, and the ceremony that begins a deployment.
//!
//! Owners sign here with their SSH keys; what is shown to them is read from the audited log, never taken from the host's
//! word. This crate holds no signing key of the enclave and decides nothing.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "outside the trusted part: sizes here are bounded by the parsers, and a fault costs one command"
)]

pub mod attest;
pub mod audit;
pub mod ceremony;
pub mod doctor;
pub mod error;
pub mod exec;
pub mod finding;
pub mod operator;
pub mod owner;
pub mod probe;
pub mod profile;
pub mod send;
pub mod sidecar;
pub mod ssh;
pub mod view;

pub use error::Error;
