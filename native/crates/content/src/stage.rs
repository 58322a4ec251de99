//! Building a release's tree in its staging directory: what is unchanged is shared with the base,
//! what is new is written; modes and times of directories come last.

use crate::Outcome;
use crate::base::Base;
use crate::error::{ContentError, shown};
use crate::limits::{PREALLOCATE_FROM_BYTES, READ_BUFFER_BYTES};
use crate::source::Cancel;
use beneath::{BeneathError, Failure, Kind, Root, Stat, set_file_mtime, split_path};
use rustix::fs::{FallocateFlags, Mode, fallocate, ioctl_ficlone};
use rustix::io::Errno;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use wire::Digest;
use wire::tree::{Entry, EntryKind, Tree};

/// The access control list that a directory gives to what is made in it (acl(5)).
const DEFAULT_LIST: &str = "system.posix_acl_default";
/// Mode of a directory while it is being filled.
const STAGING_MODE: u32 = 0o700;
/// Mode of a file while it is being written.
const WRITING_MODE: u32 = 0o600;

/// How unchanged files are shared; found out by trying, best first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Clone,
    Link,
    Copy,
}

/// A staging directory being filled.
pub(crate) struct Stage<'a> {
    root: &'a Root,
    base: Option<&'a Base>,
    cancel: &'a Cancel,
    sharing: Sharing,
    /// The directory that was worked in last, here and in the base: most entries lie in the same.
    here: Cursor,
    there: Cursor,
    buffer: Vec<u8>,
    pub(crate) files_written: u64,
    pub(crate) files_shared: u64,
    pub(crate) bytes_written: u64,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(root: &'a Root, base: Option<&'a Base>, cancel: &'a Cancel) -> Self {
        Self {
            root,
            base,
            cancel,
            sharing: Sharing::Clone,
            here: Cursor::default(),
            there: Cursor::default(),
            buffer: Vec::new(),
            files_written: 0,
            files_shared: 0,
            bytes_written: 0,
        }
    }

    /// Makes a directory to be filled; its mode and time come at the end.
    pub(crate) fn directory(&mut self, path: &[u8]) -> Outcome<()> {
        self.cancel.check()?;
        if path.is_empty() {
            return Ok(());
        }
        let (directory, name) = self.here.enter(self.root, path)?;
        Ok(directory.create_dir(name, STAGING_MODE)?)
    }

    /// Makes a symbolic link.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8], mtime_ns: i64) -> Outcome<()> {
        self.cancel.check()?;
        let (directory, name) = self.here.enter(self.root, path)?;
        directory.symlink(name, target)?;
        Ok(directory.set_mtime(name, mtime_ns)?)
    }

    /// Gives an entry the content that `from` has in the base: without copying where the file
    /// system allows, as a link to the same inode only when mode and time are the same too.
    pub(crate) fn share(&mut self, entry: &Entry, from: &[u8]) -> Outcome<()> {
        self.cancel.check()?;
        let base = self.base.ok_or(ContentError::Internal {
            why: "a step needs a base",
        })?;
        let (old, size_bytes, digest) = base.file(from)?;
        let failed = |error| base.failed(from, error);
        let (there, old_name) = self.there.enter(&base.root, from).map_err(failed)?;
        check_untouched(
            base,
            old,
            size_bytes,
            &there.stat(old_name).map_err(failed)?,
        )?;
        let (here, name) = self.here.enter(self.root, &entry.path)?;
        if self.sharing == Sharing::Clone {
            let source = there.open_file(old_name).map_err(failed)?;
            if clone_file(&source, here, name, entry)? {
                self.files_shared += 1;
                return Ok(());
            }
            self.sharing = Sharing::Link;
        }
        let same = (old.mode, old.mtime_ns) == (entry.mode, entry.mtime_ns);
        if self.sharing == Sharing::Link && same {
            match here.link_from(name, there, old_name) {
                Ok(()) => {
                    self.files_shared += 1;
                    return Ok(());
                }
                Err(error) if error.failure != Failure::CannotLink => return Err(error.into()),
                // A file with all the links it may have says nothing about the others.
                Err(error) if error.errno == Errno::MLINK.raw_os_error() => {}
                Err(_) => self.sharing = Sharing::Copy,
            }
        }
        let source = there.open_file(old_name).map_err(failed)?;
        let file = here.create_file(name, WRITING_MODE)?;
        self.buffer.resize(READ_BUFFER_BYTES, 0);
        let copied = copy(&source, &file, &mut self.buffer, &entry.path, self.cancel)?;
        if copied != *digest {
            return Err(base.broken(from, "does not have its digest any more"));
        }
        finish_file(&file, entry)?;
        self.files_written += 1;
        self.bytes_written += size_bytes;
        Ok(())
    }

    /// Begins a file whose content comes in pieces.
    pub(crate) fn create(&mut self, entry: &Entry) -> Outcome<FileWriter> {
        self.cancel.check()?;
        let size_bytes = size_of(entry);
        let (directory, name) = self.here.enter(self.root, &entry.path)?;
        let file = directory.create_file(name, WRITING_MODE)?;
        if size_bytes >= PREALLOCATE_FROM_BYTES {
            // Not every file system can allocate; then the writes will tell.
            let allocated = fallocate(&file, FallocateFlags::empty(), 0, size_bytes);
            if let Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) = allocated {
                let have_bytes = self.root.space()?.free_bytes;
                let path = shown(&entry.path);
                return Err(ContentError::NoSpace {
                    path,
                    need_bytes: size_bytes,
                    have_bytes,
                });
            }
        }
        Ok(FileWriter {
            file,
            hasher: blake3::Hasher::new(),
        })
    }

    /// Makes a file of one in another directory that has the entry's content: a second name for it,
    /// or a copy where it can have none.
    pub(crate) fn adopt(&mut self, entry: &Entry, directory: &Path, name: &[u8]) -> Outcome<()> {
        self.cancel.check()?;
        let there = Root::open(directory)?;
        let (here, own_name) = self.here.enter(self.root, &entry.path)?;
        let file = if is_linked(here, own_name, &there, name)? {
            here.open_file(own_name)?
        } else {
            let file = here.create_file(own_name, WRITING_MODE)?;
            let source = there.open_file(name)?;
            self.buffer.resize(READ_BUFFER_BYTES, 0);
            let digest = copy(&source, &file, &mut self.buffer, &entry.path, self.cancel)?;
            check_digest(entry, &digest)?;
            file
        };
        finish_file(&file, entry)?;
        self.files_written += 1;
        self.bytes_written += size_of(entry);
        Ok(())
    }

    /// Ends a file: its digest, then mode and time.
    pub(crate) fn complete(&mut self, writer: &FileWriter, entry: &Entry) -> Outcome<()> {
        check_digest(entry, writer.hasher.finalize().as_bytes())?;
        finish_file(&writer.file, entry)?;
        self.files_written += 1;
        self.bytes_written += size_of(entry);
        Ok(())
    }
}

