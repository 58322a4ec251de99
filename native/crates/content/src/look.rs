//! Looking at a release on disk: one entry, a page of a directory, a file to read.
//!
//! In: a release's directory and a path in it as text, `%XX` for any byte. Out: what is there now,
//! whatever the manifest says. Never: a link followed, an entry outside, something opened that is
//! no file.

use crate::Outcome;
use crate::error::{ContentError, shown};
use crate::limits::LOOK_PAGE_BYTES_MAX;
use crate::manifest::{escaped, hex_of, unescaped};
use crate::source::Cancel;
use crate::tree_reader::TreeReader;
use beneath::{BeneathError, Failure, Kind, Root, Stat, check_path, split_path};
use std::collections::BinaryHeap;
use std::fs::File;
use std::path::Path;
use wire::tree::EntryKind;

/// An entry as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its last name, escaped as in manifests; of the release's own directory, empty.
    pub name: String,
    /// What it is; a link is itself.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Tells a file from one that took its name.
    pub inode: u64,
    /// What a link points to, escaped as in manifests.
    pub target: Option<String>,
}

/// Some entries of a directory, ascending by name.
#[derive(Debug)]
pub struct SeenPage {
    /// Of the names after the one asked for, the first.
    pub entries: Vec<Seen>,
    /// There are more after the last of them.
    pub more: bool,
}

/// One entry. `ENGINE_ERR_PATH_UNKNOWN` when nothing has that name, `ENGINE_ERR_PATH_ESCAPES` when
/// the path leads through a link, out of the release, or is no path.
pub fn look(directory: &Path, path: &str) -> Outcome<Seen> {
    let path = path_of(path)?;
    see(&open_root(directory)?, &path)
}

/// At most `limit` entries of a directory, those whose names follow `after`.
/// `ENGINE_ERR_NOT_A_DIRECTORY`, and as [`look`].
pub fn list(directory: &Path, path: &str, after: Option<&str>, limit: usize) -> Outcome<SeenPage> {
    let path = path_of(path)?;
    let after = after.map(name_of).transpose()?;
    let root = open_root(directory)?;
    let kind = see(&root, &path)?.kind;
    if kind != Kind::Directory {
        return Err(wrong_kind(&path, kind, "directory"));
    }
    let folder = root.sub(&path).map_err(|error| absent(error, &path))?;
    // The smallest names of those that follow.
    let mut names = BinaryHeap::new();
    let all = folder.read_dir(b"").map_err(|error| absent(error, &path))?;
    for entry in all {
        if after.as_ref().is_none_or(|after| entry.name > *after) {
            names.push(entry.name);
            if names.len() > limit + 1 {
                names.pop();
            }
        }
    }
    page_of(&folder, names.into_sorted_vec(), limit)
}

/// Stats what is listed; a name that has gone meanwhile is left out.
fn page_of(folder: &Root, names: Vec<Vec<u8>>, limit: usize) -> Outcome<SeenPage> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    for (index, name) in names.into_iter().enumerate() {
        if index >= limit || bytes > LOOK_PAGE_BYTES_MAX {
            return Ok(SeenPage {
                entries,
                more: true,
            });
        }
        match see(folder, &name) {
            Ok(seen) => {
                bytes += seen.name.len() + seen.target.as_ref().map_or(0, String::len);
                entries.push(seen);
            }
            Err(ContentError::PathUnknown { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(SeenPage {
        entries,
        more: false,
    })
}

/// Opens a regular file for reading. `ENGINE_ERR_NOT_A_FILE`, and as [`look`].
pub fn open_seen(directory: &Path, path: &str) -> Outcome<(File, Seen)> {
    let path = path_of(path)?;
    let root = open_root(directory)?;
    // Asked before it is opened: opening a device does something.
    let before = see(&root, &path)?;
    if before.kind != Kind::File {
        return Err(wrong_kind(&path, before.kind, "file"));
    }
    let file = root
        .open_file(&path)
        .map_err(|error| absent(error, &path))?;
    let seen = crate::scan::stat_of(&file).map_err(|error| ContentError::file(&path, &error))?;
    if seen.kind != Kind::File {
        return Err(wrong_kind(&path, seen.kind, "file"));
    }
    Ok((file, seen_of(&path, &seen, None)))
}

/// What a manifest says of a file: its size, time and digest; `None` when it has no such file.
pub fn published(tree_path: &Path, path: &str) -> Outcome<Option<(u64, i64, String)>> {
    let path = path_of(path)?;
    let mut reader = TreeReader::open(tree_path, &Cancel::new())?;
    while let Some(entry) = reader.next()? {
        if entry.path == path {
            return Ok(match entry.kind {
                EntryKind::File { size_bytes, digest } => {
                    Some((size_bytes, entry.mtime_ns, hex_of(&digest)))
                }
                _ => None,
            });
        }
    }
    Ok(None)
}

fn see(root: &Root, path: &[u8]) -> Outcome<Seen> {
    let stat = root.stat(path).map_err(|error| absent(error, path))?;
    let target = if stat.kind == Kind::Link {
        Some(root.read_link(path).map_err(|error| absent(error, path))?)
    } else {
        None
    };
    Ok(seen_of(path, &stat, target.as_deref()))
}

fn seen_of(path: &[u8], stat: &Stat, target: Option<&[u8]>) -> Seen {
    Seen {
        name: escaped(split_path(path).1),
        kind: stat.kind,
        mode: stat.mode,
        size_bytes: stat.size_bytes,
        mtime_ns: stat.mtime_ns,
        inode: stat.inode,
        target: target.map(escaped),
    }
}

/// Bytes of a path as text. `ENGINE_ERR_INVALID_ARGUMENT` when an escape is none,
/// `ENGINE_ERR_PATH_ESCAPES` when it is not a plain relative path.
fn path_of(text: &str) -> Outcome<Vec<u8>> {
    let path = unescaped(text).map_err(|why| ContentError::InvalidArgument {
        what: "the path",
        why,
    })?;
    check_path(&path)?;
    Ok(path)
}

fn name_of(text: &str) -> Outcome<Vec<u8>> {
    let name = path_of(text)?;
    if name.is_empty() || name.contains(&b'/') {
        let why = "it is no name in a directory";
        return Err(ContentError::InvalidArgument { what: "after", why });
    }
    Ok(name)
}

fn open_root(directory: &Path) -> Outcome<Root> {
    Root::open(directory).map_err(|error| absent(error, b""))
}

/// Nothing of that name, or a file where a directory would have to be, is no fault of the disk.
fn absent(error: BeneathError, path: &[u8]) -> ContentError {
    const NOT_A_DIRECTORY: i32 = 20;
    if error.failure == Failure::Missing || error.errno == NOT_A_DIRECTORY {
        return ContentError::PathUnknown { path: shown(path) };
    }
    error.into()
}

fn wrong_kind(path: &[u8], kind: Kind, wanted: &'static str) -> ContentError {
    ContentError::WrongKind {
        path: shown(path),
        kind: name_of_kind(kind),
        wanted,
    }
}

/// A kind as manifests and listings name it.
pub const fn name_of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "dir",
        Kind::Link => "link",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::Device => "device",
        Kind::Unknown => "unknown",
    }
}
