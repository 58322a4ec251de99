//! From an assignment's stream to a staged, checked and durable release.

use crate::Outcome;
use crate::error::ContentError;
use crate::source::{Cancel, StreamSource};
use std::path::Path;
use wire::{AssignmentId, Digest};

/// The base release on this disk.
#[derive(Debug, Clone, Copy)]
pub struct ApplyBase<'a> {
    /// Its tree.
    pub directory: &'a Path,
    /// Its manifest.
    pub tree_path: &'a Path,
}

/// What to apply, onto what, and where to.
#[derive(Clone, Copy)]
pub struct ApplyOptions<'a> {
    /// Says how much of the stream is verified and in the file.
    pub source: &'a dyn StreamSource,
    /// The stream file.
    pub stream_path: &'a Path,
    /// The assignment that was asked for; a stream of another is refused.
    pub assignment: AssignmentId,
    /// The base release, if one is held; needed when the header names one.
    pub base: Option<ApplyBase<'a>>,
    /// Where the release is to stand: `<site>/releases/<n>`. It is built in `.staging-<n>` beside
    /// and gets this name when it is whole, checked and durable. Missing parents are made.
    pub target_directory: &'a Path,
    /// Where its manifest is to stand: `<site>/trees/<n>.tree`.
    pub tree_path: &'a Path,
    /// Stops the work from another thread.
    pub cancel: &'a Cancel,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Hash of the staged tree: the one promised.
    pub tree_hash: Digest,
    /// Number of the release, from the header.
    pub release: u64,
    /// Files whose content came in the assignment.
    pub files_written: u64,
    /// Files that cost no bytes: linked or cloned from the base release.
    pub files_shared: u64,
    /// Bytes of the files written.
    pub bytes_written: u64,
}

/// Builds the release that an assignment describes while its stream still arrives. Blocks.
///
/// When it returns, the release stands whole at `target_directory`, every file it brought has the
/// digest promised, the tree has the hash promised, and all of it survives a power cut. After any
/// error nothing of it is left, and what stood at `target_directory` before still does.
///
/// Errors: `ENGINE_ERR_ASSIGNMENT_CORRUPT`, `ENGINE_ERR_DIGEST_MISMATCH`,
/// `ENGINE_ERR_TREE_MISMATCH`, `ENGINE_ERR_BASE_MISSING`, `ENGINE_ERR_PATH_ESCAPES`,
/// `ENGINE_ERR_NO_SPACE`, `ENGINE_ERR_CANCELLED`, `ENGINE_ERR_RELAY_SESSION` when the source ended.
pub fn apply(_options: &ApplyOptions<'_>) -> Outcome<Applied> {
    Err(ContentError::InvalidArgument {
        what: "apply",
        why: "it is not there yet",
    })
}
