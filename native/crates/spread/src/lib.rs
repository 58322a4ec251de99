//! The core of one spreading session: who has what, who is served by whom, what goes next.
//!
//! In: the plan, links that come and go, control messages, the news that chunks are verified and
//! stored, the time. Out: actions (connect, send, close, complete) and, link by link, the next
//! chunk to send. Never: a socket, a file, a clock, a thread, a chunk's bytes, trust in a peer.
//!
//! The scheme is the braid: the source gives each chunk once, to the strand that has had fewest
//! among those whose backlog allows it; a node forwards a chunk in the strand in which it came,
//! in order of arrival, to its children of that strand. Children whose parent is gone turn to the
//! next ancestor of their plan. What then is still missing is pulled, exact ranges, from any node
//! that has it. A link carries chunks both ways: its two ends may each be a child of the other.
//!
//! Time to the last of n receivers over size / rate, in the simulation
//! (`rehearsal/tests/simulation`, `table_of_makespans`): 100 Mbit/s each way, 128 MiB, no headers,
//! no ACKs, no CPU.
//!
//! | chunk 32 KiB  | n = 8 | 16    | 64    | 256   |
//! |---------------|-------|-------|-------|-------|
//! | chain         | 1.009 | 1.016 | 1.064 | 1.253 |
//! | binary tree   | 2.005 | 2.007 | 2.011 | 2.015 |
//! | strands 2×2   | 1.007 | 1.009 | 1.012 | 1.016 |
//! | strands 4×4   | 1.013 | 1.014 | 1.015 | 1.019 |
//! | 2×2, 256 KiB  | 1.011 | 1.016 | 1.027 | 1.039 |
//!
//! With 2×2, n = 8 and the busiest relay dead at half: 1.26 when its parent adopts all its
//! children, 1.007 when those share them who served it, in all strands, and have a slot to spare.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod arrival;
mod core;
mod dealing;
mod downstream;
mod fault;
mod have_map;
pub mod limits;
mod linking;
mod links;
mod plan;
mod repair;
mod status;
mod strand;
mod upstream;

pub use crate::core::{Action, Core};
pub use crate::fault::Fault;
pub use crate::have_map::{HaveMap, Ranges};
pub use crate::links::LinkId;
pub use crate::plan::{Peer, Plan, Role, Setup};
pub use crate::status::Progress;

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests;
