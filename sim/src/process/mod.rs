//! The simulation's processes: the enclave and KMS, each alone; the courier is the production one.

pub mod enclave;
pub mod kms;
pub mod nsm;
