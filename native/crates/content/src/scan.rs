//! From a directory to its tree: every entry listed, every file hashed, by a few threads.
//!
//! Threads take folders and batches of files from one queue; the caller's thread only waits and
//! reports. What changes while it is looked at is looked at again, then refused by name.

use crate::Outcome;
use crate::digest::{Hashed, digest_of};
use crate::error::{ContentError, shown};
use crate::limits::{
    READ_BUFFER_BYTES, READ_TRIES_MAX, SCAN_BATCH_FILES, SCAN_PROGRESS_PERIOD, SCAN_THREADS,
};
use crate::tree_file::{Comparison, TreeSummary, compare, read_tree, summary, write_tree};
use beneath::{Failure, Kind, Root, Stat, check_path, join_path};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use wire::Digest;
use wire::limits::{LINK_MODE, MODE_MASK};
use wire::tree::{Entry, EntryKind, Tree};

/// What to scan.
#[derive(Debug, Clone, Copy)]
pub struct ScanOptions<'a> {
    /// The directory whose content is wanted.
    pub directory: &'a Path,
    /// Manifest of the release to compare with, if there is one.
    pub shadow_tree_path: Option<&'a Path>,
    /// Where the manifest of what was found is written.
    pub out_tree_path: &'a Path,
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanProgress {
    /// Files hashed.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// The tree in figures.
    pub summary: TreeSummary,
    /// How it differs from the shadow.
    pub comparison: Comparison,
}

/// Scans a directory, compares it with the shadow and writes its manifest durably. Blocks.
///
/// `progress` is called from this thread about every 50 ms; `false` stops the scan.
///
/// Errors: `ENGINE_ERR_SOURCE_UNREADABLE`, `ENGINE_ERR_SPECIAL_FILE` and
/// `ENGINE_ERR_FILE_CHANGING`, each with the path; `ENGINE_ERR_CANCELLED`;
/// `ENGINE_ERR_TREE_CORRUPT` of the shadow's manifest; what writing the manifest meets.
pub fn scan(
    options: &ScanOptions<'_>,
    progress: &mut dyn FnMut(ScanProgress) -> bool,
) -> Outcome<Scanned> {
    let shadow = options.shadow_tree_path.map(read_tree).transpose()?;
    let tree = scan_tree(options.directory, progress)?;
    write_tree(options.out_tree_path, &tree)?;
    Ok(Scanned {
        summary: summary(&tree),
        comparison: compare(&tree, shadow.as_ref()),
    })
}

/// Scans a directory into a tree, without reading or writing a manifest; see [`scan`].
pub fn scan_tree(
    directory: &Path,
    progress: &mut dyn FnMut(ScanProgress) -> bool,
) -> Outcome<Tree> {
    let root = Root::open(directory).map_err(|error| ContentError::unreadable(b"", &error))?;
    let root = root.across_mounts();
    let work = Work::new();
    let entries = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..SCAN_THREADS)
            .map(|_| scope.spawn(|| work.run(&root)))
            .collect();
        work.wait(progress);
        let mut entries = Vec::new();
        for thread in threads {
            entries.append(&mut thread.join().unwrap_or_default());
        }
        entries
    });
    work.outcome()?;
    Ok(Tree::new(entries)?)
}

enum Item {
    Directory(Vec<u8>),
    Files {
        parent: Vec<u8>,
        names: Vec<Vec<u8>>,
    },
}

#[derive(Default)]
struct Queue {
    items: Vec<Item>,
    /// Threads that work on an item and may add more.
    busy: usize,
    failure: Option<ContentError>,
}

