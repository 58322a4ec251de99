//! Content: from a directory to an assignment, and from an assignment to a release on disk.
//!
//! In: directories, trees, a signing key; or a stream that may still be growing.
//! Out: scanned trees, assignment streams with vouches, durable releases, the `live` link,
//! what differs of a release from its manifest.
//! Never: a write through an inode that another release shares, a path that leaves its root, a
//! release that is visible before it is whole, a deletion of what is not recognised.
//!
//! The calls block; they are made on threads of their own and cancelled by callback or [`Cancel`].
#![forbid(unsafe_code)]

mod apply;
mod base;
mod blobs;
mod collect;
mod digest;
mod disk_walk;
mod edit;
mod error;
mod limits;
mod look;
mod manifest;
mod pace;
mod pack;
mod probe;
mod releases;
mod scan;
mod section;
mod source;
mod stage;
mod stream_reader;
mod stream_writer;
mod tree_file;
mod tree_reader;
mod verify;
mod wanted;

pub use apply::{Applied, ApplyBase, ApplyOptions, apply};
pub use blobs::HeldRelease;
pub use edit::{check_edits, edit_tree};
pub use error::ContentError;
pub use look::{Seen, SeenPage, list, look, name_of_kind, open_seen, published};
pub use manifest::{read_manifest, write_manifest};
pub use pack::{Command, PackBase, PackBatch, PackOptions, Packed, pack, pack_blobs};
pub use probe::{StorageProbe, probe_storage};
pub use releases::{
    list_releases, live_link, prune_releases, read_live, release_directory, remove_tree,
    switch_live, tree_path,
};
pub use scan::{ScanOptions, ScanProgress, Scanned, scan, scan_tree};
pub use source::{Cancel, SourceEnd, StreamSource, WholeFile};
pub use stream_writer::remove_stream;
pub use tree_file::{Comparison, TreeSummary, compare, read_tree, summary, write_tree};
pub use verify::{Difference, Finding, Verified, VerifyOptions, VerifyProgress, verify};
pub use wanted::{Wanted, compare_trees, digest_file, sync_file_system, write_wanted};

/// The outcome of every call of this crate.
pub type Outcome<T> = Result<T, ContentError>;