/// Gives a file a second name in a directory; false where it can have none, or ought not to.
fn is_linked(here: &Root, own_name: &[u8], there: &Root, name: &[u8]) -> Outcome<bool> {
    if hands_down(here) {
        return Ok(false);
    }
    match here.link_from(own_name, there, name) {
        Err(error) if error.failure != Failure::CannotLink => Err(error.into()),
        linked => Ok(linked.is_ok()),
    }
}

/// Whether a directory gives files that are made in it what others have not: its group, or entries
/// of an access control list. A file that only gets a name there would be without.
fn hands_down(directory: &Root) -> bool {
    let mode = rustix::fs::fstat(directory.as_fd()).map_or(0, |found| found.st_mode);
    let own_group = Mode::from_raw_mode(mode).contains(Mode::SGID);
    let list = rustix::fs::fgetxattr(directory.as_fd(), DEFAULT_LIST, &mut [0_u8; 0]);
    own_group || list.is_ok_and(|bytes| bytes > 0)
}

/// Whether what was hashed is the content that an entry has.
pub(crate) fn check_digest(entry: &Entry, found: &Digest) -> Outcome<()> {
    match &entry.kind {
        EntryKind::File { digest, .. } if found == digest => Ok(()),
        _ => Err(ContentError::DigestMismatch {
            path: shown(&entry.path),
        }),
    }
}

const fn size_of(entry: &Entry) -> u64 {
    match entry.kind {
        EntryKind::File { size_bytes, .. } => size_bytes,
        _ => 0,
    }
}

/// A file being written and hashed.
pub(crate) struct FileWriter {
    file: File,
    hasher: blake3::Hasher,
}

impl FileWriter {
    pub(crate) fn write(&mut self, path: &[u8], bytes: &[u8]) -> Outcome<()> {
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|error| ContentError::file(path, &error))
    }
}

/// A directory kept open between entries that lie in it.
#[derive(Default)]
pub(crate) struct Cursor {
    open: Option<(Vec<u8>, Root)>,
}

impl Cursor {
    /// The parent of `path` as a root, and the name in it.
    pub(crate) fn enter<'a, 'b>(
        &'a mut self,
        root: &Root,
        path: &'b [u8],
    ) -> Result<(&'a Root, &'b [u8]), BeneathError> {
        let (parent, name) = split_path(path);
        let open = match self.open.take() {
            Some(open) if open.0 == parent => open,
            _ => (parent.to_vec(), root.sub(parent)?),
        };
        Ok((&self.open.insert(open).1, name))
    }
}