struct Work {
    queue: Mutex<Queue>,
    changed: Condvar,
    stopped: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Work {
    fn new() -> Self {
        let items = vec![Item::Directory(Vec::new())];
        Self {
            queue: Mutex::new(Queue {
                items,
                ..Queue::default()
            }),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: ContentError) {
        self.lock().failure.get_or_insert(error);
        self.stopped.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    fn outcome(&self) -> Outcome<()> {
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    /// The caller's thread: reports until nothing is left to do.
    fn wait(&self, progress: &mut dyn FnMut(ScanProgress) -> bool) {
        let mut queue = self.lock();
        while !self.finished(&queue) {
            let waited = self.changed.wait_timeout(queue, SCAN_PROGRESS_PERIOD);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            if timeout.timed_out() {
                drop(queue);
                if !progress(self.so_far()) {
                    self.fail(ContentError::Cancelled);
                }
                queue = self.lock();
            }
        }
        let stopped = queue.failure.is_some();
        drop(queue);
        if !stopped && !progress(self.so_far()) {
            self.fail(ContentError::Cancelled);
        }
    }

    fn so_far(&self) -> ScanProgress {
        ScanProgress {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    fn finished(&self, queue: &Queue) -> bool {
        self.stopped.load(Ordering::Acquire) || (queue.items.is_empty() && queue.busy == 0)
    }

    fn run(&self, root: &Root) -> Vec<Entry> {
        let mut worker = Worker {
            work: self,
            root,
            entries: Vec::new(),
            buffer: vec![0; READ_BUFFER_BYTES],
        };
        while let Some(item) = self.take() {
            let turn = Turn(self);
            let done = match item {
                Item::Directory(path) => worker.directory(path),
                Item::Files { parent, names } => worker.files(&parent, &names),
            };
            if let Err(error) = done {
                self.fail(error);
            }
            drop(turn);
        }
        worker.entries
    }

    fn take(&self) -> Option<Item> {
        let mut queue = self.lock();
        loop {
            if self.finished(&queue) {
                return None;
            }
            if let Some(item) = queue.items.pop() {
                queue.busy += 1;
                return Some(item);
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give(&self, items: Vec<Item>) {
        if !items.is_empty() {
            self.lock().items.extend(items);
            self.changed.notify_all();
        }
    }
}

/// A thread's work on one item. However it ends, the others do not wait for it for ever.
struct Turn<'a>(&'a Work);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
        if std::thread::panicking() {
            self.0.fail(ContentError::Internal {
                why: "a scanning thread ended",
            });
        }
        self.0.changed.notify_all();
    }
}

struct Worker<'a> {
    work: &'a Work,
    root: &'a Root,
    entries: Vec<Entry>,
    buffer: Vec<u8>,
}

impl Worker<'_> {
    fn directory(&mut self, path: Vec<u8>) -> Outcome<()> {
        let (stat, found) = list(self.root, &path)?;
        let mut items = Vec::new();
        let mut names = Vec::new();
        for entry in found {
            match entry.kind {
                Found::File => names.push(entry.name),
                Found::Directory => items.push(Item::Directory(join_path(&path, &entry.name))),
                Found::Link(link) => self.entries.push(link),
            }
        }
        let mut batches = names.chunks(SCAN_BATCH_FILES);
        let first = batches.next();
        items.extend(batches.map(|names| Item::Files {
            parent: path.clone(),
            names: names.to_vec(),
        }));
        self.work.give(items);
        if let Some(names) = first {
            self.files(&path, names)?;
        }
        self.entries.push(Entry {
            path,
            mode: stat.mode & MODE_MASK,
            mtime_ns: stat.mtime_ns,
            kind: EntryKind::Directory,
        });
        Ok(())
    }

    fn files(&mut self, parent: &[u8], names: &[Vec<u8>]) -> Outcome<()> {
        let directory = self
            .root
            .sub(parent)
            .map_err(|e| ContentError::unreadable(parent, &e))?;
        for name in names {
            if self.work.stopped.load(Ordering::Acquire) {
                return Ok(());
            }
            let path = join_path(parent, name);
            let (stat, digest) = hash_file(&directory, name, &path, &mut self.buffer, self.work)?;
            self.work.files.fetch_add(1, Ordering::Relaxed);
            self.entries.push(Entry {
                path,
                mode: stat.mode & MODE_MASK,
                mtime_ns: stat.mtime_ns,
                kind: EntryKind::File {
                    size_bytes: stat.size_bytes,
                    digest,
                },
            });
        }
        Ok(())
    }
}

struct Name {
    name: Vec<u8>,
    kind: Found,
}

enum Found {
    File,
    Directory,
    Link(Entry),
}

/// Lists a directory, links read; again when it changes meanwhile.
fn list(root: &Root, path: &[u8]) -> Outcome<(Stat, Vec<Name>)> {
    for _ in 0..READ_TRIES_MAX {
        match list_once(root, path) {
            Ok(Some(listed)) => return Ok(listed),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ContentError::FileChanging { path: shown(path) })
}

fn list_once(root: &Root, path: &[u8]) -> Outcome<Option<(Stat, Vec<Name>)>> {
    let unreadable = |error| ContentError::unreadable(path, &error);
    let directory = root.sub(path).map_err(unreadable)?;
    let before = directory.stat(b"").map_err(unreadable)?;
    let mut names = Vec::new();
    for entry in directory.read_dir(b"").map_err(unreadable)? {
        let full = join_path(path, &entry.name);
        check_path(&full).map_err(|error| ContentError::unreadable(&full, &error))?;
        let kind = match entry.kind {
            Kind::Unknown => directory.stat(&entry.name).map(|stat| stat.kind),
            known => Ok(known),
        };
        let found = match kind {
            Ok(kind) => found(&directory, &entry.name, &full, kind),
            Err(error) if error.failure == Failure::Missing => return Ok(None),
            Err(error) => Err(ContentError::unreadable(&full, &error)),
        };
        match found? {
            Some(kind) => names.push(Name {
                name: entry.name,
                kind,
            }),
            None => return Ok(None),
        }
    }
    let after = directory.stat(b"").map_err(unreadable)?;
    let same = (before.mtime_ns, before.ctime_ns) == (after.mtime_ns, after.ctime_ns);
    Ok(same.then_some((after, names)))
}

/// Classifies a name; `None` when it has gone since it was listed.
fn found(directory: &Root, name: &[u8], full: &[u8], kind: Kind) -> Outcome<Option<Found>> {
    match kind {
        Kind::File => Ok(Some(Found::File)),
        Kind::Directory => Ok(Some(Found::Directory)),
        Kind::Link => {
            let read = directory
                .stat(name)
                .and_then(|stat| Ok((stat, directory.read_link(name)?)));
            match read {
                Ok((stat, target)) => Ok(Some(Found::Link(Entry {
                    path: full.to_vec(),
                    mode: LINK_MODE,
                    mtime_ns: stat.mtime_ns,
                    kind: EntryKind::Link { target },
                }))),
                Err(error) if error.failure == Failure::Missing => Ok(None),
                Err(error) => Err(ContentError::unreadable(full, &error)),
            }
        }
        special => Err(ContentError::SpecialFile {
            path: shown(full),
            kind: special_name(special),
        }),
    }
}

const fn special_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Fifo => "named pipe",
        Kind::Socket => "socket",
        Kind::Device => "device",
        _ => "special file",
    }
}

/// Hashes a file by one descriptor; again when size or times change meanwhile. `Cancelled` as soon
/// as the work is stopped.
fn hash_file(
    directory: &Root,
    name: &[u8],
    full: &[u8],
    buffer: &mut [u8],
    work: &Work,
) -> Outcome<(Stat, Digest)> {
    for _ in 0..READ_TRIES_MAX {
        let file = match directory.open_file(name) {
            Ok(file) => file,
            Err(error) if error.failure == Failure::Missing => continue,
            Err(error) => return Err(ContentError::unreadable(full, &error)),
        };
        if let Some(hashed) = hash_once(&file, full, buffer, work)? {
            return Ok(hashed);
        }
    }
    Err(ContentError::FileChanging { path: shown(full) })
}

fn hash_once(
    file: &File,
    full: &[u8],
    buffer: &mut [u8],
    work: &Work,
) -> Outcome<Option<(Stat, Digest)>> {
    let unreadable = |error: std::io::Error| ContentError::SourceUnreadable {
        path: shown(full),
        why: error.to_string(),
    };
    let before = stat_of(file).map_err(unreadable)?;
    if before.kind != Kind::File {
        let kind = special_name(before.kind);
        return Err(ContentError::SpecialFile {
            path: shown(full),
            kind,
        });
    }
    let read = AtomicU64::new(0);
    let more = |bytes| {
        read.fetch_add(bytes, Ordering::Relaxed);
        work.bytes.fetch_add(bytes, Ordering::Relaxed);
        !work.stopped.load(Ordering::Acquire)
    };
    let digest = match digest_of(file, before.size_bytes, buffer, &more).map_err(unreadable)? {
        Hashed::Stopped => return Err(ContentError::Cancelled),
        Hashed::Whole(digest) => Some(digest),
        Hashed::OtherLength => None,
    };
    let after = stat_of(file).map_err(unreadable)?;
    let same = (before.size_bytes, before.mtime_ns, before.ctime_ns)
        == (after.size_bytes, after.mtime_ns, after.ctime_ns);
    let hashed = digest.filter(|_| same).map(|digest| (after, digest));
    if hashed.is_none() {
        let bytes = read.load(Ordering::Relaxed);
        work.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
    Ok(hashed)
}

/// Attributes of an open file.
pub(crate) fn stat_of(file: &File) -> std::io::Result<Stat> {
    Ok(Stat::from(&rustix::fs::fstat(file)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_scan_ends_within_a_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), [7; 100]).unwrap();
        let root = Root::open(directory.path()).unwrap();
        let mut buffer = [0; 16];
        let mut hash = |stopped| {
            let work = Work::new();
            work.stopped.store(stopped, Ordering::Release);
            hash_file(&root, b"a", b"a", &mut buffer, &work).map(|(_, digest)| digest)
        };
        assert_eq!(hash(false), Ok(wire::digest_of(&[7; 100])));
        assert_eq!(hash(true), Err(ContentError::Cancelled));
    }
}
