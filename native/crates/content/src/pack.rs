//! From a scanned tree to an assignment, in one pass.

use crate::Outcome;
use crate::error::ContentError;
use std::path::Path;
use wire::{AssignmentId, Digest};

/// What the assignment carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// A new release of a site.
    Publish,
    /// A release that others have already, for a node that lacks it.
    Replicate,
}

/// The release that the assignment builds on, and where it is on this disk.
#[derive(Debug, Clone, Copy)]
pub struct PackBase<'a> {
    /// Its number; not 0.
    pub release: u64,
    /// Its tree.
    pub directory: &'a Path,
    /// Its manifest.
    pub tree_path: &'a Path,
}

/// What to pack, for whom, and where to.
#[derive(Debug, Clone, Copy)]
pub struct PackOptions<'a> {
    /// The directory that was scanned.
    pub directory: &'a Path,
    /// The manifest that the scan wrote.
    pub tree_path: &'a Path,
    /// The release that every receiver holds; `None`: everything travels whole.
    pub base: Option<PackBase<'a>>,
    /// Serial number of the assignment.
    pub serial: u64,
    /// What it carries.
    pub command: Command,
    /// Name of the site.
    pub site: &'a str,
    /// Number of the release it makes.
    pub release: u64,
    /// The stream file; made or emptied.
    pub out_path: &'a Path,
    /// The file that every vouch is appended to; made or emptied.
    pub vouch_path: &'a Path,
    /// Bytes in a chunk; 0 chooses by the size of the content.
    pub chunk_bytes: u32,
    /// Seed of the coordinator's ed25519 key.
    pub signing_key: &'a [u8; 32],
    /// When it was asked for, nanoseconds since 1970.
    pub created_ns: u64,
}

/// One batch of a pack in progress.
#[derive(Debug, Clone, Copy)]
pub struct PackBatch<'a> {
    /// The assignment's name.
    pub assignment: AssignmentId,
    /// Bytes in a chunk.
    pub chunk_bytes: u32,
    /// An encoded vouch for the chunks since the batch before, all of which are in the file. `None`
    /// in the first batch only: it says that the header is written.
    pub vouch: Option<&'a [u8]>,
    /// Chunks vouched for so far, from the start.
    pub chunks: u32,
    /// Bytes of the stream written so far.
    pub stream_bytes: u64,
    /// Files packed so far.
    pub files_packed: u64,
    /// Bytes of them, unpacked.
    pub bytes_packed: u64,
}

/// A finished assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Its name.
    pub assignment: AssignmentId,
    /// Its serial number.
    pub serial: u64,
    /// Bytes in a chunk.
    pub chunk_bytes: u32,
    /// Chunks of the stream; the last may be short.
    pub chunk_count: u32,
    /// Length of the stream.
    pub stream_bytes: u64,
    /// BLAKE3 of all section bytes.
    pub data_digest: Digest,
    /// Unpacked bytes of the files it brings.
    pub content_bytes: u64,
}

/// Writes the assignment that turns the base into the scanned tree, in one pass, and vouches for
/// its chunks in batches as they come. Blocks; durable when it returns.
///
/// `on_batch` is called from this thread; `false` stops the packing. After any error both files are
/// removed.
///
/// Errors: `ENGINE_ERR_FILE_CHANGING` (with the name) and `ENGINE_ERR_SOURCE_UNREADABLE` of the
/// source, `ENGINE_ERR_BASE_MISSING` of the base, `ENGINE_ERR_NO_SPACE`, `ENGINE_ERR_CANCELLED`.
pub fn pack(
    _options: &PackOptions<'_>,
    _on_batch: &mut dyn FnMut(&PackBatch<'_>) -> bool,
) -> Outcome<Packed> {
    Err(ContentError::InvalidArgument {
        what: "pack",
        why: "it is not there yet",
    })
}
