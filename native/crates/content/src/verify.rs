//! Whether a release on disk still is what its manifest says: every byte, size, mode, time and link
//! target, nothing missing, nothing more.
//!
//! Manifest and disk are walked side by side in one order, so a tree of millions needs no memory of
//! its size. The reading is paced, and what it brought into the page cache leaves it again.

use crate::Outcome;
use crate::disk_walk::DiskWalk;
use crate::limits::{BLOCK_BYTES, READ_BUFFER_BYTES, WAIT_SLICE};
use crate::pace::Pace;
use crate::scan::stat_of;
use crate::source::Cancel;
use crate::stage::Cursor;
use crate::tree_reader::TreeReader;
use beneath::{BeneathError, Failure, Kind, Root, Stat, split_path};
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs::File;
use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::time::{Duration, Instant};
use wire::Digest;
use wire::tree::{Entry, EntryKind};

/// What to verify.
#[derive(Clone, Copy)]
pub struct VerifyOptions<'a> {
    /// The release's tree.
    pub directory: &'a Path,
    /// Its manifest.
    pub tree_path: &'a Path,
    /// Most that is read, in bits a second; `None`: as fast as the disk gives.
    pub rate_bps: Option<u64>,
    /// How many findings are kept; all are counted.
    pub findings_max: usize,
    /// Stops the work from another thread.
    pub cancel: &'a Cancel,
    /// Where the work says how far it is.
    pub progress: &'a VerifyProgress,
}

/// How far a verification is; shared between threads.
#[derive(Debug, Clone, Default)]
pub struct VerifyProgress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    files: AtomicU64,
    bytes: AtomicU64,
    mismatches: AtomicU64,
}

impl VerifyProgress {
    /// Files looked at.
    pub fn files(&self) -> u64 {
        self.0.files.load(Memory::Relaxed)
    }

    /// Bytes read of them.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Memory::Relaxed)
    }

    /// Differences found.
    pub fn mismatches(&self) -> u64 {
        self.0.mismatches.load(Memory::Relaxed)
    }
}

/// How an entry differs; of several ways the first of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Difference {
    /// The manifest has it, the disk has not.
    Missing,
    /// The disk has it, the manifest has not. What is below it is not counted.
    Extra,
    /// A file, directory or link is something else.
    Type,
    /// It cannot be read: no right, or the disk gives an error.
    Unreadable,
    /// A link leads elsewhere.
    Target,
    /// A file has another length.
    Size,
    /// A file has other bytes.
    Content,
    /// Other permission bits.
    Mode,
    /// Another time of change.
    Mtime,
}

impl Difference {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Type => "type",
            Self::Unreadable => "unreadable",
            Self::Target => "target",
            Self::Size => "size",
            Self::Content => "content",
            Self::Mode => "mode",
            Self::Mtime => "mtime",
        }
    }
}

/// One entry that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Relative to the release; empty: the release's own directory.
    pub path: Vec<u8>,
    /// In what it differs.
    pub difference: Difference,
}

impl Finding {
    /// Its path for a person: one line, the release's own directory as `.`.
    pub fn shown(&self) -> String {
        crate::error::shown(&self.path)
    }
}

/// What a verification came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Hash of the manifest that it was held against.
    pub tree_hash: Digest,
    /// Files looked at.
    pub files: u64,
    /// Bytes read of them.
    pub bytes: u64,
    /// Entries that differ.
    pub mismatches: u64,
    /// The first of them, ascending by path.
    pub findings: Vec<Finding>,
}

/// Holds a release against its manifest. Blocks; reads no faster than it is told to. Changes
/// nothing.
///
/// What differs is a finding, also a file that cannot be read and a release that is gone.
///
/// Errors: `ENGINE_ERR_TREE_CORRUPT` and `ENGINE_ERR_IO` of the manifest; `ENGINE_ERR_CANCELLED`;
/// `ENGINE_ERR_KERNEL`, and `ENGINE_ERR_IO` when this process has no descriptors left: they say
/// nothing about the release.
pub fn verify(options: &VerifyOptions<'_>) -> Outcome<Verified> {
    let mut tree = TreeReader::open(options.tree_path, options.cancel)?;
    let tree_hash = tree.tree_hash();
    let mut book = Book {
        options,
        findings: Vec::new(),
    };
    match Root::open(options.directory) {
        Ok(root) => Verifying::new(&root, &mut book).run(&mut tree)?,
        Err(error) => {
            let difference = judged(error, options)?;
            book.note(b"", difference);
        }
    }
    let findings = book.findings;
    let progress = options.progress;
    Ok(Verified {
        tree_hash,
        files: progress.files(),
        bytes: progress.bytes(),
        mismatches: progress.mismatches(),
        findings,
    })
}

