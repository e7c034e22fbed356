//! The key holder: boot, vault, core and channels. See ARCHITECTURE.md for its rooms.

pub mod platform;
