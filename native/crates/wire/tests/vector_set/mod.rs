//! The golden vectors: which there are, and how their fields are told in JSON.
//!
//! Numbers of 64 bits are decimal strings, bytes are hexadecimal, paths are text in which every
//! byte that is not a printable ASCII character, and `%`, is `%XX`.

mod describe;
mod messages;
mod samples;

pub(crate) use describe::describe;
pub(crate) use samples::{good, refused};

/// Secret bytes of the key that signs the vectors' vouches.
pub(crate) const SEED: [u8; 32] = [7; 32];

/// One vector: encoded bytes and the name of their format.
pub(crate) struct Vector {
    /// File name without ending.
    pub(crate) name: &'static str,
    /// `header`, `steps`, `section`, `trailer`, `stream`, `tree`, `vouch` or `message`.
    pub(crate) format: &'static str,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

/// Bytes as lines of 64 hexadecimal digits.
pub(crate) fn to_lines(bytes: &[u8]) -> String {
    let lines = bytes.chunks(32).map(|line| hex::encode(line) + "\n");
    lines.collect()
}
