//! Edits of a tree: what is put, made, changed and removed, one after the other, without its files.
//!
//! In: a tree, edits as JSON. Out: the tree after them, or which edit cannot be and why.
//! Never: a path through a link, a file's content, half of a list of edits.

use crate::Outcome;
use crate::error::{ContentError, shown};
use crate::limits::{EDIT_PATHS_BYTES_MAX, SIZE_BYTES_MAX};
use crate::manifest::{DIRECTORY_MODE, FILE_MODE, digest_of, mode_of, unescaped};
use crate::tree_file::{TreeSummary, read_tree, summary, write_tree};
use beneath::{check_path, split_path};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Included};
use std::path::Path;
use wire::Digest;
use wire::limits::{COMPONENT_BYTES_MAX, PATH_BYTES_MAX};
use wire::tree::{Entry, EntryKind, Tree};

/// An edit as it is told; names, modes and times are written as in text manifests.
#[derive(Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
enum Told {
    Put {
        path: String,
        size_bytes: u64,
        digest: String,
        mode: Option<String>,
        mtime_ns: Option<String>,
        parents: bool,
        at_ns: String,
    },
    Mkdir {
        path: String,
        mode: Option<String>,
        parents: bool,
        at_ns: String,
    },
    SetProperties {
        path: String,
        mode: Option<String>,
        mtime_ns: Option<String>,
        create: bool,
        at_ns: String,
    },
    Remove {
        path: String,
        recursive: bool,
        at_ns: String,
    },
}

/// One change at one path; `at_ns` is when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    path: Vec<u8>,
    at_ns: i64,
    change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Put {
        size_bytes: u64,
        digest: Digest,
        mode: Option<u32>,
        mtime_ns: Option<i64>,
        parents: bool,
    },
    Mkdir {
        mode: Option<u32>,
        parents: bool,
    },
    SetProperties {
        mode: Option<u32>,
        mtime_ns: Option<i64>,
        create: bool,
    },
    Remove {
        recursive: bool,
    },
}

/// Reads a tree (none: an empty one), applies edits in their order and writes what they make of
/// it, durably.
///
/// Errors: [`ContentError::AtEdit`] with the place of the one that cannot be; nothing is written.
pub fn edit_tree(
    base_tree_path: Option<&Path>,
    edits: &str,
    out_tree_path: &Path,
) -> Outcome<TreeSummary> {
    let edits = read_edits(edits)?;
    let entries = match base_tree_path {
        Some(path) => read_tree(path)?.into_entries(),
        None => vec![directory(
            Vec::new(),
            DIRECTORY_MODE,
            edits.first().map_or(0, |edit| edit.at_ns),
        )],
    };
    let tree = apply_edits(entries, edits)?;
    write_tree(out_tree_path, &tree)?;
    Ok(summary(&tree))
}

/// Checks edits as far as they can be without a tree.
pub fn check_edits(edits: &str) -> Outcome<()> {
    read_edits(edits).map(|_| ())
}

fn read_edits(text: &str) -> Outcome<Vec<Edit>> {
    let told: Vec<Told> =
        serde_json::from_str(text).map_err(|_| ContentError::InvalidArgument {
            what: "edits",
            why: "they are not written as edits are",
        })?;
    let read = told.into_iter().enumerate();
    read.map(|(index, told)| edit_of(told).map_err(|error| at(index, error)))
        .collect()
}

fn at(edit: usize, error: ContentError) -> ContentError {
    ContentError::AtEdit {
        edit,
        error: Box::new(error),
    }
}

fn edit_of(told: Told) -> Outcome<Edit> {
    let (path, at_ns, change) = match told {
        Told::Put {
            path,
            size_bytes,
            digest,
            mode,
            mtime_ns,
            parents,
            at_ns,
        } => {
            let change = Change::Put {
                digest: content_of(&path, size_bytes, &digest)?,
                size_bytes,
                mode: mode_told(&path, mode)?,
                mtime_ns: mtime_ns.map(|text| time_told(&path, &text)).transpose()?,
                parents,
            };
            (path, at_ns, change)
        }
        Told::Mkdir {
            path,
            mode,
            parents,
            at_ns,
        } => {
            let mode = mode_told(&path, mode)?;
            (path, at_ns, Change::Mkdir { mode, parents })
        }
        Told::SetProperties {
            path,
            mode,
            mtime_ns,
            create,
            at_ns,
        } => {
            let change = Change::SetProperties {
                mode: mode_told(&path, mode)?,
                mtime_ns: mtime_ns.map(|text| time_told(&path, &text)).transpose()?,
                create,
            };
            (path, at_ns, change)
        }
        Told::Remove {
            path,
            recursive,
            at_ns,
        } => (path, at_ns, Change::Remove { recursive }),
    };
    let at_ns = time_told(&path, &at_ns)?;
    let bytes = unescaped(&path).map_err(|why| refused(path.as_bytes(), &format!("it {why}")))?;
    check_length(&bytes)?;
    check_path(&bytes)?;
    Ok(Edit {
        path: bytes,
        at_ns,
        change,
    })
}

