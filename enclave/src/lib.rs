//! The key holder: boot, vault, core and channels. See ARCHITECTURE.md for its rooms.

pub mod authorize;
pub mod boot;
pub mod channel;
pub mod core;
pub mod platform;
pub mod secret;
pub mod serve;
pub mod vault;