/// What an error says of an entry; those that say nothing of it are errors of the whole.
fn judged(error: BeneathError, options: &VerifyOptions<'_>) -> Outcome<Difference> {
    options.cancel.check()?;
    match error.failure {
        Failure::Missing => Ok(Difference::Missing),
        Failure::DescriptorsUsedUp | Failure::NoOpenat2 => Err(error.into()),
        _ if error.errno == Errno::NOMEM.raw_os_error() => Err(error.into()),
        _ => Ok(Difference::Unreadable),
    }
}

/// Counts what is found and keeps the first of it.
struct Book<'a> {
    options: &'a VerifyOptions<'a>,
    findings: Vec<Finding>,
}

impl Book<'_> {
    fn note(&mut self, path: &[u8], difference: Difference) {
        let counters = &self.options.progress.0;
        counters.mismatches.fetch_add(1, Memory::Relaxed);
        if self.findings.len() < self.options.findings_max {
            self.findings.push(Finding {
                path: path.to_vec(),
                difference,
            });
        }
    }
}

struct Verifying<'a, 'b> {
    root: &'a Root,
    book: &'a mut Book<'b>,
    pace: Pace,
    /// The directory that was looked into last: most entries lie in the same.
    here: Cursor,
    buffer: Vec<u8>,
    /// Directories that could not be listed: what the manifest has below them is not known to be
    /// missing.
    unlisted: HashSet<Vec<u8>>,
}

impl<'a, 'b> Verifying<'a, 'b> {
    fn new(root: &'a Root, book: &'a mut Book<'b>) -> Self {
        Self {
            root,
            pace: Pace::new(book.options.rate_bps, Instant::now()),
            book,
            here: Cursor::default(),
            buffer: vec![0; READ_BUFFER_BYTES],
            unlisted: HashSet::new(),
        }
    }

