//! The digest of a file that is on disk; that of a large one by several threads.
//!
//! BLAKE3 is a tree: stretches of a power of two bytes are whole subtrees of it, which can be
//! hashed in any order and are merged in the end (BLAKE3 paper, section 2.1).

use crate::limits::{
    HASH_PIECE_BYTES, HASH_THREADS_MAX, HASH_TOGETHER_BYTES_MIN, READ_BUFFER_BYTES,
};
use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len};
use blake3::hazmat::{merge_subtrees_non_root, merge_subtrees_root};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, available_parallelism, scope};
use wire::Digest;

/// What reading a file gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hashed {
    /// The digest of all of it.
    Whole(Digest),
    /// The file does not end there.
    OtherLength,
    /// It was stopped.
    Stopped,
}

/// Hashes a file that has so many bytes. `more` is told of bytes that were read, by any of the
/// threads; `false` stops it.
pub(crate) fn digest_of(
    file: &File,
    size_bytes: u64,
    buffer: &mut [u8],
    more: &(dyn Fn(u64) -> bool + Sync),
) -> std::io::Result<Hashed> {
    let hashed = if size_bytes >= HASH_TOGETHER_BYTES_MIN {
        together(file, size_bytes, buffer, more, threads_for(size_bytes))?
    } else {
        let mut hasher = Hasher::new();
        let read = read_into(&mut hasher, file, 0..size_bytes, buffer, more)?;
        read.map_or_else(|end| end, |()| Hashed::Whole(*hasher.finalize().as_bytes()))
    };
    if matches!(hashed, Hashed::Whole(_)) && has_more(file, size_bytes)? {
        return Ok(Hashed::OtherLength);
    }
    Ok(hashed)
}

fn threads_for(size_bytes: u64) -> usize {
    let pieces = usize::try_from(size_bytes.div_ceil(HASH_PIECE_BYTES)).unwrap_or(usize::MAX);
    let processors = available_parallelism().map_or(1, usize::from);
    processors.min(HASH_THREADS_MAX).min(pieces)
}

/// Some file systems say that a file has fewer bytes than can be read.
fn has_more(file: &File, size_bytes: u64) -> std::io::Result<bool> {
    rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut [0_u8; 1], size_bytes))
        .map(|read| read > 0)
        .map_err(Into::into)
}

/// Reads a stretch of a file into a hasher; `Err` of the inner result: why it is not all in there.
fn read_into(
    hasher: &mut Hasher,
    file: &File,
    range: std::ops::Range<u64>,
    buffer: &mut [u8],
    more: &(dyn Fn(u64) -> bool + Sync),
) -> std::io::Result<Result<(), Hashed>> {
    let mut offset = range.start;
    while offset < range.end {
        let room =
            usize::try_from(range.end - offset).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = match file.read_at(&mut buffer[..room], offset) {
            Ok(0) => return Ok(Err(Hashed::OtherLength)),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        offset += read as u64;
        if !more(read as u64) {
            return Ok(Err(Hashed::Stopped));
        }
    }
    Ok(Ok(()))
}

fn together(
    file: &File,
    size_bytes: u64,
    buffer: &mut [u8],
    more: &(dyn Fn(u64) -> bool + Sync),
    threads: usize,
) -> std::io::Result<Hashed> {
    let pieces = Pieces {
        file,
        size_bytes,
        more,
        next: AtomicU64::new(0),
        found: Mutex::new(Found::default()),
    };
    scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had the others do its share.
            let _ = Builder::new().spawn_scoped(scope, || {
                pieces.run(&mut vec![0; READ_BUFFER_BYTES]);
            });
        }
        pieces.run(buffer);
    });
    pieces.outcome()
}

/// A file in pieces, of which each thread takes the next.
struct Pieces<'a> {
    file: &'a File,
    size_bytes: u64,
    more: &'a (dyn Fn(u64) -> bool + Sync),
    next: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    values: Vec<(u64, ChainingValue)>,
    end: Option<std::io::Result<Hashed>>,
}

