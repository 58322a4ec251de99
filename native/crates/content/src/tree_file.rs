//! Manifests on disk: one file a release, its hash at the end.

use crate::Outcome;
use crate::error::ContentError;
use beneath::escaped;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wire::Digest;
use wire::tree::{Entry, EntryKind, Tree};

/// What a manifest says of its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeSummary {
    /// Hash of the tree.
    pub tree_hash: Digest,
    /// Regular files.
    pub file_count: u64,
    /// Files, directories and links, the root among them.
    pub entry_count: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
}

/// How a tree differs from an earlier one. Counts are of regular files, as in [`TreeSummary`], so
/// that they add up: links and directories only make trees differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Comparison {
    /// In the new tree only.
    pub files_added: u64,
    /// In both, with other content, mode or time.
    pub files_changed: u64,
    /// In the old tree only.
    pub files_deleted: u64,
    /// Files of the old tree.
    pub shadow_file_count: u64,
    /// Nothing differs at all, links and directories included.
    pub identical: bool,
}

/// Sums a tree up. O(n).
pub fn summary(tree: &Tree) -> TreeSummary {
    TreeSummary {
        tree_hash: tree.hash(),
        file_count: tree.file_count(),
        entry_count: tree.entries().len() as u64,
        total_bytes: tree.total_bytes(),
    }
}

/// Compares a tree with the one before; without one everything is added. O(n).
pub fn compare(tree: &Tree, shadow: Option<&Tree>) -> Comparison {
    let Some(shadow) = shadow else {
        return Comparison {
            files_added: tree.file_count(),
            ..Comparison::default()
        };
    };
    let shadow_file_count = shadow.file_count();
    let mut result = Comparison {
        shadow_file_count,
        ..Comparison::default()
    };
    for entry in tree.entries().iter().filter(|entry| is_file(entry)) {
        match shadow.get(&entry.path) {
            Some(old) if is_file(old) => result.files_changed += u64::from(old != entry),
            _ => result.files_added += 1,
        }
    }
    let kept = tree.file_count() - result.files_added;
    result.files_deleted = shadow_file_count.saturating_sub(kept);
    result.identical = tree == shadow;
    result
}

fn is_file(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::File { .. })
}

/// Reads a manifest. `ENGINE_ERR_TREE_CORRUPT` when its own hash does not hold.
pub fn read_tree(path: &Path) -> Outcome<Tree> {
    let bytes = fs::read(path).map_err(|error| ContentError::io(path, &error))?;
    Tree::decode(&bytes).map_err(|_| ContentError::TreeFileDamaged {
        path: escaped(path.as_os_str().as_bytes()),
    })
}

/// Writes a manifest so that it is there whole or not at all, and durable: a file beside it,
/// synced, renamed, and its directory synced. Missing parent directories are made.
pub fn write_tree(path: &Path, tree: &Tree) -> Outcome<()> {
    write_durably(path, &tree.encode())
}

pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let parent = path.parent().ok_or(ContentError::InvalidArgument {
        what: "tree path",
        why: "it has no directory",
    })?;
    fs::create_dir_all(parent).map_err(|error| ContentError::io(parent, &error))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()))
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| File::open(parent)?.sync_all());
    written.map_err(|error| {
        // What is half-written is of no use; a failure to remove it changes nothing.
        let _ = fs::remove_file(&beside);
        ContentError::io(path, &error)
    })
}
