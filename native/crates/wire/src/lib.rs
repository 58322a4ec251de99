//! The data plane's formats and their only owner: trees, assignments, vouches and the messages
//! between peers. Everything is little-endian; `docs/protocol.md` describes it byte by byte and
//! `test/vectors/` holds it.
//!
//! In: values, or any bytes at all. Out: bytes, or values that keep every rule, or a
//! [`WireError`]. Never: panics, clocks, files, sockets, and no allocation beyond [`limits`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod assignment;
mod cursor;
pub mod diff;
mod error;
pub mod limits;
pub mod path;
pub mod peer;
pub mod section;
pub mod steps;
pub mod tree;
pub mod vouch;

pub use error::{Fault, Part, WireError};

/// A BLAKE3 digest.
pub type Digest = [u8; 32];
/// Names an assignment: the first 16 bytes of the BLAKE3 digest of its encoded header.
pub type AssignmentId = [u8; 16];
/// Names a node.
pub type NodeId = [u8; 16];

/// BLAKE3 of `bytes`.
pub fn digest_of(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}
