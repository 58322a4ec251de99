//! What a session is told at its start and when the plan changes.

use std::net::SocketAddr;

use wire::limits::STRAND_COUNT_MAX;
use wire::{AssignmentId, NodeId};

use crate::limits::{PARENTS_MAX, PEERS_MAX};

/// A node that can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The node.
    pub node: NodeId,
    /// Where its relay listens.
    pub address: SocketAddr,
}

/// One node's part of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// How many strands there are. The source's own plan needs this alone.
    pub strand_count: u8,
    /// For each strand the nodes that may serve this one, nearest ancestor first, source last.
    pub parents: Vec<Vec<Peer>>,
    /// Further nodes that may be asked for exact ranges.
    pub peers: Vec<Peer>,
    /// The node's own link is known to be slow: it asks that nobody waits for it.
    pub slow: bool,
}

impl Plan {
    /// The plan within its limits and without `node` itself.
    pub(crate) fn bounded(mut self, node: NodeId) -> Self {
        self.strand_count = self.strand_count.clamp(1, STRAND_COUNT_MAX);
        self.parents
            .resize(usize::from(self.strand_count), Vec::new());
        for parents in &mut self.parents {
            parents.retain(|peer| peer.node != node);
            parents.truncate(PARENTS_MAX);
        }
        self.peers.retain(|peer| peer.node != node);
        self.peers.truncate(PEERS_MAX);
        self
    }
}

/// What a node is in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It makes the chunks and has no parents.
    Source,
    /// It receives them and forwards them.
    Receiver,
}

/// What a session is told at its start.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which assignment is spread.
    pub assignment: AssignmentId,
    /// This node.
    pub node: NodeId,
    /// What it is.
    pub role: Role,
    /// Its part of the plan.
    pub plan: Plan,
    /// Where random choices begin; the same seed and inputs give the same outputs.
    pub seed: u64,
}