    fn run(&mut self, tree: &mut TreeReader<'_>) -> Outcome<()> {
        let mut disk = DiskWalk::new(self.root);
        let mut next = tree.next()?;
        loop {
            self.book.options.cancel.check()?;
            let order = match (&next, disk.path()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(entry), Some(path)) => entry.path.as_slice().cmp(path),
            };
            match (order, &next) {
                (Ordering::Less, Some(entry)) => self.missing(entry),
                (Ordering::Equal, Some(entry)) => {
                    let is_directory = self.entry(entry)?;
                    disk.step();
                    if is_directory && let Err(error) = disk.enter(&entry.path) {
                        let difference = judged(error, self.book.options)?;
                        self.unlisted.insert(entry.path.clone());
                        self.book.note(&entry.path, difference);
                    }
                }
                _ => {
                    if let Some(path) = disk.path() {
                        self.book.note(path, Difference::Extra);
                    }
                    disk.step();
                    continue;
                }
            }
            next = tree.next()?;
        }
    }

    fn missing(&mut self, entry: &Entry) {
        let mut above = entry.path.as_slice();
        while !above.is_empty() && !self.unlisted.is_empty() {
            above = split_path(above).0;
            if self.unlisted.contains(above) {
                return;
            }
        }
        self.book.note(&entry.path, Difference::Missing);
    }

    /// Looks at one entry that both have; true when it is a directory to go into.
    fn entry(&mut self, entry: &Entry) -> Outcome<bool> {
        self.wait(BLOCK_BYTES)?;
        let found = match self.look(entry)? {
            Ok(found) => found,
            Err(error) => Err(judged(error, self.book.options)?),
        };
        if matches!(entry.kind, EntryKind::File { .. }) {
            let counters = &self.book.options.progress.0;
            counters.files.fetch_add(1, Memory::Relaxed);
        }
        let is_directory = found.is_ok_and(|kind| kind == Kind::Directory);
        if let Err(difference) = found {
            self.book.note(&entry.path, difference);
            // A directory with another mode or time is gone into all the same.
            let is_entered = matches!(difference, Difference::Mode | Difference::Mtime);
            return Ok(entry.kind == EntryKind::Directory && is_entered);
        }
        Ok(is_directory)
    }

    /// The entry's type when all of it is as it should be, else its first difference.
    fn look(&mut self, entry: &Entry) -> Outcome<Result<Result<Kind, Difference>, BeneathError>> {
        if entry.path.is_empty() {
            return Ok(self.root.stat(b"").map(|stat| attributes(entry, &stat)));
        }
        let (directory, name) = match self.here.enter(self.root, &entry.path) {
            Ok(entered) => entered,
            Err(error) => return Ok(Err(error)),
        };
        let stat = match directory.stat(name) {
            Ok(stat) => stat,
            Err(error) => return Ok(Err(error)),
        };
        match (&entry.kind, stat.kind) {
            (EntryKind::Link { target }, Kind::Link) => Ok(directory
                .read_link(name)
                .map(|found| (found == *target).then_some(()).ok_or(Difference::Target))
                .map(|same| same.and_then(|()| attributes(entry, &stat)))),
            (EntryKind::File { size_bytes, digest }, Kind::File) => {
                let file = match directory.open_file(name) {
                    Ok(file) => file,
                    Err(error) => return Ok(Err(error)),
                };
                let same = self.content(&file, *size_bytes, digest)?;
                Ok(Ok(same.and_then(|()| attributes(entry, &stat))))
            }
            _ => Ok(Ok(attributes(entry, &stat))),
        }
    }

    fn content(
        &mut self,
        file: &File,
        size_bytes: u64,
        digest: &Digest,
    ) -> Outcome<Result<(), Difference>> {
        match stat_of(file) {
            Ok(stat) if stat.kind != Kind::File => return Ok(Err(Difference::Type)),
            Ok(stat) if stat.size_bytes != size_bytes => return Ok(Err(Difference::Size)),
            Ok(_) => {}
            Err(_) => return Ok(Err(Difference::Unreadable)),
        }
        // Without it the kernel reads on ahead, and leaves behind what nobody has asked for.
        let _ = fadvise(file, 0, None, Advice::Random);
        let mut hasher = blake3::Hasher::new();
        let mut at = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = loop {
            match read_politely(file, &mut buffer, at) {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                    at += read as u64;
                    let counters = &self.book.options.progress.0;
                    counters.bytes.fetch_add(read as u64, Memory::Relaxed);
                    // More than there should be: it grows while it is read.
                    if at > size_bytes {
                        break Err(Difference::Size);
                    }
                    self.wait(read as u64)?;
                }
                Err(_) => break Err(Difference::Unreadable),
            }
        };
        self.buffer = buffer;
        Ok(outcome.and_then(|()| {
            if at != size_bytes {
                return Err(Difference::Size);
            }
            let same = hasher.finalize().as_bytes() == digest;
            same.then_some(()).ok_or(Difference::Content)
        }))
    }

    /// Pays for what was read.
    fn wait(&mut self, bytes: u64) -> Outcome<()> {
        let cancel = self.book.options.cancel;
        let mut left = self.pace.take(bytes, Instant::now());
        while left > Duration::ZERO {
            cancel.check()?;
            let slice = left.min(WAIT_SLICE);
            std::thread::sleep(slice);
            left -= slice;
        }
        cancel.check()
    }
}

/// Type, mode and time, once content and target are known to be right.
fn attributes(entry: &Entry, stat: &Stat) -> Result<Kind, Difference> {
    let kind = match entry.kind {
        EntryKind::Directory => Kind::Directory,
        EntryKind::File { .. } => Kind::File,
        EntryKind::Link { .. } => Kind::Link,
    };
    if stat.kind != kind {
        return Err(Difference::Type);
    }
    if kind != Kind::Link && stat.mode != entry.mode {
        return Err(Difference::Mode);
    }
    if stat.mtime_ns != entry.mtime_ns {
        return Err(Difference::Mtime);
    }
    Ok(kind)
}

/// Reads some bytes at `at`. What others have in the page cache is read from there and stays in it;
/// what had to come from the disk is dropped again, so that a web server beside finds its own files
/// where they were.
fn read_politely(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
    let mut slices = [IoSliceMut::new(buffer)];
    match preadv2(file, &mut slices, at, ReadWriteFlags::NOWAIT) {
        Ok(read) => return Ok(read),
        Err(Errno::IO) => return Err(Errno::IO.into()),
        // Not in the cache, or the file system cannot say.
        Err(_) => {}
    }
    let read = loop {
        match file.read_at(buffer, at) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if let Some(length) = NonZeroU64::new(read as u64) {
        let _ = fadvise(file, at, Some(length), Advice::DontNeed);
    }
    Ok(read)
}
