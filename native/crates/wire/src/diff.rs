//! From two trees to steps, and from a tree and steps to the other tree. Pure.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::Digest;
use crate::error::{Fault, Part, WireError};
use crate::limits::LINK_MODE;
use crate::path::parent_of;
use crate::steps::{Step, check_order};
use crate::tree::{Entry, EntryKind, Tree};

impl Tree {
    /// The steps that make `self` out of `base`; all of it when there is no base. A file whose
    /// content is in the base at another path is copied from there. O(n log n).
    ///
    /// Property: `Tree::apply(base, &target.diff(base)) == target`.
    pub fn diff(&self, base: Option<&Self>) -> Vec<Step> {
        let none: &[Entry] = &[];
        let old = base.map_or(none, Self::entries);
        let contents = contents_of(old);
        let mut deletes = Vec::new();
        let mut steps = Vec::new();
        for pair in Pairs::new(old, self.entries()) {
            match pair {
                (Some(gone), None) => deletes.push(Step::Delete {
                    path: gone.path.clone(),
                }),
                (None, Some(new)) => steps.push(make(new, &contents)),
                (Some(was), Some(new)) if same_type(was, new) => {
                    steps.extend(change(was, new, &contents));
                }
                (Some(_), Some(new)) => {
                    deletes.push(Step::Delete {
                        path: new.path.clone(),
                    });
                    steps.push(make(new, &contents));
                }
                (None, None) => {}
            }
        }
        deletes.reverse();
        deletes.append(&mut steps);
        deletes
    }

    /// The tree that `steps` make out of `base`.
    ///
    /// # Errors
    /// Of [`Part::Steps`]: steps out of order, or one that can not be done: nothing to delete or
    /// to set, something in the way, a directory that is not empty, a copy from what is no file.
    /// Of [`Part::Tree`]: a result that is no tree.
    pub fn apply(base: Option<&Self>, steps: &[Step]) -> Result<Self, WireError> {
        let none: &[Entry] = &[];
        let old = base.map_or(none, Self::entries);
        let fail = |fault| WireError::new(Part::Steps, fault);
        check_order(steps).map_err(fail)?;
        let (deletes, changes) = steps.split_at(steps.partition_point(Step::is_delete));
        let kept = keep(old, deletes).map_err(fail)?;
        let entries = overlay(&kept, changes, base).map_err(fail)?;
        Self::from_sorted(entries)
    }
}

/// Walks two lists of entries, both ascending by path, pairing what has one path.
struct Pairs<'a> {
    old: &'a [Entry],
    new: &'a [Entry],
}

impl<'a> Pairs<'a> {
    const fn new(old: &'a [Entry], new: &'a [Entry]) -> Self {
        Self { old, new }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Option<&'a Entry>, Option<&'a Entry>);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.old.first(), self.new.first()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.path.cmp(&new.path),
        };
        let old = if order.is_le() {
            pop_first(&mut self.old)
        } else {
            None
        };
        let new = if order.is_ge() {
            pop_first(&mut self.new)
        } else {
            None
        };
        Some((old, new))
    }
}

fn pop_first<'a>(entries: &mut &'a [Entry]) -> Option<&'a Entry> {
    let (first, rest) = entries.split_first()?;
    *entries = rest;
    Some(first)
}

type Contents<'a> = HashMap<(u64, Digest), &'a [u8]>;

/// Where each content of the base is: the first path that has it. Empty files are not worth it.
fn contents_of(entries: &[Entry]) -> Contents<'_> {
    let mut contents = HashMap::new();
    for entry in entries {
        if let EntryKind::File { size_bytes, digest } = entry.kind
            && size_bytes > 0
        {
            contents
                .entry((size_bytes, digest))
                .or_insert(entry.path.as_slice());
        }
    }
    contents
}

const fn same_type(one: &Entry, other: &Entry) -> bool {
    matches!(
        (&one.kind, &other.kind),
        (EntryKind::Directory, EntryKind::Directory)
            | (EntryKind::File { .. }, EntryKind::File { .. })
            | (EntryKind::Link { .. }, EntryKind::Link { .. })
    )
}

fn make(entry: &Entry, contents: &Contents) -> Step {
    let (path, mode, mtime_ns) = (entry.path.clone(), entry.mode, entry.mtime_ns);
    match &entry.kind {
        EntryKind::Directory => Step::MakeDirectory {
            path,
            mode,
            mtime_ns,
        },
        EntryKind::Link { target } => Step::MakeLink {
            path,
            mtime_ns,
            target: target.clone(),
        },
        EntryKind::File { size_bytes, digest } => match contents.get(&(*size_bytes, *digest)) {
            Some(from) => Step::CopyFile {
                path,
                from: from.to_vec(),
                mode,
                mtime_ns,
            },
            None => Step::WriteFile {
                path,
                mode,
                mtime_ns,
                size_bytes: *size_bytes,
                digest: *digest,
            },
        },
    }
}

