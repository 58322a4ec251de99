//! The stream's files: chunks at their places, written by one thread, sent from by the same.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use stored::{Piece, StoredStream, overlap};

use crate::error::RelayError;
use crate::vouches::VouchBook;
use wire::Digest;

/// `statfs` type of tmpfs, where allocating ahead means clearing every page once more.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// The files of one stream.
#[derive(Debug)]
pub(crate) struct Store {
    stream: StoredStream,
    chunk_bytes: u32,
    /// The stream's own file was brought to its final length.
    is_allocated: bool,
}

impl Store {
    /// A stream that somebody else writes.
    pub(crate) fn open_source(path: &Path, chunk_bytes: u32) -> Result<Self, RelayError> {
        let stream = StoredStream::open(path);
        let stream = stream.map_err(|error| RelayError::disk("open", path, error))?;
        let mut store = Self::of(stream, chunk_bytes);
        store.find_parcels()?;
        Ok(store)
    }

    /// A stream that is received; what is there stays.
    pub(crate) fn open_receiver(path: &Path, chunk_bytes: u32) -> Result<Self, RelayError> {
        let stream = StoredStream::open_to_write(path);
        let stream = stream.map_err(|error| RelayError::disk("open", path, error))?;
        Ok(Self::of(stream, chunk_bytes))
    }

    const fn of(stream: StoredStream, chunk_bytes: u32) -> Self {
        Self {
            stream,
            chunk_bytes,
            is_allocated: false,
        }
    }

    /// Takes up what whoever writes the stream has put into parcels meanwhile.
    pub(crate) fn find_parcels(&mut self) -> Result<(), RelayError> {
        let found = self.stream.find_parcels();
        found.map_err(|error| self.failed("open", error))
    }

