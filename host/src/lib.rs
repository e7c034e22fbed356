//! The courier: HTTP faces, relay, KMS calls and storage.
//!
//! It is trusted for liveness only. It carries sealed, signed or self-authenticating bytes; it knows no key, opens no
//! channel and decides nothing about a grant.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "outside the trusted part: sizes here are bounded by the parsers, and a fault costs liveness alone"
)]

mod boot;
pub mod config;
pub mod deployment;
pub mod error;
mod hardened;
pub mod heartbeat;
mod http;
pub mod index;
pub mod kms;
pub mod link;
pub mod relay;
pub mod run;
pub mod storage;
pub mod store;
mod sync;
pub mod tasks;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use error::Error;
pub use hardened::harden;
pub use run::{run, run_with};
