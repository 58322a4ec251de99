//! File operations that cannot leave a root directory.
//!
//! In: a [`Root`] opened once by the operator's path, and relative paths that came from elsewhere.
//! Out: files, directories, links and their attributes below that root.
//! Never: follows a symbolic link, crosses `..`, or hands a joined path string to the kernel.
//!
//! Every call resolves its path by `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
//! RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)` down to the parent, then works on one name in it, so a
//! directory swapped for a link in mid-work is an error, not a way out. Paths are bytes.
#![forbid(unsafe_code)]

mod clear;
mod error;
mod path;
mod root;
mod stat;

pub use error::{BeneathError, Failure};
pub use path::{PATH_BYTES_MAX, PATH_NAME_BYTES_MAX, check_path, escaped, join_path, split_path};
pub use root::{Root, Space, set_file_mtime};
pub use stat::{DirEntry, Kind, Stat};

#[cfg(test)]
mod tests;
