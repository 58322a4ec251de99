//! A base release on disk: its tree and its directory, and whether files still are what they were.

use crate::Outcome;
use crate::digest::{Hashed, digest_of};
use crate::error::{ContentError, shown};
use crate::limits::READ_BUFFER_BYTES;
use crate::scan::stat_of;
use crate::tree_file::read_tree;
use beneath::{BeneathError, Failure, Kind, Root};
use std::fs::File;
use std::path::Path;
use wire::Digest;
use wire::tree::{Entry, EntryKind, Tree};

/// A release that another one builds on.
pub(crate) struct Base {
    pub(crate) release: u64,
    pub(crate) root: Root,
    pub(crate) tree: Tree,
}

impl Base {
    /// Opens tree and directory. `ENGINE_ERR_BASE_MISSING` when either is not there or not whole.
    pub(crate) fn open(release: u64, directory: &Path, tree_path: &Path) -> Outcome<Self> {
        let missing = |why: String| ContentError::BaseMissing { release, why };
        let tree = read_tree(tree_path).map_err(|error| missing(error.to_string()))?;
        let root = Root::open(directory).map_err(|error| missing(error.to_string()))?;
        Ok(Self {
            release,
            root,
            tree,
        })
    }

    /// The error for a base that is not what it should be.
    pub(crate) fn broken(&self, path: &[u8], why: &str) -> ContentError {
        ContentError::BaseMissing {
            release: self.release,
            why: format!("'{}' {why}", shown(path)),
        }
    }

    /// The error for an operation on a file of the base.
    pub(crate) fn failed(&self, path: &[u8], error: BeneathError) -> ContentError {
        match error.failure {
            Failure::NoSpace | Failure::DescriptorsUsedUp => ContentError::Beneath(error),
            _ => self.broken(path, &error.to_string()),
        }
    }

    /// The entry of a file, with its size and digest.
    pub(crate) fn file(&self, path: &[u8]) -> Outcome<(&Entry, u64, &Digest)> {
        let entry = self
            .tree
            .get(path)
            .ok_or_else(|| self.broken(path, "is not in it"))?;
        match &entry.kind {
            EntryKind::File { size_bytes, digest } => Ok((entry, *size_bytes, digest)),
            _ => Err(self.broken(path, "is no file")),
        }
    }

    /// Opens a file.
    pub(crate) fn open_file(&self, path: &[u8]) -> Outcome<File> {
        self.root
            .open_file(path)
            .map_err(|error| self.failed(path, error))
    }

    /// Opens a file if it still has the content that the manifest says. Reads all of it.
    pub(crate) fn open_intact(&self, path: &[u8]) -> Option<(File, u64)> {
        let (_, size_bytes, digest) = self.file(path).ok()?;
        let file = self.root.open_file(path).ok()?;
        let intact = has_content(&file, size_bytes, digest).unwrap_or(false);
        intact.then_some((file, size_bytes))
    }
}

/// Whether an open file has this length and digest.
fn has_content(file: &File, size_bytes: u64, digest: &Digest) -> std::io::Result<bool> {
    let stat = stat_of(file)?;
    if stat.kind != Kind::File || stat.size_bytes != size_bytes {
        return Ok(false);
    }
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let hashed = digest_of(file, size_bytes, &mut buffer, &|_| true)?;
    Ok(hashed == Hashed::Whole(*digest))
}
