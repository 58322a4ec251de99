//! Plans as the coordinator would make them: trees of nodes, woven of 1..=S strands.

use simnet::NodeIndex;
use spread::{Peer, Plan};

use rehearsal::peer;

/// The source's index. Receivers are 1..=n.
pub const SOURCE: NodeIndex = rehearsal::Rehearsal::SOURCE;

/// By strand and receiver (1-based), the node that serves it.
#[derive(Debug, Clone)]
pub struct Weave {
    pub strands: Vec<Vec<NodeIndex>>,
}

impl Weave {
    /// Every receiver is served by the source.
    pub fn star(receivers: usize) -> Self {
        Self {
            strands: vec![vec![SOURCE; receivers]],
        }
    }

    /// Each receiver serves the next.
    pub fn chain(receivers: usize) -> Self {
        Self {
            strands: vec![(0..receivers).collect()],
        }
    }

    /// One tree in which each node, the source too, serves `fanout`.
    pub fn tree(receivers: usize, fanout: usize) -> Self {
        Self {
            strands: vec![(0..receivers).map(|node| node / fanout).collect()],
        }
    }

    /// `strand_count` strands in which every node is inner in one, with `fanout` children, and a
    /// leaf in the others; `slow` ones are leaves everywhere.
    pub fn braid(receivers: usize, strand_count: usize, fanout: usize, slow: &[NodeIndex]) -> Self {
        let able: Vec<NodeIndex> = (1..=receivers)
            .filter(|node| !slow.contains(node))
            .collect();
        let strands = (0..strand_count).map(|strand| {
            let own = able.iter().copied().skip(strand).step_by(strand_count);
            let mut inner: Vec<NodeIndex> = own.collect();
            let foreign: Vec<NodeIndex> = able
                .iter()
                .copied()
                .filter(|node| !inner.contains(node))
                .collect();
            let slots_needed = receivers - 1;
            let own_slots = inner.len() * fanout;
            let extra = slots_needed.saturating_sub(own_slots).div_ceil(fanout);
            inner.extend(foreign.iter().rev().take(extra).copied());
            grow(receivers, &inner, fanout)
        });
        Self {
            strands: strands.collect(),
        }
    }

    /// A receiver's part: its ancestors in each strand; the other receivers as peers.
    pub fn part_of(&self, node: NodeIndex) -> Plan {
        let receivers = self.strands[0].len();
        let parents = self.strands.iter().map(|strand| ancestors(strand, node));
        Plan {
            strand_count: u8::try_from(self.strands.len()).unwrap(),
            parents: parents
                .map(|line| line.into_iter().map(peer).collect())
                .collect(),
            peers: others(receivers, node),
            slow: false,
        }
    }

    /// The same, but next after a parent come those who serve that parent in the other strands:
    /// if it dies they have a slot to spare. Descendants are left out.
    pub fn part_with_adopters(&self, node: NodeIndex) -> Plan {
        let mut plan = self.part_of(node);
        for (strand, parents) in self.strands.iter().zip(&mut plan.parents) {
            let parent = strand[node - 1];
            if parent == SOURCE {
                continue;
            }
            let siblings = (1..node)
                .filter(|other| strand[other - 1] == parent)
                .count();
            let others = self.strands.iter().map(|other| other[parent - 1]);
            let mut adopters: Vec<NodeIndex> = others.collect();
            let count = adopters.len();
            adopters.rotate_left(siblings % count);
            let open =
                |other: &NodeIndex| *other != node && !ancestors(strand, *other).contains(&node);
            let first = parents.first().copied();
            let rest = parents.split_off(1);
            let mut line: Vec<Peer> = first.into_iter().collect();
            for next in adopters.into_iter().filter(open).map(peer).chain(rest) {
                if !line.contains(&next) {
                    line.push(next);
                }
            }
            *parents = line;
        }
        plan
    }

    /// The source's part.
    pub fn source_part(&self) -> Plan {
        let strand_count = u8::try_from(self.strands.len()).unwrap();
        Plan {
            strand_count,
            parents: Vec::new(),
            peers: Vec::new(),
            slow: false,
        }
    }

    /// A late receiver, not in the plan: a leaf of the source in all strands.
    pub fn part_of_late(&self, node: NodeIndex) -> Plan {
        let strand_count = u8::try_from(self.strands.len()).unwrap();
        let parents = vec![vec![peer(SOURCE)]; self.strands.len()];
        Plan {
            strand_count,
            parents,
            peers: others(self.strands[0].len(), node),
            slow: false,
        }
    }

    /// The receiver that serves most.
    pub fn busiest(&self) -> NodeIndex {
        let receivers = self.strands[0].len();
        let serves = |node: &NodeIndex| {
            self.strands
                .iter()
                .flatten()
                .filter(|parent| *parent == node)
                .count()
        };
        (1..=receivers).max_by_key(serves).unwrap()
    }
}

fn grow(receivers: usize, inner: &[NodeIndex], fanout: usize) -> Vec<NodeIndex> {
    let mut parents = vec![SOURCE; receivers];
    let leaves = (1..=receivers).filter(|node| !inner.contains(node));
    let order: Vec<NodeIndex> = inner.iter().copied().chain(leaves).collect();
    for (place, node) in order.iter().enumerate().skip(1) {
        parents[node - 1] = order[(place - 1) / fanout];
    }
    parents
}

fn ancestors(strand: &[NodeIndex], node: NodeIndex) -> Vec<NodeIndex> {
    let mut line = Vec::new();
    let mut at = node;
    while at != SOURCE {
        at = strand[at - 1];
        line.push(at);
    }
    line
}

fn others(receivers: usize, node: NodeIndex) -> Vec<Peer> {
    (1..=receivers)
        .filter(|other| *other != node)
        .map(peer)
        .collect()
}
