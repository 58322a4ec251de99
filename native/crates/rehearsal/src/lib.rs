//! A session of spreading in virtual time: the core at every node of a simulated network.
//!
//! In: content, nodes with their rates and their parts of a plan, what happens to them. Out: who
//! was complete when, what each one sent; the same to the microsecond for the same seed. Never: a
//! socket, a clock, a byte of content; a decision of its own about who sends to whom.
//!
//! A relay is imitated: chunks are always right, hashing and disks take no time, and a connection
//! is as `simnet` models it.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod rehearsal;
mod station;

pub use rehearsal::Rehearsal;
pub use station::{Content, Guile, Station, Word, node_id, peer};
