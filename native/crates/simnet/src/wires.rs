//! Rates, connections and the bytes under way on them.

use std::collections::VecDeque;

/// Index of a node, in the order in which nodes were added.
pub type NodeIndex = usize;
/// Names a connection; both ends know it by the same number, and none is used twice.
pub type LinkId = u32;

/// What a node's port can carry, in bits per second.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// From the node.
    pub up_bps: u64,
    /// To the node.
    pub down_bps: u64,
}

impl Rates {
    /// The same rate both ways.
    pub fn symmetric(bps: u64) -> Self {
        Self {
            up_bps: bps,
            down_bps: bps,
        }
    }
}

/// A node's port: which of its connections wait for the uplink, when the downlink is free.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) rates: Rates,
    /// Connections with something to send, in turn.
    pub(crate) waiting: VecDeque<LinkId>,
    pub(crate) sending: bool,
    pub(crate) down_free_us: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
}

impl Port {
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            rates,
            waiting: VecDeque::new(),
            sending: false,
            down_free_us: 0,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }
}

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Lane<M> {
    pub(crate) from: NodeIndex,
    pub(crate) to: NodeIndex,
    /// Handed over and not yet on the uplink.
    pub(crate) unsent: VecDeque<(M, u64)>,
    pub(crate) unsent_bytes: u64,
    /// Sent and not yet taken by the other end.
    pub(crate) under_way_bytes: u64,
    /// In the port's `waiting`.
    pub(crate) queued: bool,
    /// The sender was told that there is no room, and waits to hear that there is.
    pub(crate) wants_room: bool,
}

impl<M> Lane<M> {
    fn new(from: NodeIndex, to: NodeIndex) -> Self {
        Self {
            from,
            to,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            under_way_bytes: 0,
            queued: false,
            wants_room: false,
        }
    }
}

/// A connection between two nodes, up or on the way there.
#[derive(Debug)]
pub(crate) struct Connection<M> {
    pub(crate) lanes: [Lane<M>; 2],
    pub(crate) delay_us: u64,
}

impl<M> Connection<M> {
    pub(crate) fn new(opener: NodeIndex, other: NodeIndex, delay_us: u64) -> Self {
        Self {
            lanes: [Lane::new(opener, other), Lane::new(other, opener)],
            delay_us,
        }
    }

    /// The lane on which `node` sends.
    pub(crate) fn lane_of(&self, node: NodeIndex) -> usize {
        usize::from(self.lanes[0].from != node)
    }
}

/// Time to carry `bytes` at `bps`, in microseconds, rounded up.
pub(crate) fn carry_us(bytes: u64, bps: u64) -> u64 {
    bytes.saturating_mul(8_000_000).div_ceil(bps.max(1))
}
