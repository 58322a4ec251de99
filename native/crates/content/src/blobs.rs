//! Where a pack reads the content of files: in a directory by path, or by digest, while it still
//! arrives.

use crate::Outcome;
use crate::error::ContentError;
use crate::manifest::hex_of;
use crate::tree_file::read_tree;
use beneath::{BeneathError, Failure, Root};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use wire::Digest;
use wire::tree::EntryKind;

/// A whole release on this disk whose files may serve as content.
#[derive(Debug, Clone, Copy)]
pub struct HeldRelease<'a> {
    /// Its tree.
    pub directory: &'a Path,
    /// Its manifest.
    pub tree_path: &'a Path,
}

/// Content of files, to be read as a scan or a manifest described it.
pub(crate) enum Files {
    /// A directory that was scanned: content is at its path.
    Directory(Root),
    /// Content by digest: files named by 64 hexadecimal digits, else files of held releases.
    Blobs {
        root: Root,
        held: Vec<Root>,
        places: HashMap<Digest, (usize, Vec<u8>)>,
    },
}

impl Files {
    pub(crate) fn directory(path: &Path) -> Outcome<Self> {
        let root = Root::open(path).map_err(|error| ContentError::unreadable(b"", &error))?;
        Ok(Self::Directory(root.across_mounts()))
    }

    /// Blobs below `path`, and those of `wanted` that held releases have. A release that cannot be
    /// read, because it was just dropped, has nothing.
    pub(crate) fn blobs(
        path: &Path,
        releases: &[HeldRelease<'_>],
        wanted: &HashSet<Digest>,
    ) -> Outcome<Self> {
        let root = Root::open(path)?;
        let mut held = Vec::new();
        let mut places = HashMap::new();
        for release in releases {
            let (Ok(directory), Ok(tree)) =
                (Root::open(release.directory), read_tree(release.tree_path))
            else {
                continue;
            };
            for entry in tree.into_entries() {
                if let EntryKind::File { digest, .. } = entry.kind
                    && wanted.contains(&digest)
                {
                    places.entry(digest).or_insert((held.len(), entry.path));
                }
            }
            held.push(directory);
        }
        Ok(Self::Blobs { root, held, places })
    }

    /// Whether content must be read to know that it is what it should be, though it is empty.
    pub(crate) const fn may_differ(&self) -> bool {
        matches!(self, Self::Directory(_))
    }

    /// Whether content is here: a directory is taken as it is, blobs may still arrive.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        match self {
            Self::Directory(_) => true,
            Self::Blobs { root, places, .. } => {
                places.contains_key(digest) || root.stat(hex_of(digest).as_bytes()).is_ok()
            }
        }
    }

    pub(crate) fn open(&self, path: &[u8], digest: &Digest) -> Result<File, BeneathError> {
        match self {
            Self::Directory(root) => root.open_file(path),
            Self::Blobs { root, held, places } => {
                let found = root.open_file(hex_of(digest).as_bytes());
                match (found, places.get(digest)) {
                    (Err(error), Some((index, path))) if error.failure == Failure::Missing => held
                        .get(*index)
                        .map_or(Err(error), |held| held.open_file(path)),
                    (found, _) => found,
                }
            }
        }
    }
}
