//! Which contents of a tree nobody here has yet, and small questions about files from afar.

use crate::Outcome;
use crate::digest::{Hashed, digest_of};
use crate::error::{ContentError, shown};
use crate::limits::READ_BUFFER_BYTES;
use crate::scan::Scanned;
use crate::tree_file::{compare, read_tree, summary, write_durably};
use beneath::Root;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wire::Digest;
use wire::tree::{EntryKind, Tree};

/// Contents that are to be brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// How many.
    pub count: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Writes the contents of a tree's files that none of the `held` trees has: records of a digest
/// (32 bytes) and its size (u64, little-endian), ascending. Empty files want nothing. A held
/// manifest that cannot be read counts as not held.
pub fn write_wanted(tree_path: &Path, held: &[&Path], out_path: &Path) -> Outcome<Wanted> {
    let tree = read_tree(tree_path)?;
    let mut contents: BTreeMap<Digest, u64> = contents_of(&tree).collect();
    for path in held {
        if let Ok(held) = read_tree(path) {
            for (digest, _) in contents_of(&held) {
                contents.remove(&digest);
            }
        }
    }
    let mut records = Vec::with_capacity(contents.len() * 40);
    let mut wanted = Wanted::default();
    for (digest, size_bytes) in contents {
        records.extend_from_slice(&digest);
        records.extend_from_slice(&size_bytes.to_le_bytes());
        wanted.count += 1;
        wanted.bytes = wanted.bytes.saturating_add(size_bytes);
    }
    write_durably(out_path, &records)?;
    Ok(wanted)
}

fn contents_of(tree: &Tree) -> impl Iterator<Item = (Digest, u64)> {
    tree.entries().iter().filter_map(|entry| match entry.kind {
        EntryKind::File { size_bytes, digest } if size_bytes > 0 => Some((digest, size_bytes)),
        _ => None,
    })
}

/// Compares a tree whose files are not here yet with the shadow's; see [`crate::scan`].
pub fn compare_trees(tree_path: &Path, shadow_tree_path: Option<&Path>) -> Outcome<Scanned> {
    let shadow = shadow_tree_path.map(read_tree).transpose()?;
    let tree = read_tree(tree_path)?;
    Ok(Scanned {
        summary: summary(&tree),
        comparison: compare(&tree, shadow.as_ref()),
    })
}

/// A file's length and BLAKE3. With `sync` it is durable then, too. `ENGINE_ERR_FILE_CHANGING`
/// where its length changes meanwhile.
pub fn digest_file(path: &Path, sync: bool) -> Outcome<(u64, Digest)> {
    let failed = |error| ContentError::io(path, &error);
    let file = File::open(path).map_err(failed)?;
    let size_bytes = file.metadata().map_err(failed)?.len();
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let hashed = digest_of(&file, size_bytes, &mut buffer, &|_| true).map_err(failed)?;
    let Hashed::Whole(digest) = hashed else {
        return Err(ContentError::FileChanging {
            path: shown(path.as_os_str().as_bytes()),
        });
    };
    if sync {
        file.sync_all().map_err(failed)?;
    }
    Ok((size_bytes, digest))
}

/// Makes all that was written to a directory's file system durable, once for any number of files.
pub fn sync_file_system(directory: &Path) -> Outcome<()> {
    Ok(Root::open(directory)?.sync_file_system()?)
}

/// Digests of a list of steps that bring content.
pub(crate) fn brought(steps: &[wire::steps::Step]) -> HashSet<Digest> {
    let digests = steps.iter().filter_map(|step| match step {
        wire::steps::Step::WriteFile {
            size_bytes, digest, ..
        } if *size_bytes > 0 => Some(*digest),
        _ => None,
    });
    digests.collect()
}
