//! A stream as it lies on a disk: one file, and beside it *parcels*, files of their own for
//! stretches that are the content of one large file each. A parcel becomes the release's file by a
//! link, so that the bytes of large files are written once.
//!
//! In: offsets of the stream. Out: the bytes there, whichever file has them.
//! Never: a look at what the bytes mean; removes a file that it does not recognise.
#![forbid(unsafe_code)]

mod parcel;
mod stream;

pub use parcel::{PARCELS_MAX, overlap, parcel_name, parcels_directory};
pub use stream::{Piece, StoredStream};