    /// Where the byte at an offset is sent from.
    pub(crate) fn at(&self, offset: u64) -> Piece<'_> {
        self.stream.at(offset)
    }

    /// Where a chunk begins.
    pub(crate) fn offset(&self, index: u32) -> u64 {
        u64::from(index) * u64::from(self.chunk_bytes)
    }

    /// Writes a verified chunk.
    pub(crate) fn write(&mut self, index: u32, bytes: &[u8]) -> Result<(), RelayError> {
        let written = self.stream.write_all_at(bytes, self.offset(index));
        written.map_err(|error| self.failed("write", error))
    }

    /// Keeps a stretch in a parcel of its own from now on. Gives what of it was stored before and
    /// stays where it is; nothing where there can be no parcel. From `known` on none is stored.
    pub(crate) fn keep_apart(
        &mut self,
        range: &Range<u64>,
        known: u32,
        has: impl Fn(u32) -> bool,
    ) -> Result<Vec<Range<u64>>, RelayError> {
        if self.stream.parcel(range).is_none() {
            let added = self.stream.add_parcel(range);
            if !added.map_err(|error| self.failed("make", error))? {
                return Ok(Vec::new());
            }
            self.note_strays(range, known, has);
            self.allocate_parcel(range)?;
        }
        Ok(self.stream.strays(range).to_vec())
    }

    /// A parcel has all its bytes, and strays are in it as well.
    pub(crate) fn seal(&mut self, range: &Range<u64>) -> Result<(), RelayError> {
        let strays = self.stream.seal(range);
        for stray in strays.map_err(|error| self.failed("open", error))? {
            give_back(self.stream.file(), stray);
        }
        Ok(())
    }

    fn note_strays(&mut self, range: &Range<u64>, known: u32, has: impl Fn(u32) -> bool) {
        let chunk_bytes = u64::from(self.chunk_bytes);
        let end = range.end.div_ceil(chunk_bytes).min(u64::from(known));
        let chunks = range.start / chunk_bytes..end;
        for index in chunks.filter(|index| u32::try_from(*index).is_ok_and(&has)) {
            let start = index * chunk_bytes;
            let stray = start.max(range.start)..(start + chunk_bytes).min(range.end);
            self.stream.add_stray(&stray);
        }
    }

    /// Takes the space of a parcel, so that a full disk is known now, and gives back what the
    /// stream's own file had taken for it.
    fn allocate_parcel(&mut self, range: &Range<u64>) -> Result<(), RelayError> {
        if self.is_allocated {
            let mut from = range.start;
            for stray in self.stream.strays(range) {
                give_back(self.stream.file(), from..stray.start);
                from = stray.end;
            }
            give_back(self.stream.file(), from..range.end);
        }
        let file = self.stream.parcel_to_write(range);
        let allocated = file.and_then(|file| match file {
            Some(file) => allocate(file, 0..range.end - range.start),
            None => Ok(()),
        });
        allocated.map_err(|error| self.failed("allocate", error))
    }

    /// Sorts an error of sending from the file.
    pub(crate) fn read_error(&self, error: io::Error) -> RelayError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return RelayError::FileCut {
                path: self.stream.path().to_path_buf(),
            };
        }
        self.failed("read", error)
    }

    fn failed(&self, what: &'static str, error: io::Error) -> RelayError {
        RelayError::disk(what, self.stream.path(), error)
    }

    /// Brings the file to its final length, so that a full disk is known now and not at the last
    /// chunk. File systems that cannot allocate ahead are left to do it as they go.
    pub(crate) fn fix_length(&mut self, stream_bytes: u64) -> Result<(), RelayError> {
        let file = self.stream.file();
        let length = file.metadata().map(|metadata| metadata.len());
        if length.map_err(|error| self.failed("allocate", error))? > stream_bytes {
            let cut = file.set_len(stream_bytes);
            return cut.map_err(|error| self.failed("allocate", error));
        }
        self.is_allocated = true;
        let mut from = 0;
        while from < stream_bytes {
            let piece = self.stream.at(from);
            let until = from.saturating_add(piece.bytes).min(stream_bytes);
            if piece.is_in_stream() {
                let allocated = allocate(piece.file, from..until);
                allocated.map_err(|error| self.failed("allocate", error))?;
            }
            from = until;
        }
        Ok(())
    }

    /// Hashes what is stored and returns the ranges of chunks that are what was vouched for.
    /// `go_on` is asked before each chunk.
    pub(crate) fn verified(
        &mut self,
        book: &VouchBook,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Range<u32>>, RelayError> {
        let length = self.stream.file().metadata().map(|found| found.len());
        let length = length.map_err(|error| self.failed("read", error))?;
        let mut buffer = vec![0; self.chunk_bytes as usize];
        let mut ranges: Vec<Range<u32>> = Vec::new();
        let mut lacking: Vec<Range<u64>> = Vec::new();
        for index in 0..book.known() {
            let start = self.offset(index);
            let bytes = book.chunk_length(index).unwrap_or(0) as usize;
            let range = start..start + bytes as u64;
            let is_apart = self.stream.is_apart(&range);
            if !is_apart && range.end > length {
                continue;
            }
            if !go_on() {
                return Ok(ranges);
            }
            let chunk = &mut buffer[..bytes];
            let holds = self.holds(&range, is_apart, chunk, book.digest(index));
            if !holds.map_err(|error| self.failed("read", error))? {
                if is_apart {
                    lacking.push(range);
                }
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => ranges.push(index..index + 1),
            }
        }
        // Of what comes after that nothing is known.
        lacking.push(self.offset(book.known())..u64::MAX);
        if self.drop_damaged(&lacking)? {
            return self.verified(book, go_on);
        }
        Ok(ranges)
    }

    /// Whether a chunk is there: where it belongs, or where it was before there was a parcel for
    /// it; then it is put into that.
    fn holds(
        &mut self,
        range: &Range<u64>,
        is_apart: bool,
        chunk: &mut [u8],
        digest: Option<&Digest>,
    ) -> io::Result<bool> {
        let is_right = |read: io::Result<()>, chunk: &[u8]| match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| digest == Some(&wire::digest_of(chunk))),
        };
        let read = self.stream.read_exact_at(chunk, range.start);
        if is_right(read, chunk)? {
            return Ok(true);
        }
        let read = self.stream.file().read_exact_at(chunk, range.start);
        let is_stray = is_apart && is_right(read, chunk)?;
        if !is_stray
            || self
                .shared_parcels()
                .any(|(parcel, _)| overlap(parcel, range))
        {
            return Ok(false);
        }
        self.stream.write_all_at(chunk, range.start)?;
        Ok(true)
    }

    /// Parcels that are a release's file already, and how long those are.
    fn shared_parcels(&self) -> impl Iterator<Item = (&Range<u64>, u64)> {
        let length_of = |file: &File| file.metadata().ok().filter(|found| found.nlink() > 1);
        let parcels = self.stream.parcels();
        parcels.filter_map(move |(range, file)| Some((range, length_of(file)?.len())))
    }

    /// A parcel that lacks something or has another length, and is a release's file already, was
    /// changed there: that file is nothing to write to. It is left to the release, and comes once
    /// more.
    fn drop_damaged(&mut self, lacking: &[Range<u64>]) -> Result<bool, RelayError> {
        let lacks = |parcel: &Range<u64>| {
            let next = lacking.partition_point(|chunk| chunk.end <= parcel.start);
            lacking
                .get(next)
                .is_some_and(|chunk| overlap(chunk, parcel))
        };
        let damaged: Vec<_> = self
            .shared_parcels()
            .filter(|(range, length)| lacks(range) || *length != range.end - range.start)
            .map(|(range, _)| range.clone())
            .collect();
        for range in &damaged {
            let dropped = self.stream.drop_parcel(range);
            dropped.map_err(|error| self.failed("remove", error))?;
        }
        Ok(!damaged.is_empty())
    }
}

/// Takes space on the disk ahead, where the file system can.
fn allocate(file: &File, range: Range<u64>) -> io::Result<()> {
    let on_tmpfs = rustix::fs::fstatfs(file).is_ok_and(|found| found.f_type == TMPFS_MAGIC);
    if on_tmpfs || range.is_empty() {
        return Ok(());
    }
    let bytes = range.end - range.start;
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, range.start, bytes) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Gives space back; where that cannot be it stays taken. Beyond the length of a file nothing is
/// given back (ext4).
fn give_back(file: &File, range: Range<u64>) {
    if range.is_empty() {
        return;
    }
    if file.metadata().is_ok_and(|found| found.len() < range.end) {
        let _ = file.set_len(range.end);
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let _ = rustix::fs::fallocate(file, flags, range.start, range.end - range.start);
}
