//! A network in virtual time, for tests of the cores: nodes with uplinks and downlinks of a rate,
//! connections with a delay and a bounded buffer, deaths, restarts, rates that change, one seed.
//!
//! In: processes (a node's behaviour), rates, and what a test does to them. Out: the same run for
//! the same seed, to the microsecond. Never: a real clock, a thread, a socket, knowledge of what
//! its processes say to one another.
//!
//! The model: a message is sent whole. An uplink serves its connections in turn, one message at a
//! time; a connection has at most `window_bytes` under way, so that a slow reader holds up its own
//! connection alone. A downlink takes messages in the order in which their first byte arrives, and
//! passes bytes on as they come. Nodes may stand behind a gate, which they share towards all who do
//! not: a segment's way over a WAN. There is no loss: connections are reliable and in order until
//! one of their ends dies. [`Transport`] says whether there are packets and acknowledgements.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod agenda;
mod fabric;
mod happening;
mod network;
mod random;
mod transport;
mod wires;

pub use network::{Death, Event, Io, Network, Process};
pub use random::Random;
pub use transport::Transport;
pub use wires::{Flow, GateIndex, LinkId, NodeIndex, Rates, Way};
