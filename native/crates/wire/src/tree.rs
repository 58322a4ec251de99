//! The tree of a release: what it holds, without content.
//!
//! ```text
//! 0   magic "DSTTRE01"   8
//! 8   entry_count        u32
//! 12  reserved           u32
//! 16  entries, ascending by path bytes; the root "" first:
//!       kind u8 (1 directory, 2 file, 3 link) | mode u16 | path_bytes u16 | path
//!       | mtime_ns i64 | file: size_bytes u64, digest 32 | link: target_bytes u16, target
//! n   BLAKE3 of all before: the tree's hash   32
//! ```
//! Written by the coordinator's scan and by each node's apply; two trees with one hash are equal.

mod walk;

pub use walk::TreeWalk;

use std::collections::HashSet;

use crate::Digest;
use crate::cursor::{Reader, count32, put_bytes16};
use crate::error::{Fault, Part, WireError};
use crate::limits::{
    CONTENT_BYTES_MAX, ENTRY_COUNT_MAX, LINK_MODE, LINK_TARGET_BYTES_MAX, MODE_MASK, PATH_BYTES_MAX,
};
use crate::path::{check_path, parent_of};

const MAGIC: &[u8; 8] = b"DSTTRE01";
const HEAD_BYTES: usize = 16;
/// Bytes of the smallest entry: a directory with the empty path.
const ENTRY_BYTES_MIN: usize = 13;
/// Encoded bytes that are handed to the hash at once: BLAKE3 is at its best from 64 KiB.
const HASH_BATCH_BYTES: usize = 64 * 1024;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length.
        size_bytes: u64,
        /// BLAKE3 of its content.
        digest: Digest,
    },
    /// A symbolic link.
    Link {
        /// What it points to: any bytes but NUL, kept exactly, never followed.
        target: Vec<u8>,
    },
}

/// One directory, file or link of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Bytes relative to the root; `""` is the root. See [`check_path`].
    pub path: Vec<u8>,
    /// Permission bits within [`MODE_MASK`]; a link's are always [`LINK_MODE`].
    pub mode: u32,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    /// What it is.
    pub kind: EntryKind,
}

impl Entry {
    fn check(&self) -> Result<(), Fault> {
        check_path(&self.path)?;
        if self.mode & !MODE_MASK != 0 {
            return Err(Fault::Value("mode"));
        }
        match &self.kind {
            EntryKind::File { size_bytes, .. } if *size_bytes > CONTENT_BYTES_MAX => {
                Err(Fault::Limit("file size"))
            }
            EntryKind::Directory | EntryKind::File { .. } => Ok(()),
            EntryKind::Link { .. } if self.mode != LINK_MODE => Err(Fault::Value("link mode")),
            EntryKind::Link { target } => check_target(target),
        }
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            EntryKind::Directory => 1,
            EntryKind::File { .. } => 2,
            EntryKind::Link { .. } => 3,
        };
        out.push(kind);
        put_mode(out, self.mode);
        put_bytes16(out, &self.path, PATH_BYTES_MAX);
        out.extend_from_slice(&self.mtime_ns.to_le_bytes());
        match &self.kind {
            EntryKind::Directory => {}
            EntryKind::File { size_bytes, digest } => {
                out.extend_from_slice(&size_bytes.to_le_bytes());
                out.extend_from_slice(digest);
            }
            EntryKind::Link { target } => put_bytes16(out, target, LINK_TARGET_BYTES_MAX),
        }
    }

    fn decode_from(reader: &mut Reader) -> Result<Self, WireError> {
        let kind = reader.u8()?;
        let mode = u32::from(reader.u16()?);
        let path = reader.bytes16(PATH_BYTES_MAX, "path")?.to_vec();
        let mtime_ns = reader.i64()?;
        let kind = match kind {
            1 => EntryKind::Directory,
            2 => EntryKind::File {
                size_bytes: reader.u64()?,
                digest: reader.array()?,
            },
            3 => EntryKind::Link {
                target: reader
                    .bytes16(LINK_TARGET_BYTES_MAX, "link target")?
                    .to_vec(),
            },
            other => return Err(reader.fail(Fault::Type(u32::from(other)))),
        };
        Ok(Self {
            path,
            mode,
            mtime_ns,
            kind,
        })
    }
}

/// Appends permission bits as u16.
pub(crate) fn put_mode(out: &mut Vec<u8>, mode: u32) {
    let bits = u16::try_from(mode & MODE_MASK).unwrap_or(0);
    out.extend_from_slice(&bits.to_le_bytes());
}

/// Checks a link's target: not empty, not too long, no NUL.
pub(crate) fn check_target(target: &[u8]) -> Result<(), Fault> {
    if target.len() > LINK_TARGET_BYTES_MAX {
        return Err(Fault::Limit("link target"));
    }
    if target.is_empty() || target.contains(&0) {
        return Err(Fault::Value("link target"));
    }
    Ok(())
}

