//! What can go wrong with content, by stable code and with the facts that the error table names.

use beneath::{BeneathError, Failure, escaped};
use std::path::Path;
use thiserror::Error;
use wire::WireError;

/// Why content could not be read, packed, applied or switched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContentError {
    /// An operation below a root failed.
    #[error(transparent)]
    Beneath(#[from] BeneathError),
    /// Bytes that claim to be one of the formats are not.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Something in the source cannot be opened or read.
    #[error("'{path}' cannot be read: {why}")]
    SourceUnreadable {
        /// Path relative to the source, escaped.
        path: String,
        /// The system's reason.
        why: String,
    },
    /// The source holds something that is neither file, directory nor link.
    #[error("'{path}' is a {kind}")]
    SpecialFile {
        /// Path relative to the source, escaped.
        path: String,
        /// `device`, `named pipe` or `socket`.
        kind: &'static str,
    },
    /// A file was different each time it was read.
    #[error("'{path}' changed each time it was read")]
    FileChanging {
        /// Path relative to the source, escaped.
        path: String,
    },
    /// The file system cannot hold what is to be written.
    #[error("no space for '{path}': {need_bytes} bytes needed, {have_bytes} free")]
    NoSpace {
        /// The directory or file, escaped.
        path: String,
        /// Bytes wanted; 0 when not known.
        need_bytes: u64,
        /// Bytes free; 0 when not known.
        have_bytes: u64,
    },
    /// The assignment's stream is not a legal one.
    #[error("the assignment cannot be read: {why}")]
    AssignmentCorrupt {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The tree is not the promised one.
    #[error("the staged tree is not the promised one: {why}")]
    TreeMismatch {
        /// What differs.
        why: String,
    },
    /// Content does not have the digest that was promised.
    #[error("'{path}' does not have the digest that was promised")]
    DigestMismatch {
        /// Path relative to the release, escaped.
        path: String,
    },
    /// The base release is not here, or is not what it should be.
    #[error("the base release {release} is not held here: {why}")]
    BaseMissing {
        /// Number of the base release.
        release: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A tree file is not readable as one.
    #[error("the manifest '{path}' is damaged")]
    TreeFileDamaged {
        /// The file, escaped.
        path: String,
    },
    /// A line of a text manifest says what cannot be.
    #[error("line {line} of the manifest is not valid: {why}")]
    ManifestInvalid {
        /// Its number, from 1; 0 when none says it.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A change that a tree does not let happen.
    #[error("'{path}' cannot be changed so: {why}")]
    EditRefused {
        /// Path relative to the release, escaped.
        path: String,
        /// What is in the way.
        why: String,
    },
    /// The same, and others, with the place of the edit in its list.
    #[error("{error}")]
    AtEdit {
        /// From 0.
        edit: usize,
        /// What is wrong with it.
        #[source]
        error: Box<ContentError>,
    },
    /// There is no such release to switch to.
    #[error("release {release} is not kept here")]
    ReleaseUnknown {
        /// Its number.
        release: u64,
    },
    /// Nothing has that name in a release.
    #[error("there is no '{path}'")]
    PathUnknown {
        /// Path relative to the release, escaped.
        path: String,
    },
    /// Something else than was asked for has that name.
    #[error("'{path}' is a {kind}, no {wanted}")]
    WrongKind {
        /// Path relative to the release, escaped.
        path: String,
        /// What it is, as listings name it.
        kind: &'static str,
        /// `file` or `directory`.
        wanted: &'static str,
    },
    /// What stands where the `live` link belongs is none that the engine made.
    #[error("'{path}' is no link that the engine made")]
    LiveTaken {
        /// Where the link belongs, escaped.
        path: String,
    },
    /// The caller's mistake.
    #[error("{what} is not valid: {why}")]
    InvalidArgument {
        /// The argument.
        what: &'static str,
        /// Why it cannot be.
        why: &'static str,
    },
    /// A callback or [`crate::Cancel`] stopped the work.
    #[error("the work was cancelled")]
    Cancelled,
    /// The session that fetches the stream ended before the stream did.
    #[error("the session ended before its assignment was complete")]
    SourceEnded,
    /// Something that cannot be unless this program is wrong.
    #[error("something is wrong in the engine itself: {why}")]
    Internal {
        /// What was found.
        why: &'static str,
    },
    /// Any other refusal of the system, at a path of the operator's.
    #[error("'{path}': {why}")]
    Io {
        /// The path, escaped.
        path: String,
        /// The system's reason.
        why: String,
        /// The system's error number, 0 when there is none.
        errno: i32,
    },
}

impl ContentError {
    /// The stable code, a row of the error table.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Beneath(error) => error.code(),
            Self::Wire(error) => error.code(),
            Self::SourceUnreadable { .. } => "ENGINE_ERR_SOURCE_UNREADABLE",
            Self::SpecialFile { .. } => "ENGINE_ERR_SPECIAL_FILE",
            Self::FileChanging { .. } => "ENGINE_ERR_FILE_CHANGING",
            Self::NoSpace { .. } => "ENGINE_ERR_NO_SPACE",
            Self::AssignmentCorrupt { .. } => "ENGINE_ERR_ASSIGNMENT_CORRUPT",
            Self::TreeMismatch { .. } => "ENGINE_ERR_TREE_MISMATCH",
            Self::DigestMismatch { .. } => "ENGINE_ERR_DIGEST_MISMATCH",
            Self::BaseMissing { .. } => "ENGINE_ERR_BASE_MISSING",
            Self::TreeFileDamaged { .. } => "ENGINE_ERR_TREE_CORRUPT",
            Self::ManifestInvalid { .. } => "ENGINE_ERR_MANIFEST_INVALID",
            Self::EditRefused { .. } => "ENGINE_ERR_EDIT_REFUSED",
            Self::AtEdit { error, .. } => error.code(),
            Self::ReleaseUnknown { .. } => "ENGINE_ERR_RELEASE_UNKNOWN",
            Self::PathUnknown { .. } => "ENGINE_ERR_PATH_UNKNOWN",
            Self::WrongKind {
                wanted: "directory",
                ..
            } => "ENGINE_ERR_NOT_A_DIRECTORY",
            Self::WrongKind { .. } => "ENGINE_ERR_NOT_A_FILE",
            Self::LiveTaken { .. } => "ENGINE_ERR_LIVE_TAKEN",
            Self::InvalidArgument { .. } => "ENGINE_ERR_INVALID_ARGUMENT",
            Self::Cancelled => "ENGINE_ERR_CANCELLED",
            Self::SourceEnded => "ENGINE_ERR_RELAY_SESSION",
            Self::Internal { .. } => "ENGINE_ERR_INTERNAL",
            Self::Io { .. } => "ENGINE_ERR_IO",
        }
    }

    /// The facts that fill the placeholders of the code's row in the error table: name and value.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Beneath(error) => {
                let path = escaped(&error.path);
                vec![
                    ("path", path.clone()),
                    ("what", path),
                    ("why", error.to_string()),
                ]
            }
            Self::Wire(error) => vec![("why", error.to_string())],
            Self::SourceUnreadable { path, why } | Self::EditRefused { path, why } => {
                vec![("path", path.clone()), ("why", why.clone())]
            }
            Self::SpecialFile { path, kind } | Self::WrongKind { path, kind, .. } => {
                vec![("path", path.clone()), ("kind", (*kind).to_owned())]
            }
            Self::FileChanging { path } | Self::LiveTaken { path } | Self::PathUnknown { path } => {
                vec![("path", path.clone())]
            }
            Self::NoSpace {
                path,
                need_bytes,
                have_bytes,
            } => vec![
                ("path", path.clone()),
                ("needBytes", need_bytes.to_string()),
                ("haveBytes", have_bytes.to_string()),
            ],
            Self::AssignmentCorrupt { why } | Self::Internal { why } => {
                vec![("why", (*why).to_owned())]
            }
            Self::TreeMismatch { why } => vec![("why", why.clone())],
            Self::DigestMismatch { path } | Self::TreeFileDamaged { path } => {
                vec![("what", path.clone()), ("path", path.clone())]
            }
            Self::BaseMissing { release, why } => {
                vec![("release", release.to_string()), ("why", why.clone())]
            }
            Self::ManifestInvalid { line, why } => {
                vec![("line", line.to_string()), ("why", why.clone())]
            }
            Self::AtEdit { edit, error } => {
                let mut details = error.details();
                details.push(("edit", edit.to_string()));
                details
            }
            Self::ReleaseUnknown { release } => vec![("release", release.to_string())],
            Self::InvalidArgument { what, why } => {
                vec![("what", (*what).to_owned()), ("why", (*why).to_owned())]
            }
            Self::Cancelled | Self::SourceEnded => vec![("what", "the assignment".to_owned())],
            Self::Io { path, why, .. } => vec![("what", path.clone()), ("why", why.clone())],
        }
    }

    /// A failed call of the standard library at an operator's path.
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let path = escaped(path.as_os_str().as_bytes());
        match error.raw_os_error() {
            Some(ENOSPC | EDQUOT) => Self::NoSpace {
                path,
                need_bytes: 0,
                have_bytes: 0,
            },
            errno => Self::Io {
                path,
                why: error.to_string(),
                errno: errno.unwrap_or(0),
            },
        }
    }

    /// A failed read or write of an open file below a root.
    pub(crate) fn file(path: &[u8], error: &std::io::Error) -> Self {
        use std::os::unix::ffi::OsStrExt;
        Self::io(Path::new(std::ffi::OsStr::from_bytes(path)), error)
    }

    /// Something below the source could not be read.
    pub(crate) fn unreadable(path: &[u8], error: &BeneathError) -> Self {
        match error.failure {
            Failure::NoOpenat2 => Self::Beneath(error.clone()),
            _ => Self::SourceUnreadable {
                path: shown(path),
                why: error.to_string(),
            },
        }
    }
}

const ENOSPC: i32 = rustix::io::Errno::NOSPC.raw_os_error();
const EDQUOT: i32 = rustix::io::Errno::DQUOT.raw_os_error();

/// A path for a person; the root is `.`.
pub(crate) fn shown(path: &[u8]) -> String {
    if path.is_empty() {
        ".".to_owned()
    } else {
        escaped(path)
    }
}