/// A file of the base that somebody edited or touched is not shared any further.
fn check_untouched(base: &Base, old: &Entry, size_bytes: u64, stat: &Stat) -> Outcome<()> {
    let same = stat.kind == Kind::File
        && stat.size_bytes == size_bytes
        && stat.mtime_ns == old.mtime_ns
        && stat.mode == old.mode;
    if same {
        Ok(())
    } else {
        Err(base.broken(&old.path, "was changed by somebody"))
    }
}

/// Makes a file that shares the blocks of another; `false`, and no file, where that cannot be.
fn clone_file(source: &File, here: &Root, name: &[u8], entry: &Entry) -> Outcome<bool> {
    let file = here.create_file(name, WRITING_MODE)?;
    if ioctl_ficlone(&file, source).is_err() {
        here.unlink(name)?;
        return Ok(false);
    }
    finish_file(&file, entry)?;
    Ok(true)
}

fn finish_file(file: &File, entry: &Entry) -> Outcome<()> {
    let failed = |error: std::io::Error| ContentError::file(&entry.path, &error);
    rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(|e| failed(e.into()))?;
    set_file_mtime(file, entry.mtime_ns).map_err(failed)
}

fn copy(
    source: &File,
    target: &File,
    buffer: &mut [u8],
    path: &[u8],
    cancel: &Cancel,
) -> Outcome<Digest> {
    let failed = |error| ContentError::file(path, &error);
    let (mut source, mut target) = (source, target);
    let mut hasher = blake3::Hasher::new();
    loop {
        cancel.check()?;
        let read = match source.read(buffer) {
            Ok(0) => return Ok(*hasher.finalize().as_bytes()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        hasher.update(&buffer[..read]);
        target.write_all(&buffer[..read]).map_err(failed)?;
    }
}

/// Sets modes and times of all directories, deepest first, and checks on the way that the file
/// system holds exactly the entries of `tree`: their names, types, sizes, modes, times and targets.
pub(crate) fn finish_directories(root: &Root, tree: &Tree, cancel: &Cancel) -> Outcome<()> {
    let mut counts = std::collections::HashMap::<&[u8], usize>::new();
    for entry in tree.entries().iter().skip(1) {
        *counts.entry(split_path(&entry.path).0).or_default() += 1;
    }
    for entry in tree.entries().iter().rev() {
        if entry.kind != EntryKind::Directory {
            continue;
        }
        cancel.check()?;
        let directory = root.sub(&entry.path)?;
        let expected = counts.get(entry.path.as_slice()).copied().unwrap_or(0);
        check_children(&directory, &entry.path, tree, expected)?;
        directory.set_mode(b"", entry.mode)?;
        directory.set_mtime(b"", entry.mtime_ns)?;
        check_entry(entry, &directory.stat(b"")?)?;
    }
    Ok(())
}

fn check_children(directory: &Root, path: &[u8], tree: &Tree, expected: usize) -> Outcome<()> {
    let names = directory.read_dir(b"")?;
    if names.len() != expected {
        let why = format!(
            "'{}' holds {} entries, not {expected}",
            shown(path),
            names.len()
        );
        return Err(ContentError::TreeMismatch { why });
    }
    for found in names {
        let full = beneath::join_path(path, &found.name);
        let Some(entry) = tree.get(&full) else {
            let why = format!("'{}' does not belong there", shown(&full));
            return Err(ContentError::TreeMismatch { why });
        };
        // A directory was checked when it was finished, just before.
        if entry.kind == EntryKind::Directory && found.kind == Kind::Directory {
            continue;
        }
        check_entry(entry, &directory.stat(&found.name)?)?;
        if let EntryKind::Link { target } = &entry.kind
            && directory.read_link(&found.name)? != *target
        {
            let why = format!("the link '{}' leads elsewhere", shown(&full));
            return Err(ContentError::TreeMismatch { why });
        }
    }
    Ok(())
}

fn check_entry(entry: &Entry, stat: &Stat) -> Outcome<()> {
    let (kind, size_bytes) = match &entry.kind {
        EntryKind::Directory => (Kind::Directory, stat.size_bytes),
        EntryKind::File { size_bytes, .. } => (Kind::File, *size_bytes),
        EntryKind::Link { target } => (Kind::Link, target.len() as u64),
    };
    let rules = [
        (stat.kind == kind, "has another type"),
        (stat.size_bytes == size_bytes, "has another size"),
        (
            stat.mode == entry.mode || kind == Kind::Link,
            "has another mode",
        ),
        (
            stat.mtime_ns == entry.mtime_ns,
            "has another time; the file system may not keep it",
        ),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, what)) => {
            let why = format!("'{}' {what}", shown(&entry.path));
            Err(ContentError::TreeMismatch { why })
        }
    }
}