/// A release's tree. Its entries keep every rule: ascending, each under a directory, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<Entry>,
}

impl Tree {
    /// Takes entries in any order and checks that they form a tree.
    ///
    /// # Errors
    /// Of [`Part::Tree`]: a path twice, no root, an entry that is not under a directory, a path,
    /// mode, size or target that may not be.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, WireError> {
        entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Self::from_sorted(entries)
    }

    /// As [`Tree::new`], for entries that ascend by path already.
    pub fn from_sorted(entries: Vec<Entry>) -> Result<Self, WireError> {
        let fail = |fault| WireError::new(Part::Tree, fault);
        if entries.len() > ENTRY_COUNT_MAX as usize {
            return Err(fail(Fault::Limit("entry count")));
        }
        let root = entries.first().ok_or(fail(Fault::Value("root")))?;
        if !root.path.is_empty() || root.kind != EntryKind::Directory {
            return Err(fail(Fault::Value("root")));
        }
        let mut previous: Option<&[u8]> = None;
        for entry in &entries {
            entry.check().map_err(fail)?;
            if previous.is_some_and(|path| path >= entry.path.as_slice()) {
                return Err(fail(Fault::Order("entries by path")));
            }
            previous = Some(&entry.path);
        }
        check_parents(&entries).map_err(fail)?;
        Ok(Self { entries })
    }

    /// The entries, ascending by path, the root first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Gives the entries away.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// The entry at `path`. O(log n).
    pub fn get(&self, path: &[u8]) -> Option<&Entry> {
        let found = self
            .entries
            .binary_search_by(|entry| entry.path.as_slice().cmp(path));
        found.ok().and_then(|index| self.entries.get(index))
    }

    /// Number of regular files.
    pub fn file_count(&self) -> u64 {
        let files = self
            .entries
            .iter()
            .filter(|entry| matches!(entry.kind, EntryKind::File { .. }));
        files.count() as u64
    }

    /// Bytes of all files together.
    pub fn total_bytes(&self) -> u64 {
        let sizes = self.entries.iter().map(|entry| match entry.kind {
            EntryKind::File { size_bytes, .. } => size_bytes,
            _ => 0,
        });
        sizes.fold(0, u64::saturating_add)
    }

    /// The tree's hash: BLAKE3 of its encoding without the hash at the end.
    pub fn hash(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        let mut batch = Vec::with_capacity(HASH_BATCH_BYTES + 8 * 1024);
        self.encode_head(&mut batch);
        for entry in &self.entries {
            entry.encode_into(&mut batch);
            if batch.len() >= HASH_BATCH_BYTES {
                hasher.update(&batch);
                batch.clear();
            }
        }
        hasher.update(&batch);
        *hasher.finalize().as_bytes()
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&count32(self.entries.len()).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
    }

    /// The tree as bytes, its hash at the end.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_head(&mut out);
        for entry in &self.entries {
            entry.encode_into(&mut out);
        }
        let hash = crate::digest_of(&out);
        out.extend_from_slice(&hash);
        out
    }

    /// Reads a tree.
    ///
    /// # Errors
    /// Of [`Part::Tree`]: a wrong hash first of all, then whatever [`Tree::new`] refuses.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let fail = |fault| WireError::new(Part::Tree, fault);
        let body_bytes = bytes.len().checked_sub(32).ok_or(fail(Fault::Truncated))?;
        let (body, hash) = bytes.split_at(body_bytes);
        let mut reader = Reader::new(Part::Tree, body);
        reader.magic(MAGIC)?;
        if crate::digest_of(body) != *hash {
            return Err(fail(Fault::Digest));
        }
        let entry_count = reader.u32()?;
        reader.reserved(HEAD_BYTES - reader.used())?;
        if entry_count > ENTRY_COUNT_MAX {
            return Err(fail(Fault::Limit("entry count")));
        }
        let room = reader.left() / ENTRY_BYTES_MIN;
        let mut entries = Vec::with_capacity(room.min(entry_count as usize));
        for _ in 0..entry_count {
            entries.push(Entry::decode_from(&mut reader)?);
        }
        reader.end()?;
        Self::from_sorted(entries)
    }
}

/// Each entry but the root must lie in a directory of the tree.
fn check_parents(entries: &[Entry]) -> Result<(), Fault> {
    let mut directories: HashSet<&[u8]> = HashSet::new();
    let mut last: Option<&[u8]> = None;
    for entry in entries {
        if let Some(parent) = parent_of(&entry.path) {
            if last != Some(parent) && !directories.contains(parent) {
                return Err(Fault::Value("parent directory"));
            }
            last = Some(parent);
        }
        if entry.kind == EntryKind::Directory {
            directories.insert(&entry.path);
        }
    }
    Ok(())
}