impl Pieces<'_> {
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, buffer: &mut [u8]) {
        loop {
            let start = self.next.fetch_add(HASH_PIECE_BYTES, Ordering::Relaxed);
            if start >= self.size_bytes {
                return;
            }
            let end = self.size_bytes.min(start + HASH_PIECE_BYTES);
            let mut hasher = Hasher::new();
            hasher.set_input_offset(start);
            let read = read_into(&mut hasher, self.file, start..end, buffer, self.more);
            let ended = match read {
                Ok(Ok(())) => {
                    self.lock().values.push((start, hasher.finalize_non_root()));
                    continue;
                }
                Ok(Err(end)) => Ok(end),
                Err(error) => Err(error),
            };
            // Nobody begins another piece.
            self.next.store(self.size_bytes, Ordering::Relaxed);
            self.lock().end.get_or_insert(ended);
        }
    }

    fn outcome(self) -> std::io::Result<Hashed> {
        let found = self
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = found.end {
            return end;
        }
        let mut values = found.values;
        values.sort_unstable_by_key(|(start, _)| *start);
        let values: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
        let (left, right) = halves(&values, self.size_bytes);
        let root = merge_subtrees_root(&left, &right, Mode::Hash);
        Ok(Hashed::Whole(*root.as_bytes()))
    }
}

/// The chaining values of both sides of a stretch of more than one piece.
fn halves(values: &[ChainingValue], bytes: u64) -> (ChainingValue, ChainingValue) {
    let left_bytes = left_subtree_len(bytes);
    let (left, right) =
        values.split_at(usize::try_from(left_bytes / HASH_PIECE_BYTES).unwrap_or(0));
    (merged(left, left_bytes), merged(right, bytes - left_bytes))
}

fn merged(values: &[ChainingValue], bytes: u64) -> ChainingValue {
    if let [value] = values {
        return *value;
    }
    let (left, right) = halves(values, bytes);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const PIECE: u64 = HASH_PIECE_BYTES;

    fn with_bytes(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn content(length: u64) -> Vec<u8> {
        (0..=250)
            .cycle()
            .take(usize::try_from(length).unwrap())
            .collect()
    }

    #[test]
    fn several_threads_find_the_digest_that_one_does() {
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        for length in [
            PIECE + 1,
            2 * PIECE - 1,
            2 * PIECE,
            3 * PIECE,
            5 * PIECE + 1025,
            8 * PIECE,
            11 * PIECE + 7,
        ] {
            let bytes = content(length);
            let file = with_bytes(&bytes);
            for threads in [1, 2, 5] {
                let hashed = together(&file, length, &mut buffer, &|_| true, threads);
                let digest = wire::digest_of(&bytes);
                assert_eq!(
                    hashed.unwrap(),
                    Hashed::Whole(digest),
                    "{length} by {threads}"
                );
            }
        }
    }

    #[test]
    fn a_file_of_another_length_is_told_from_one_that_has_its_own() {
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let large = HASH_TOGETHER_BYTES_MIN;
        for length in [0, 5, READ_BUFFER_BYTES as u64 + 1, large, large + 1] {
            let bytes = content(length);
            let file = with_bytes(&bytes);
            let mut hash = |size| digest_of(&file, size, &mut buffer, &|_| true);
            let whole = Hashed::Whole(wire::digest_of(&bytes));
            assert_eq!(hash(length).unwrap(), whole);
            assert_eq!(hash(length + 1).unwrap(), Hashed::OtherLength, "{length}");
            if length > 0 {
                assert_eq!(hash(length - 1).unwrap(), Hashed::OtherLength, "{length}");
            }
        }
    }

    #[test]
    fn every_byte_is_told_and_a_refusal_ends_it() {
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        for length in [PIECE / 2, 40 * PIECE] {
            let file = with_bytes(&content(length));
            let told = AtomicU64::new(0);
            let mut hash = |most: u64| {
                told.store(0, Ordering::Relaxed);
                let more = |bytes| told.fetch_add(bytes, Ordering::Relaxed) + bytes < most;
                digest_of(&file, length, &mut buffer, &more).unwrap()
            };
            assert_ne!(hash(u64::MAX), Hashed::Stopped);
            assert_eq!(told.load(Ordering::Relaxed), length);
            assert_eq!(hash(1), Hashed::Stopped);
            assert!(told.load(Ordering::Relaxed) < length);
        }
    }
}
