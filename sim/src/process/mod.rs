//! The simulation's processes: the enclave and KMS, each alone, the enclave in a virtual machine too; the courier is the production
//! one.

pub mod enclave;
pub mod guest;
pub mod kms;
pub mod nsm;
