//! What owners and operators sign: manifests and commands, by SSHSIG, over exact bytes.

pub mod command;
pub mod manifest;
pub mod sshsig;
