//! The wire between host and enclave: frame types, roles, bodies and limits. Companion page: docs/spec/wire.md.
//!
//! The host dials, the enclave listens. Bodies are canonical CBOR, except Call and Answer, which are laid out in
//! [`call`]. Nothing here is trusted because it arrived in a frame: what matters is signed, sealed or authenticates itself.

pub mod call;
pub mod control;
pub mod storage;
pub mod stream;

use serde::{Deserialize, Serialize};

/// Version of this wire.
pub const VERSION: u16 = 1;
/// Call connections an enclave takes at most.
pub const MAX_CALL_CONNECTIONS: usize = 4;
/// Requests outstanding on the control connection.
pub const WINDOW_CONTROL: u32 = 4;
/// Requests outstanding on the storage connection.
pub const WINDOW_STORAGE: u32 = 1;
/// Requests outstanding on a call connection.
pub const WINDOW_CALL: u32 = 256;
/// Bit that marks a reply.
pub const REPLY: u8 = 0x80;

/// What a frame is; its code is the frame's type byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameType {
    /// First frame on any connection; names a role.
    Hello = 0x01,
    /// The manifest chain; extends and locks the PCRs.
    Measure = 0x10,
    /// A document with a new RSA key, for KMS.
    AttestKms = 0x11,
    /// The KMS reply and the bundle.
    Unseal = 0x12,
    /// Birth of the root; once per deployment.
    Genesis = 0x13,
    /// Start replay: the enclave pulls on the storage connection.
    Resume = 0x14,
    /// Event of the enclave: its phase changed.
    Phase = 0x15,
    /// A document with the channel key, for clients.
    Attest = 0x16,
    /// An owner's or operator's signed command.
    Command = 0x17,
    /// Counters without names.
    Status = 0x18,
    /// Finish what waits and stop.
    Drain = 0x19,
    /// Cosignatures of witnesses; not supported yet.
    Witnessed = 0x1A,
    /// An operator's liveness ticket; not supported yet.
    Heartbeat = 0x1B,
    /// Store one entry.
    Append = 0x30,
    /// Read entries.
    Read = 0x31,
    /// Store a part of a snapshot.
    SnapshotPut = 0x32,
    /// Read a part of a snapshot.
    SnapshotGet = 0x33,
    /// Ask where the log ends.
    Tail = 0x34,
    /// Put, get or delete a blob.
    Blob = 0x35,
    /// Open an agent channel.
    Open = 0x40,
    /// One sealed frame of an agent channel.
    Call = 0x41,
    /// Refused, unsealed: advisory, never conclusive.
    Refused = 0xFF,
}

impl FrameType {
    /// The type byte of a request.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Hello => 0x01,
            Self::Measure => 0x10,
            Self::AttestKms => 0x11,
            Self::Unseal => 0x12,
            Self::Genesis => 0x13,
            Self::Resume => 0x14,
            Self::Phase => 0x15,
            Self::Attest => 0x16,
            Self::Command => 0x17,
            Self::Status => 0x18,
            Self::Drain => 0x19,
            Self::Witnessed => 0x1A,
            Self::Heartbeat => 0x1B,
            Self::Append => 0x30,
            Self::Read => 0x31,
            Self::SnapshotPut => 0x32,
            Self::SnapshotGet => 0x33,
            Self::Tail => 0x34,
            Self::Blob => 0x35,
            Self::Open => 0x40,
            Self::Call => 0x41,
            Self::Refused => 0xFF,
        }
    }

    /// The type byte of the reply to a request.
    #[must_use]
    pub const fn reply(self) -> u8 {
        self.code() | REPLY
    }

    /// Reads a type byte of a request, event or refusal (not of a reply).
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x01 => Self::Hello,
            0x10 => Self::Measure,
            0x11 => Self::AttestKms,
            0x12 => Self::Unseal,
            0x13 => Self::Genesis,
            0x14 => Self::Resume,
            0x15 => Self::Phase,
            0x16 => Self::Attest,
            0x17 => Self::Command,
            0x18 => Self::Status,
            0x19 => Self::Drain,
            0x1A => Self::Witnessed,
            0x1B => Self::Heartbeat,
            0x30 => Self::Append,
            0x31 => Self::Read,
            0x32 => Self::SnapshotPut,
            0x33 => Self::SnapshotGet,
            0x34 => Self::Tail,
            0x35 => Self::Blob,
            0x40 => Self::Open,
            0x41 => Self::Call,
            0xFF => Self::Refused,
            _ => return None,
        })
    }
}

/// What a connection is for; named by its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Agents' channels.
    Call,
    /// Boot, commands, attestation. A new one replaces the old.
    Control,
    /// The log and its blobs. A new one replaces the old.
    Storage,
}

/// Body of Hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Wire versions the host speaks.
    pub versions: Vec<u16>,
    /// What the connection is for.
    pub role: Role,
}

/// Where an enclave is in its life; also what the host may ask of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing measured: only Measure is answered.
    Booted,
    /// PCR16 and 17 hold the deployment and its anchor: AttestKms, Unseal, Genesis.
    Measured,
    /// The root is open: Resume.
    Unsealed,
    /// Reading the log.
    Replaying,
    /// Signing.
    Serving,
    /// Another writer or a failed promise was found: nothing is signed again by this instance.
    Fenced,
    /// Closed; the process ends.
    Stopped,
}

/// Reply to Hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// The version chosen.
    pub version: u16,
    /// Where the enclave is.
    pub phase: Phase,
    /// This boot's id.
    pub instance: crate::id::InstanceId,
    /// Requests the host may have outstanding on this connection.
    pub window: u32,
    /// Entries known to be stored; 0 before replay.
    pub committed: u64,
    /// Index of an entry that is being stored, if any.
    pub pending: Option<u64>,
}

/// Why a request is refused without a seal: advisory, the client retries and never concludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedCode {
    /// A queue is full; try again later.
    Busy,
    /// A handshake that does not finish, a document or bundle that does not check out.
    Invalid,
    /// Not in the phase this request needs.
    NotServing,
    /// The mechanism is not built.
    NotSupported,
    /// The channel has seen this sequence number.
    Replayed,
    /// Over a limit.
    TooLarge,
    /// The log cannot be written just now.
    Unavailable,
    /// No such channel in this boot; open a new one.
    UnknownChannel,
}

/// Body of Refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Why.
    pub code: RefusedCode,
    /// When to try again, in milliseconds; 0 when it makes no sense.
    pub retry_after_ms: u32,
    /// For operators: a stable word that names the failed check, never upstream text.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_none_is_a_reply() {
        for code in 0..=u8::MAX {
            if let Some(kind) = FrameType::from_code(code) {
                assert_eq!(kind.code(), code);
                assert!(code & REPLY == 0 || kind == FrameType::Refused);
            }
        }
    }
}
