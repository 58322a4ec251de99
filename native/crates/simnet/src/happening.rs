//! What can be due, and where.

use crate::wires::{LaneIndex, LinkId, NodeIndex};

/// Where a message has come to, between two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The way out of the sender's gate.
    Out,
    /// The way into the receiver's gate.
    Into,
    /// The receiver's downlink.
    Port,
}

/// What can be due at a node.
#[derive(Debug)]
pub(crate) enum Happening<M> {
    Start,
    Timer {
        tag: u64,
    },
    Answer {
        link: LinkId,
        opener: NodeIndex,
    },
    Greet {
        link: LinkId,
        peer: NodeIndex,
    },
    Refused {
        peer: NodeIndex,
    },
    SentOut {
        link: LinkId,
        lane: LaneIndex,
        bytes: u64,
    },
    /// The first byte of a message comes to a stage of its way: a gate, or the receiver's port.
    Head {
        link: LinkId,
        lane: LaneIndex,
        stage: Stage,
        tail_us: u64,
        bytes: u64,
        message: M,
    },
    Arrived {
        link: LinkId,
        lane: LaneIndex,
        bytes: u64,
        message: M,
    },
    Taken {
        link: LinkId,
        lane: LaneIndex,
        bytes: u64,
    },
    Down {
        link: LinkId,
    },
}

pub(crate) struct Due<M> {
    pub(crate) node: NodeIndex,
    /// Whose life it belongs to: what was meant for an earlier life of the node is dropped.
    pub(crate) life: u32,
    pub(crate) happening: Happening<M>,
}

/// A message on its way.
pub(crate) struct Cargo<M> {
    pub(crate) link: LinkId,
    pub(crate) lane: LaneIndex,
    pub(crate) bytes: u64,
    pub(crate) message: M,
}
