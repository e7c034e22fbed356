//! The key holder: boot, vault, core and channels. See ARCHITECTURE.md for its rooms.

pub mod allowance;
pub mod authorize;
pub mod boot;
pub mod channel;
pub mod core;
pub mod nitro;
pub mod platform;
pub mod secret;
pub mod serve;
pub mod vault;

use claviger_shared::owner::manifest::Version;

/// This build's version, as manifests name releases.
#[must_use]
pub fn version() -> Version {
    let mut parts = env!("CARGO_PKG_VERSION")
        .split('.')
        .map(|part| part.parse().unwrap_or_default());
    let mut next = || parts.next().unwrap_or_default();
    Version(next(), next(), next())
}
