//! A tree read entry by entry, so that one of millions needs the memory of two.

use super::{Entry, EntryKind, HEAD_BYTES, MAGIC};
use crate::cursor::Reader;
use crate::error::{Fault, Part, WireError};
use crate::limits::ENTRY_COUNT_MAX;

/// Reads an encoded tree in pieces: the head, then one entry after the other.
///
/// It keeps the rules of [`super::Tree::decode`] that one entry and the one before it can show.
/// Whether the bytes have the hash at their end is for the caller to see: it has all of them.
#[derive(Debug)]
pub struct TreeWalk {
    left: u32,
    previous: Option<Vec<u8>>,
}

impl TreeWalk {
    /// Bytes of the head that [`TreeWalk::open`] needs.
    pub const HEAD_BYTES: usize = HEAD_BYTES;
    /// Bytes in which every entry fits: a window of so many holds the next one, or the rest.
    pub const WINDOW_BYTES: usize = 16 * 1024;

    /// Reads the head.
    ///
    /// # Errors
    /// Of [`Part::Tree`]: too short, another format, more entries than there may be, none.
    pub fn open(head: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Part::Tree, head);
        reader.magic(MAGIC)?;
        let left = reader.u32()?;
        reader.reserved(HEAD_BYTES - reader.used())?;
        match left {
            0 => Err(reader.fail(Fault::Value("root"))),
            1..=ENTRY_COUNT_MAX => Ok(Self {
                left,
                previous: None,
            }),
            _ => Err(reader.fail(Fault::Limit("entry count"))),
        }
    }

    /// Entries that were not read yet.
    pub const fn left(&self) -> u32 {
        self.left
    }

    /// Reads the entry at the front of `window`, which holds [`TreeWalk::WINDOW_BYTES`] or all that
    /// is left of the entries. Gives it and how many bytes it took; `None` after the last one.
    ///
    /// # Errors
    /// Of [`Part::Tree`]: what [`super::Tree::decode`] refuses of an entry, and of its order.
    pub fn next(&mut self, window: &[u8]) -> Result<Option<(Entry, usize)>, WireError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut reader = Reader::new(Part::Tree, window);
        let entry = Entry::decode_from(&mut reader)?;
        entry.check().map_err(|fault| reader.fail(fault))?;
        let in_order = match &self.previous {
            None => entry.path.is_empty() && entry.kind == EntryKind::Directory,
            Some(previous) => *previous < entry.path,
        };
        if !in_order {
            return Err(reader.fail(Fault::Order("entries by path")));
        }
        self.left -= 1;
        self.previous = Some(entry.path.clone());
        Ok(Some((entry, reader.used())))
    }
}