fn change(was: &Entry, new: &Entry, contents: &Contents) -> Option<Step> {
    if was == new {
        return None;
    }
    if was.kind == new.kind && !matches!(new.kind, EntryKind::Link { .. }) {
        let path = new.path.clone();
        return Some(Step::SetAttributes {
            path,
            mode: new.mode,
            mtime_ns: new.mtime_ns,
        });
    }
    Some(make(new, contents))
}

/// The entries that stay when `deletes` (descending) are gone.
fn keep<'a>(old: &'a [Entry], deletes: &[Step]) -> Result<Vec<&'a Entry>, Fault> {
    let mut kept = Vec::with_capacity(old.len());
    let mut gone_directories: HashSet<&[u8]> = HashSet::new();
    let mut pending = deletes.iter().rev().map(Step::path).peekable();
    for entry in old {
        if pending
            .peek()
            .is_some_and(|path| *path == entry.path.as_slice())
        {
            pending.next();
            if entry.path.is_empty() {
                return Err(Fault::Value("step on the root"));
            }
            if entry.kind == EntryKind::Directory {
                gone_directories.insert(&entry.path);
            }
        } else {
            if parent_of(&entry.path).is_some_and(|parent| gone_directories.contains(parent)) {
                return Err(Fault::Misfit("a directory to delete is not empty"));
            }
            kept.push(entry);
        }
    }
    match pending.next() {
        None => Ok(kept),
        Some(_) => Err(Fault::Misfit("nothing is there to delete")),
    }
}

/// Lays the changes (ascending) over what was kept.
fn overlay(kept: &[&Entry], changes: &[Step], base: Option<&Tree>) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::with_capacity(kept.len() + changes.len());
    let mut rest = kept.iter().copied().peekable();
    for step in changes {
        while let Some(entry) = rest.next_if(|entry| entry.path.as_slice() < step.path()) {
            entries.push(entry.clone());
        }
        let there = rest.next_if(|entry| entry.path.as_slice() == step.path());
        entries.push(perform(step, there, base)?);
    }
    entries.extend(rest.cloned());
    Ok(entries)
}

/// The entry that a step leaves at its path, where `there` was.
fn perform(step: &Step, there: Option<&Entry>, base: Option<&Tree>) -> Result<Entry, Fault> {
    let in_the_way = Fault::Misfit("something else is in the way");
    let is_file = |entry: &Entry| matches!(entry.kind, EntryKind::File { .. });
    let is_link = |entry: &Entry| matches!(entry.kind, EntryKind::Link { .. });
    let (allowed, mode, mtime_ns, kind) = match step {
        Step::MakeDirectory { mode, mtime_ns, .. } => {
            (there.is_none(), *mode, *mtime_ns, EntryKind::Directory)
        }
        Step::WriteFile {
            mode,
            mtime_ns,
            size_bytes,
            digest,
            ..
        } => {
            let kind = EntryKind::File {
                size_bytes: *size_bytes,
                digest: *digest,
            };
            (there.is_none_or(is_file), *mode, *mtime_ns, kind)
        }
        Step::CopyFile {
            from,
            mode,
            mtime_ns,
            ..
        } => {
            let source = base
                .and_then(|base| base.get(from))
                .filter(|entry| is_file(entry));
            let source = source.ok_or(Fault::Misfit("nothing is there to copy"))?;
            (
                there.is_none_or(is_file),
                *mode,
                *mtime_ns,
                source.kind.clone(),
            )
        }
        Step::MakeLink {
            mtime_ns, target, ..
        } => {
            let kind = EntryKind::Link {
                target: target.clone(),
            };
            (there.is_none_or(is_link), LINK_MODE, *mtime_ns, kind)
        }
        Step::SetAttributes { mode, mtime_ns, .. } => {
            let entry = there.ok_or(Fault::Misfit("nothing is there to set"))?;
            (!is_link(entry), *mode, *mtime_ns, entry.kind.clone())
        }
        Step::Delete { .. } => return Err(Fault::Misfit("a delete makes nothing")),
    };
    if allowed {
        Ok(Entry {
            path: step.path().to_vec(),
            mode,
            mtime_ns,
            kind,
        })
    } else {
        Err(in_the_way)
    }
}
