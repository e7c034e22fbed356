//! The client: what an agent's program embeds to get credentials without holding a signing key.
//!
//! [`Agent::connect`] checks the manifest chain against the fingerprint in the agent key, then the attestation document
//! against the chain, before it sends the first byte; [`Agent::ask`] seals one request and opens its one answer. The host
//! in between is believed in nothing. This crate holds one secret, the agent's own channel key, and no signing key.

pub mod agent_key;
pub mod face;
pub mod receipt;
pub mod render;
pub mod session;
pub mod stream;
pub mod trust;
pub mod web;
pub mod x402;

pub use agent_key::AgentKey;
pub use session::Agent;

use claviger_shared::wire::RefusedCode;

/// Why the client has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The agent key is not of the published form.
    #[error("agent key is malformed")]
    AgentKey,
    /// The enclave, its manifests or its document are not those this agent key trusts.
    #[error("not the enclave this agent key trusts: {0}")]
    Distrust(&'static str),
    /// The host did not answer, or not in the form of its face.
    #[error("host did not answer: {0}")]
    Host(String),
    /// The host or the enclave refused for now, without a seal.
    #[error("refused for now: {0:?}")]
    Refused(RefusedCode),
    /// An answer did not open, or proves less than it says.
    #[error("answer does not check out: {0}")]
    Answer(&'static str),
}
