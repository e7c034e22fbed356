//! Why a command did not do what was asked, and the exit code that says so.
//!
//! | exit | meaning |
//! |---|---|
//! | 1 | denied: by a grant, by the enclave, or because something does not check out |
//! | 2 | usage: the command line or a file is wrong |
//! | 3 | more owners must sign |
//! | 4 | rate or budget |
//! | 5 | unavailable: try again |

use crate::owner::federate::Refusal;
use claviger_shared::{denial::Denial, owner};
use serde_json::{Value, json};
use std::path::Path;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A grant says no; the problem document goes to standard output.
    #[error("denied: {}", .0.code.as_str())]
    Denied(Box<Denial>),
    /// Something was presented that is not what owners signed or the enclave attests.
    #[error("does not check out: {0}")]
    Distrust(String),
    /// A provider would not take the tokens, or the enclave would not sign them.
    #[error("cannot federate: {0}")]
    Federation(#[from] Refusal),
    /// A file or the system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// KMS refused.
    #[error("KMS: {0}")]
    Kms(String),
    /// Owners' threshold is not met yet.
    #[error("more owners must sign: {0}")]
    Pending(String),
    /// The enclave refused a command; nothing was changed.
    #[error("refused ({code}){}: {detail}", pointer.as_deref().map(|at| format!(" at `{at}`")).unwrap_or_default())]
    Refused {
        /// The stable code.
        code: String,
        /// JSON pointer into the command.
        pointer: Option<String>,
        /// What would be right.
        detail: String,
    },
    /// The host or the enclave does not answer just now.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The command line or a file is wrong.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Self::Denied(denial) => denial.code.exit(),
            Self::Distrust(_) | Self::Federation(_) | Self::Refused { .. } => 1,
            Self::Io { .. } | Self::Usage(_) => 2,
            Self::Pending(_) => 3,
            Self::Kms(_) | Self::Unavailable(_) => 5,
        }
    }

    /// A stable word for machines.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Denied(denial) => denial.code.as_str(),
            Self::Distrust(_) => "distrust",
            Self::Federation(refusal) => refusal.code(),
            Self::Io { .. } => "io",
            Self::Kms(_) => "kms",
            Self::Pending(_) => "approval_pending",
            Self::Refused { code, .. } => code,
            Self::Unavailable(_) => "unavailable",
            Self::Usage(_) => "usage",
        }
    }

    /// As machines read it (docs/spec/problem.md).
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (detail, pointer) = match self {
            Self::Refused {
                detail, pointer, ..
            } => (detail.clone(), pointer.clone()),
            Self::Denied(_)
            | Self::Distrust(_)
            | Self::Federation(_)
            | Self::Io { .. }
            | Self::Kms(_)
            | Self::Pending(_)
            | Self::Unavailable(_)
            | Self::Usage(_) => (self.to_string(), None),
        };
        let mut error = json!({ "code": self.code(), "detail": detail });
        if let (Some(pointer), Some(members)) = (pointer, error.as_object_mut()) {
            members.insert("pointer".to_owned(), json!(pointer));
        }
        json!({ "error": error })
    }

    /// A file that could not be used.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let what = format!("{what} `{}`", path.display());
        move |source| Self::Io { what, source }
    }
}

impl From<owner::Error> for Error {
    fn from(error: owner::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<claviger_client::Error> for Error {
    fn from(error: claviger_client::Error) -> Self {
        use claviger_client::Error as Client;
        match error {
            Client::AgentKey => Self::Usage(error.to_string()),
            Client::Distrust(_) | Client::Answer(_) => Self::Distrust(error.to_string()),
            Client::Host(_) | Client::Refused(_) => Self::Unavailable(error.to_string()),
        }
    }
}
