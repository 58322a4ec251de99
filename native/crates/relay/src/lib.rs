//! Sockets, files and threads around the core of spreading.
//!
//! In: a plan, a stream's file or a place for it, signed vouches. Out: the same bytes at every
//! node, each chunk checked before it is stored or forwarded; figures when asked. Never: bytes
//! that were not vouched for, a payload in JavaScript, a word printed, a lock or an allocation for
//! each chunk.
//!
//! `Relay` has a listening thread, which does the handshakes; each `Session` has one thread,
//! which does everything else: receive, hash while the bytes are in cache, write to the file, and
//! send from the file to each child at its own pace. A slow child costs no memory and holds up
//! nobody.

mod addresses;
mod connecting;
mod control;
mod door;
mod error;
pub mod limits;
mod link;
mod links;
mod listener;
mod pace;
mod prefix;
mod probing;
mod reader;
mod receiving;
mod relay;
mod rest;
mod sending;
mod session;
mod session_loop;
mod socket;
mod store;
mod talks;
mod tally;
mod vouches;
mod writer;

pub use crate::error::{Failure, RelayError};
pub use crate::listener::ListenLimits;
pub use crate::pace::Pace;
pub use crate::prefix::{Prefix, Waited};
pub use crate::probing::{ProbeSpec, Probed};
pub use crate::relay::{Options, Relay};
pub use crate::session::{Child, ReceiverSpec, Session, SessionStatus, SourceSpec};
pub use crate::talks::{Poke, Talk};
pub use crate::tally::ListenerCounters;
