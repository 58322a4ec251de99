//! The stream's file: chunks at their places, written by one thread, sent from by the same.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use crate::error::RelayError;
use crate::vouches::VouchBook;

/// `statfs` type of tmpfs, where allocating ahead means clearing every page once more.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// The file of one stream.
#[derive(Debug)]
pub(crate) struct Store {
    file: File,
    path: PathBuf,
    chunk_bytes: u32,
}

impl Store {
    /// The file of a stream that somebody else writes.
    pub(crate) fn open_source(path: &Path, chunk_bytes: u32) -> Result<Self, RelayError> {
        let file = File::open(path).map_err(|error| RelayError::disk("open", path, error))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            chunk_bytes,
        })
    }

    /// The file of a stream that is received; what is in it stays.
    pub(crate) fn open_receiver(path: &Path, chunk_bytes: u32) -> Result<Self, RelayError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options
            .open(path)
            .map_err(|error| RelayError::disk("open", path, error))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            chunk_bytes,
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where a chunk begins.
    pub(crate) fn offset(&self, index: u32) -> u64 {
        u64::from(index) * u64::from(self.chunk_bytes)
    }

    /// Writes a verified chunk.
    pub(crate) fn write(&self, index: u32, bytes: &[u8]) -> Result<(), RelayError> {
        self.file
            .write_all_at(bytes, self.offset(index))
            .map_err(|error| RelayError::disk("write", &self.path, error))
    }

    /// Sorts an error of sending from the file.
    pub(crate) fn read_error(&self, error: io::Error) -> RelayError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return RelayError::FileCut {
                path: self.path.clone(),
            };
        }
        RelayError::disk("read", &self.path, error)
    }

    /// Brings the file to its final length, so that a full disk is known now and not at the last
    /// chunk. File systems that cannot allocate ahead are left to do it as they go.
    pub(crate) fn fix_length(&self, stream_bytes: u64) -> Result<(), RelayError> {
        let disk = |error| RelayError::disk("allocate", &self.path, error);
        let length = self.file.metadata().map_err(disk)?.len();
        if length > stream_bytes {
            return self.file.set_len(stream_bytes).map_err(disk);
        }
        let on_tmpfs = rustix::fs::fstatfs(&self.file).is_ok_and(|f| f.f_type == TMPFS_MAGIC);
        if on_tmpfs || stream_bytes == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, stream_bytes) {
            Err(error @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) => {
                Err(disk(error.into()))
            }
            _ => Ok(()),
        }
    }

    /// Hashes what the file holds and returns the ranges of chunks that are what was vouched for.
    /// `go_on` is asked before each chunk.
    pub(crate) fn verified(
        &self,
        book: &VouchBook,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Vec<Range<u32>>, RelayError> {
        let disk = |error| RelayError::disk("read", &self.path, error);
        let length = self.file.metadata().map_err(disk)?.len();
        let mut buffer = vec![0; self.chunk_bytes as usize];
        let mut ranges: Vec<Range<u32>> = Vec::new();
        for index in 0..book.known() {
            let offset = self.offset(index);
            let bytes = book.chunk_length(index).unwrap_or(0) as usize;
            if offset + bytes as u64 > length || !go_on() {
                break;
            }
            let chunk = &mut buffer[..bytes];
            self.file.read_exact_at(chunk, offset).map_err(disk)?;
            if book.digest(index) != Some(&wire::digest_of(chunk)) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => ranges.push(index..index + 1),
            }
        }
        Ok(ranges)
    }
}
