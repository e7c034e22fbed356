//! The promises of Claviger as tests: a deployment in one process, and a courier that does what it is told.
//!
//! The enclave is the production library on the simulation's mock NSM; KMS is the simulation's. Between them stands either
//! a courier scripted by the test, which may lie, or the production one. Time stands still until a test moves it.

pub mod agent;
pub mod aws;
pub mod courier;
pub mod deployment;
pub mod evm;
pub mod forge;
pub mod fuzz;
pub mod history;
pub mod import;
pub mod memory;
pub mod owner;
pub mod platform;
pub mod python;
pub mod snapshots;
pub mod solana;
pub mod ssh;
pub mod store;
pub mod template;
pub mod timing;
pub mod vm;
pub mod x402;