/// What is too long for any disk leads nowhere, which is not outside.
fn check_length(path: &[u8]) -> Outcome<()> {
    if path.len() > PATH_BYTES_MAX {
        let why = format!("it is longer than {PATH_BYTES_MAX} bytes");
        return Err(refused(path, &why));
    }
    let mut names = path.split(|&byte| byte == b'/');
    if names.any(|name| name.len() > COMPONENT_BYTES_MAX) {
        let why = format!("a name in it is longer than {COMPONENT_BYTES_MAX} bytes");
        return Err(refused(path, &why));
    }
    Ok(())
}

fn content_of(path: &str, size_bytes: u64, digest: &str) -> Outcome<Digest> {
    let refused = |why| refused(path.as_bytes(), why);
    let digest = digest_of(digest).ok_or_else(|| refused("its digest is none"))?;
    if size_bytes > SIZE_BYTES_MAX {
        return Err(refused("it is too large"));
    }
    if size_bytes == 0 && digest != wire::digest_of(b"") {
        return Err(refused(
            "it is empty, and its digest is not that of nothing",
        ));
    }
    Ok(digest)
}

fn mode_told(path: &str, mode: Option<String>) -> Outcome<Option<u32>> {
    mode.map(|text| mode_of(&text).map_err(|why| refused(path.as_bytes(), &why)))
        .transpose()
}

fn time_told(path: &str, text: &str) -> Outcome<i64> {
    text.parse().map_err(|_| {
        refused(
            path.as_bytes(),
            "its time is no whole number of nanoseconds",
        )
    })
}

/// The tree after edits, in their order. All of them, or none.
fn apply_edits(entries: Vec<Entry>, edits: Vec<Edit>) -> Outcome<Tree> {
    let mut draft = Draft {
        entries: entries
            .into_iter()
            .map(|entry| (entry.path.clone(), entry))
            .collect(),
        added_bytes: 0,
    };
    let mut sizes = HashMap::new();
    for (index, edit) in edits.into_iter().enumerate() {
        if let Change::Put {
            digest, size_bytes, ..
        } = edit.change
        {
            sizes.insert(digest, (size_bytes, index, edit.path.clone()));
        }
        draft.apply(edit).map_err(|error| at(index, error))?;
    }
    check_sizes(&draft, &sizes)?;
    Ok(Tree::from_sorted(draft.entries.into_values().collect())?)
}

/// Whoever puts a content says how long it is: as long as the tree says of the same digest.
fn check_sizes(draft: &Draft, put: &HashMap<Digest, (u64, usize, Vec<u8>)>) -> Outcome<()> {
    let mut total = 0_u64;
    for entry in draft.entries.values() {
        let EntryKind::File { size_bytes, digest } = &entry.kind else {
            continue;
        };
        total = total.saturating_add(*size_bytes);
        if let Some((put_bytes, index, path)) = put.get(digest)
            && put_bytes != size_bytes
        {
            let why = "its digest is that of a content of another size";
            return Err(at(*index, refused(path, why)));
        }
    }
    if total > SIZE_BYTES_MAX {
        return Err(refused(b"", "the whole becomes too large"));
    }
    Ok(())
}

/// A tree that is being changed; every entry lies in a directory of it at any time.
struct Draft {
    entries: BTreeMap<Vec<u8>, Entry>,
    /// Lengths of the paths that were added, together.
    added_bytes: usize,
}

impl Draft {
    fn apply(
        &mut self,
        Edit {
            path,
            at_ns,
            change,
        }: Edit,
    ) -> Outcome<()> {
        match change {
            Change::Put {
                size_bytes,
                digest,
                mode,
                mtime_ns,
                parents,
            } => {
                let kind = EntryKind::File { size_bytes, digest };
                self.put(path, at_ns, (kind, mode, mtime_ns), parents)
            }
            Change::Mkdir { mode, parents } => self.mkdir(path, at_ns, mode, parents),
            Change::SetProperties {
                mode,
                mtime_ns,
                create,
            } => self.set(path, at_ns, (mode, mtime_ns), create),
            Change::Remove { recursive } => self.remove(&path, at_ns, recursive),
        }
    }

    fn put(
        &mut self,
        path: Vec<u8>,
        at_ns: i64,
        (kind, mode, mtime_ns): (EntryKind, Option<u32>, Option<i64>),
        parents: bool,
    ) -> Outcome<()> {
        self.reach(&path, at_ns, parents)?;
        let before = match self.entries.get(&path) {
            None => None,
            Some(entry) if matches!(entry.kind, EntryKind::File { .. }) => Some(entry.mode),
            Some(entry) => {
                return Err(refused(&path, &format!("it is a {}", name_of(&entry.kind))));
            }
        };
        if before.is_none() {
            self.note(&path, at_ns);
        }
        self.add(Entry {
            path,
            mode: mode.or(before).unwrap_or(FILE_MODE),
            mtime_ns: mtime_ns.unwrap_or(at_ns),
            kind,
        })
    }

