//! From a scanned tree to an assignment, in one pass.

use crate::Outcome;
use crate::base::Base;
use crate::blobs::{Files, HeldRelease};
use crate::collect::pack_files;
use crate::error::ContentError;
use crate::limits::{BLOCK_BYTES, CHUNK_BYTES_LARGE, CHUNK_BYTES_SMALL, CHUNK_LARGE_FROM_BYTES};
use crate::section::pack_steps;
use crate::stream_writer::{StreamSpec, StreamWriter, remove_stream};
use crate::tree_file::read_tree;
use crate::wanted::brought;
use std::path::Path;
pub use wire::assignment::Command;
use wire::assignment::Header;
use wire::steps::{self, Step};
use wire::tree::{Entry, EntryKind, Tree};
use wire::{AssignmentId, Digest};

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

impl PackBase<'_> {
    fn open(&self) -> Outcome<Base> {
        Base::open(self.release, self.directory, self.tree_path)
    }
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
    options: &PackOptions<'_>,
    on_batch: &mut dyn FnMut(&PackBatch<'_>) -> bool,
) -> Outcome<Packed> {
    settled(options, write(options, None, on_batch))
}

/// As [`pack`], of content that is named by its digest: `options.directory` holds files of 64
/// hexadecimal digits, and what is not there may be in a file of a `held` release. What is in
/// neither is waited for: `on_batch` is then called every 50 ms, without a vouch or with what there
/// is, and stops the packing as ever.
pub fn pack_blobs(
    options: &PackOptions<'_>,
    held: &[HeldRelease<'_>],
    on_batch: &mut dyn FnMut(&PackBatch<'_>) -> bool,
) -> Outcome<Packed> {
    settled(options, write(options, Some(held), on_batch))
}

fn settled(options: &PackOptions<'_>, packed: Outcome<Packed>) -> Outcome<Packed> {
    if packed.is_err() {
        // A half-written stream is of no use to anybody; what cannot be removed is overwritten by
        // the next attempt.
        let _ = remove_stream(options.out_path);
        let _ = std::fs::remove_file(options.vouch_path);
    }
    packed
}

fn write(
    options: &PackOptions<'_>,
    held: Option<&[HeldRelease<'_>]>,
    on_batch: &mut dyn FnMut(&PackBatch<'_>) -> bool,
) -> Outcome<Packed> {
    let tree = read_tree(options.tree_path)?;
    let base = options.base.as_ref().map(PackBase::open).transpose()?;
    let steps = tree.diff(base.as_ref().map(|base| &base.tree));
    let source = match held {
        None => Files::directory(options.directory)?,
        Some(held) => Files::blobs(options.directory, held, &brought(&steps))?,
    };
    let raw_steps = steps::encode(&steps);
    let packed_steps = pack_steps(&raw_steps)?;
    let header = header_of(
        options,
        &tree,
        base.as_ref(),
        &steps,
        &raw_steps,
        &packed_steps,
    )?;
    let encoded = header.encode();
    let spec = StreamSpec {
        out_path: options.out_path,
        vouch_path: options.vouch_path,
        assignment: header.id(),
        serial: header.serial,
        chunk_bytes: header.chunk_bytes,
        content_bytes: header.content_bytes,
        steps_digest: header.steps_digest,
        signing_key: options.signing_key,
    };
    let mut writer = StreamWriter::open(spec, &encoded, &packed_steps, on_batch)?;
    drop((raw_steps, packed_steps));
    pack_files(&source, base.as_ref(), &steps, &mut writer)?;
    writer.finish()
}

fn header_of(
    options: &PackOptions<'_>,
    tree: &Tree,
    base: Option<&Base>,
    steps: &[Step],
    raw_steps: &[u8],
    packed_steps: &[u8],
) -> Outcome<Header> {
    let count = |length: usize, what| {
        u32::try_from(length).map_err(|_| ContentError::InvalidArgument {
            what,
            why: "there is too much of it",
        })
    };
    let content_bytes = steps::content_bytes(steps);
    let header = Header {
        serial: options.serial,
        command: options.command,
        release: options.release,
        base_release: base.map_or(0, |base| base.release),
        base_hash: base.map_or([0; 32], |base| base.tree.hash()),
        result_hash: tree.hash(),
        steps_digest: wire::digest_of(raw_steps),
        steps_packed_bytes: count(packed_steps.len(), "steps")?,
        steps_raw_bytes: count(raw_steps.len(), "steps")?,
        step_count: count(steps.len(), "steps")?,
        entry_count: count(tree.entries().len(), "tree")?,
        content_bytes,
        disk_bytes: disk_bytes(tree, base.map(|base| &base.tree), steps),
        created_ns: options.created_ns,
        chunk_bytes: match options.chunk_bytes {
            0 if content_bytes < CHUNK_LARGE_FROM_BYTES => CHUNK_BYTES_SMALL,
            0 => CHUNK_BYTES_LARGE,
            chosen => chosen,
        },
        site: options.site.to_owned(),
    };
    header.check().map_err(|error| match error.fault {
        wire::Fault::Value(what) => ContentError::InvalidArgument {
            what,
            why: "no assignment may have it",
        },
        _ => ContentError::Wire(error),
    })?;
    Ok(header)
}

/// Space that a receiver needs at most: new content, private copies of files whose mode or time
/// changes, and a block for every directory and link. Saturates.
fn disk_bytes(tree: &Tree, base: Option<&Tree>, steps: &[Step]) -> u64 {
    let blocks = |bytes: u64| bytes.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES);
    let size_in_base = |path: &[u8]| match base.and_then(|base| base.get(path)) {
        Some(Entry {
            kind: EntryKind::File { size_bytes, .. },
            ..
        }) => *size_bytes,
        _ => 0,
    };
    let files = steps.iter().map(|step| match step {
        Step::WriteFile { size_bytes, .. } => blocks(*size_bytes),
        Step::CopyFile { from, .. } => blocks(size_in_base(from)),
        Step::SetAttributes { path, .. } => blocks(size_in_base(path)),
        _ => 0,
    });
    let others = tree.entries().iter().map(|entry| match entry.kind {
        EntryKind::File { .. } => 0,
        _ => BLOCK_BYTES,
    });
    files.chain(others).fold(0, u64::saturating_add)
}
