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
pub use crate::links::{LinkCounters, LinkId};
pub use crate::plan::{Peer, Plan, Role, Setup};
pub use crate::status::Progress;

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests;
