//! A directory tree on disk, name by name in the order of a manifest: ascending by the bytes of the
//! whole path.
//!
//! A child's path is longer than its directory's and begins with it, so it comes later; what is
//! known of the walk is therefore one listing for each directory that has begun and not ended,
//! packed into one buffer.

use beneath::{BeneathError, Root, join_path};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The names of one directory, ascending, and the next of them.
struct Listing {
    directory: Vec<u8>,
    names: Vec<u8>,
    /// Where each name ends in `names`.
    ends: Vec<usize>,
    next: usize,
    /// The whole path of the next name.
    path: Vec<u8>,
}

impl Listing {
    fn new(directory: Vec<u8>, mut found: Vec<Vec<u8>>) -> Self {
        found.sort_unstable();
        let mut names = Vec::with_capacity(found.iter().map(Vec::len).sum());
        let mut ends = Vec::with_capacity(found.len());
        for name in found {
            names.extend_from_slice(&name);
            ends.push(names.len());
        }
        Self {
            directory,
            names,
            ends,
            next: 0,
            path: Vec::new(),
        }
    }

    /// Takes up its next name; false when there is none.
    fn advance(&mut self) -> bool {
        let Some(&end) = self.ends.get(self.next) else {
            return false;
        };
        let start = match self.next {
            0 => 0,
            next => self.ends[next - 1],
        };
        self.path = join_path(&self.directory, &self.names[start..end]);
        self.next += 1;
        true
    }
}

impl PartialEq for Listing {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}
impl Eq for Listing {}
impl PartialOrd for Listing {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Listing {
    fn cmp(&self, other: &Self) -> Ordering {
        self.path.cmp(&other.path)
    }
}

/// The names below a root. It begins with the root itself; a directory's names follow once it is
/// entered.
pub(crate) struct DiskWalk<'a> {
    root: &'a Root,
    begins: bool,
    open: BinaryHeap<Reverse<Listing>>,
}

impl<'a> DiskWalk<'a> {
    pub(crate) fn new(root: &'a Root) -> Self {
        Self {
            root,
            begins: true,
            open: BinaryHeap::new(),
        }
    }

    /// The path it stands at; `None` at the end.
    pub(crate) fn path(&self) -> Option<&[u8]> {
        if self.begins {
            return Some(b"");
        }
        self.open
            .peek()
            .map(|Reverse(listing)| listing.path.as_slice())
    }

    /// Goes on to the next path.
    pub(crate) fn step(&mut self) {
        if self.begins {
            self.begins = false;
            return;
        }
        if let Some(Reverse(mut listing)) = self.open.pop()
            && listing.advance()
        {
            self.open.push(Reverse(listing));
        }
    }

    /// Has the names of a directory come too.
    pub(crate) fn enter(&mut self, directory: &[u8]) -> Result<(), BeneathError> {
        let entries = self.root.read_dir(directory)?;
        let found = entries.into_iter().map(|entry| entry.name).collect();
        let mut listing = Listing::new(directory.to_vec(), found);
        if listing.advance() {
            self.open.push(Reverse(listing));
        }
        Ok(())
    }
}
