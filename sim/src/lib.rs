//! The simulation of Claviger: a mock NSM and a mock KMS that sign, encrypt and check for real.
//!
//! Both take the place of what AWS provides and nothing else: the enclave, the host and the verifier run unchanged
//! against them. What they make is encoded here by code of its own, so that a mistake in a decoder is not mirrored.
//! Nothing of this crate is linked into a production binary.

pub mod aws;
pub mod clock;
mod files;
mod hex;
pub mod kms;
pub mod nsm;
pub mod process;
pub mod up;
