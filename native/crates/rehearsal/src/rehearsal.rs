//! The session as a whole: nodes come, die, return, and what came of it.

use simnet::{Death, GateIndex, Network, NodeIndex, Rates};
use spread::{Plan, Role};

use crate::station::{Content, Station};

/// In-kernel buffers of a connection: what the relay's own socket options come to.
const WINDOW_BYTES: u64 = 96 * 1024;
const LAN_DELAY_US: u64 = 100;
/// How often it is looked whether all are complete.
const LOOK_US: u64 = 10_000;

/// A network of nodes that take part in one session. The source is node 0, receivers are 1 and on.
pub struct Rehearsal {
    /// The network, for whatever else is to be done to it.
    pub network: Network<Station>,
    /// What is spread.
    pub content: Content,
}

impl Rehearsal {
    /// The index of the source.
    pub const SOURCE: NodeIndex = 0;

    /// A network without a node. The first one that is added is the source.
    pub fn new(content: Content, seed: u64) -> Self {
        let window_bytes = WINDOW_BYTES.max(3 * content.chunk_bytes);
        Self {
            network: Network::new(seed, window_bytes, |_, _| LAN_DELAY_US),
            content,
        }
    }

    /// Adds the source or a receiver, which takes part from `opens_us` on; `None`: from when it is
    /// first given a parent.
    pub fn add(
        &mut self,
        rates: Rates,
        gate: Option<GateIndex>,
        plan: Plan,
        opens_us: Option<u64>,
    ) -> NodeIndex {
        let node = self.network.node_count();
        let station = Station::new(node, role_of(node), plan, self.content, opens_us);
        match gate {
            Some(gate) => self.network.add_behind(gate, rates, station),
            None => self.network.add(rates, station),
        }
    }

    /// Gives a living node another part of the plan.
    pub fn set_plan(&mut self, node: NodeIndex, plan: Plan) {
        self.network
            .order(node, |station, io| station.set_plan(plan, io));
    }

    /// Kills a node; what was on its disk is returned. `None`: it is dead already.
    pub fn kill(&mut self, node: NodeIndex, death: Death) -> Option<Station> {
        self.network.kill(node, death)
    }

    /// Starts a dead node again, with what an earlier life left on its disk or with nothing, to
    /// take part from `opens_us` on.
    pub fn restart(&mut self, node: NodeIndex, plan: Plan, disk: Option<&Station>, opens_us: u64) {
        let station = Station::new(node, role_of(node), plan, self.content, Some(opens_us));
        let station = match disk {
            Some(disk) => station.with_disk(&disk.disk()),
            None => station,
        };
        self.network.restart(node, station);
    }

    /// All receivers, dead ones too.
    pub fn receivers(&self) -> impl Iterator<Item = NodeIndex> {
        1..self.network.node_count()
    }

    /// Living receivers.
    pub fn living(&self) -> impl Iterator<Item = (NodeIndex, &Station)> {
        self.receivers()
            .filter_map(|node| Some((node, self.network.process(node)?)))
    }

    /// Whether every living receiver is complete.
    pub fn is_complete(&self) -> bool {
        self.living()
            .all(|(_, station)| station.completed_us.is_some())
    }

    /// Runs until every living receiver is complete, or until `limit_us`; whether they are.
    pub fn complete_by(&mut self, limit_us: u64) -> bool {
        while !self.is_complete() {
            let now_us = self.network.now_us();
            if now_us >= limit_us {
                return false;
            }
            self.network.run_until((now_us + LOOK_US).min(limit_us));
        }
        true
    }
}

fn role_of(node: NodeIndex) -> Role {
    if node == Rehearsal::SOURCE {
        Role::Source
    } else {
        Role::Receiver
    }
}
