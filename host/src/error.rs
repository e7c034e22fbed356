//! Why a courier cannot start or go on. Everything else is retried or answered.

use crate::{config, store};
use std::{io, path::PathBuf};

/// A fault that an operator has to look at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A file of the directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The manifest file is no chain.
    #[error("manifests.json is not a manifest chain")]
    Manifests,
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A thread cannot be started.
    #[error("start a thread: {0}")]
    Thread(io::Error),
    /// The operators' token is empty, or not one line of printable ASCII.
    #[error("operator token must be one line of printable ASCII")]
    Token,
}
