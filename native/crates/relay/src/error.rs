//! What can go wrong, as codes of the engine's one error table.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Errors of this crate. `code` is what callers switch on.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Something else listens on the address.
    #[error("{address} is already in use")]
    AddressInUse {
        /// Address that was asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The disk of a session's file is full, or the file may not grow.
    #[error("no space left for {path}")]
    NoSpace {
        /// The file.
        path: PathBuf,
    },
    /// A file of a session cannot be read or written.
    #[error("cannot {operation} {path}: {source}")]
    Disk {
        /// The verb of what was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The stream's file has lost bytes that were stored.
    #[error("{path} was cut short by somebody else")]
    FileCut {
        /// The file.
        path: PathBuf,
    },
    /// A vouch that cannot be read, is not signed by the source's key, or does not follow the last.
    #[error("a vouch is not valid: {reason}")]
    VouchInvalid {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A second session for one assignment.
    #[error("a session for this assignment is open already")]
    SessionExists,
    /// The relay or session was closed.
    #[error("the relay is closed")]
    Closed,
    /// A link could not be measured.
    #[error("the link to {address} cannot be measured: {why}")]
    Probe {
        /// Who was to receive.
        address: SocketAddr,
        /// What went wrong.
        why: String,
    },
    /// A chunk size that the protocol does not allow.
    #[error("chunks cannot have {chunk_bytes} bytes")]
    ChunkBytes {
        /// The size that was asked for.
        chunk_bytes: u32,
    },
    /// The system refuses threads, descriptors or event queues.
    #[error("the system refuses {what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A thread of the relay panicked: a bug, kept within its session.
    #[error("a thread of the relay stopped: {reason}")]
    Internal {
        /// The panic's text.
        reason: String,
    },
}

impl RelayError {
    /// The row of the error table.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AddressInUse { .. } => "ENGINE_ERR_PORT_IN_USE",
            Self::Listen { .. } => "ENGINE_ERR_LISTEN",
            Self::NoSpace { .. } => "ENGINE_ERR_NO_SPACE",
            Self::Disk { .. } | Self::FileCut { .. } | Self::System { .. } => "ENGINE_ERR_IO",
            Self::VouchInvalid { .. } => "ENGINE_ERR_DIGEST_MISMATCH",
            Self::SessionExists => "ENGINE_ERR_CONFLICT",
            Self::Closed => "ENGINE_ERR_NATIVE_CLOSED",
            Self::Probe { .. } => "ENGINE_ERR_PROBE_FAILED",
            Self::ChunkBytes { .. } => "ENGINE_ERR_INVALID_ARGUMENT",
            Self::Internal { .. } => "ENGINE_ERR_INTERNAL",
        }
    }

    /// Sorts a file's error: a full disk, quota or size limit is no space, the rest a disk error.
    pub(crate) fn disk(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => Self::NoSpace { path },
            _ => Self::Disk {
                operation,
                path,
                source,
            },
        }
    }
}

/// Why a session stands still for ever, as its status tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The row of the error table.
    pub code: &'static str,
    /// The error's text.
    pub message: String,
}

impl From<&RelayError> for Failure {
    fn from(error: &RelayError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}