    fn mkdir(
        &mut self,
        path: Vec<u8>,
        at_ns: i64,
        mode: Option<u32>,
        parents: bool,
    ) -> Outcome<()> {
        self.reach(&path, at_ns, parents)?;
        match self.entries.get(&path) {
            Some(entry) if parents && entry.kind == EntryKind::Directory => return Ok(()),
            Some(entry) => {
                let why = format!("it is a {} already", name_of(&entry.kind));
                return Err(refused(&path, &why));
            }
            None => {}
        }
        self.note(&path, at_ns);
        self.add(directory(path, mode.unwrap_or(DIRECTORY_MODE), at_ns))
    }

    fn set(
        &mut self,
        path: Vec<u8>,
        at_ns: i64,
        (mode, mtime_ns): (Option<u32>, Option<i64>),
        create: bool,
    ) -> Outcome<()> {
        self.reach(&path, at_ns, false)?;
        if create && !self.entries.contains_key(&path) {
            let nothing = EntryKind::File {
                size_bytes: 0,
                digest: wire::digest_of(b""),
            };
            return self.put(path, at_ns, (nothing, mode, mtime_ns), false);
        }
        let Some(entry) = self.entries.get_mut(&path) else {
            return Err(ContentError::PathUnknown { path: shown(&path) });
        };
        if mode.is_some() && matches!(entry.kind, EntryKind::Link { .. }) {
            return Err(refused(&path, "it is a link, and links have no mode"));
        }
        entry.mode = mode.unwrap_or(entry.mode);
        entry.mtime_ns = mtime_ns.unwrap_or(entry.mtime_ns);
        Ok(())
    }

    fn remove(&mut self, path: &[u8], at_ns: i64, recursive: bool) -> Outcome<()> {
        if path.is_empty() {
            return Err(refused(path, "it is the site itself"));
        }
        self.reach(path, at_ns, false)?;
        let Some(entry) = self.entries.remove(path) else {
            return Err(ContentError::PathUnknown { path: shown(path) });
        };
        if entry.kind == EntryKind::Directory {
            if !recursive {
                return Err(refused(
                    path,
                    "it is a directory, and only a file was meant",
                ));
            }
            // All that begins with `path/`, and nothing else, sorts from it up to `path0`.
            let [first, beyond] = [b'/', b'/' + 1].map(|byte| [path, &[byte]].concat());
            let below = (Included(first.as_slice()), Excluded(beyond.as_slice()));
            while let Some((next, _)) = self.entries.range::<[u8], _>(below).next() {
                let next = next.clone();
                self.entries.remove(&next);
            }
        }
        self.note(path, at_ns);
        Ok(())
    }

    fn add(&mut self, entry: Entry) -> Outcome<()> {
        self.added_bytes += entry.path.len();
        if self.added_bytes > EDIT_PATHS_BYTES_MAX {
            let why =
                "with the directories above it, more is added at once than memory is held for";
            return Err(refused(&entry.path, why));
        }
        self.entries.insert(entry.path.clone(), entry);
        Ok(())
    }

    /// Everything above `path` is a directory, or is made one where that is wanted.
    fn reach(&mut self, path: &[u8], at_ns: i64, makes: bool) -> Outcome<()> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (end, _) in slashes {
            let above = &path[..end];
            match self.entries.get(above).map(|entry| &entry.kind) {
                Some(EntryKind::Directory) => {}
                Some(kind) => {
                    let why = format!("'{}' is a {}, no directory", shown(above), name_of(kind));
                    return Err(refused(path, &why));
                }
                None if makes => {
                    self.note(above, at_ns);
                    self.add(directory(above.to_vec(), DIRECTORY_MODE, at_ns))?;
                }
                None => return Err(ContentError::PathUnknown { path: shown(above) }),
            }
        }
        Ok(())
    }

    /// A name came or went: the directory that it is in has changed then.
    fn note(&mut self, path: &[u8], at_ns: i64) {
        if let Some(parent) = self.entries.get_mut(split_path(path).0) {
            parent.mtime_ns = at_ns;
        }
    }
}

fn directory(path: Vec<u8>, mode: u32, mtime_ns: i64) -> Entry {
    Entry {
        path,
        mode,
        mtime_ns,
        kind: EntryKind::Directory,
    }
}

fn name_of(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::Directory => "directory",
        EntryKind::File { .. } => "file",
        EntryKind::Link { .. } => "link",
    }
}

fn refused(path: &[u8], why: &str) -> ContentError {
    ContentError::EditRefused {
        path: shown(path),
        why: why.to_owned(),
    }
}
