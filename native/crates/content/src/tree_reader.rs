//! A manifest read from its file entry by entry, its hash checked before the first one is given
//! out.

use crate::Outcome;
use crate::error::ContentError;
use crate::limits::READ_BUFFER_BYTES;
use crate::source::Cancel;
use beneath::escaped;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use wire::Digest;
use wire::tree::{Entry, TreeWalk};

const HASH_BYTES: u64 = 32;

/// The entries of a manifest, ascending by path, with a window of it in memory.
pub(crate) struct TreeReader<'a> {
    path: &'a Path,
    file: File,
    walk: TreeWalk,
    window: Vec<u8>,
    used: usize,
    /// Where in the file the window ends, and where the entries do.
    at: u64,
    end: u64,
    tree_hash: Digest,
}

impl<'a> TreeReader<'a> {
    /// Opens a manifest and reads it once. `ENGINE_ERR_TREE_CORRUPT` when its own hash does not
    /// hold.
    pub(crate) fn open(path: &'a Path, cancel: &Cancel) -> Outcome<Self> {
        let io = |error: std::io::Error| ContentError::io(path, &error);
        let file = File::open(path).map_err(io)?;
        let end = file.metadata().map_err(io)?.len();
        let damaged = || Self::damaged(path);
        let end = end.checked_sub(HASH_BYTES).ok_or_else(damaged)?;
        let mut promised = [0; 32];
        file.read_exact_at(&mut promised, end).map_err(io)?;
        let tree_hash = hash_of(&file, end, cancel).map_err(|error| error.unwrap_or_io(io))?;
        if tree_hash != promised {
            return Err(damaged());
        }
        let mut head = [0; TreeWalk::HEAD_BYTES];
        file.read_exact_at(&mut head, 0).map_err(|_| damaged())?;
        let walk = TreeWalk::open(&head).map_err(|_| damaged())?;
        Ok(Self {
            path,
            file,
            walk,
            window: Vec::new(),
            used: 0,
            at: TreeWalk::HEAD_BYTES as u64,
            end,
            tree_hash,
        })
    }

    /// The hash of the whole tree.
    pub(crate) const fn tree_hash(&self) -> Digest {
        self.tree_hash
    }

    /// The next entry; `None` after the last.
    pub(crate) fn next(&mut self) -> Outcome<Option<Entry>> {
        if self.window.len() - self.used < TreeWalk::WINDOW_BYTES && self.at < self.end {
            self.refill()?;
        }
        let damaged = |_| Self::damaged(self.path);
        let next = self.walk.next(&self.window[self.used..]).map_err(damaged)?;
        let left = self.window.len() - self.used;
        match next {
            Some((entry, used)) => {
                self.used += used;
                Ok(Some(entry))
            }
            None if left == 0 && self.at == self.end => Ok(None),
            None => Err(Self::damaged(self.path)),
        }
    }

    fn refill(&mut self) -> Outcome<()> {
        self.window.drain(..self.used);
        self.used = 0;
        let have = self.window.len();
        let room = (READ_BUFFER_BYTES - have) as u64;
        let more = usize::try_from(room.min(self.end - self.at)).unwrap_or(0);
        self.window.resize(have + more, 0);
        self.file
            .read_exact_at(&mut self.window[have..], self.at)
            .map_err(|error| ContentError::io(self.path, &error))?;
        self.at += more as u64;
        Ok(())
    }

    fn damaged(path: &Path) -> ContentError {
        ContentError::TreeFileDamaged {
            path: escaped(path.as_os_str().as_bytes()),
        }
    }
}

/// Why hashing ended early.
enum Stop {
    Cancelled(ContentError),
    Io(std::io::Error),
}

impl Stop {
    fn unwrap_or_io(self, io: impl FnOnce(std::io::Error) -> ContentError) -> ContentError {
        match self {
            Self::Cancelled(error) => error,
            Self::Io(error) => io(error),
        }
    }
}

fn hash_of(file: &File, end: u64, cancel: &Cancel) -> Result<Digest, Stop> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut at = 0;
    while at < end {
        cancel.check().map_err(Stop::Cancelled)?;
        let length = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        file.read_exact_at(&mut buffer[..length], at)
            .map_err(Stop::Io)?;
        hasher.update(&buffer[..length]);
        at += length as u64;
    }
    Ok(*hasher.finalize().as_bytes())
}
