//! A session of the simulation: a source, receivers, and what is done to them.

use simnet::{Death, Network, NodeIndex, Rates};
use spread::{Plan, Role};

use crate::plans::{SOURCE, Weave};
use crate::station::{Content, Station};

pub const MEGABIT: u64 = 1_000_000;
/// In-kernel buffers of a connection: what the relay's first socket options come to.
const WINDOW_BYTES: u64 = 96 * 1024;
const LAN_DELAY_US: u64 = 100;

pub struct Session {
    pub network: Network<Station>,
    pub content: Content,
    pub rate_bps: u64,
}

impl Session {
    /// The source and all receivers of a plan, at equal rates.
    pub fn flat(weave: &Weave, content: Content, rate_bps: u64, seed: u64) -> Self {
        let receivers = weave.strands[0].len();
        Self::mixed(weave, content, rate_bps, &vec![rate_bps; receivers], seed)
    }

    /// The same with a rate for each receiver.
    pub fn mixed(
        weave: &Weave,
        content: Content,
        rate_bps: u64,
        receivers_bps: &[u64],
        seed: u64,
    ) -> Self {
        let window_bytes = WINDOW_BYTES.max(3 * content.chunk_bytes);
        let mut network = Network::new(seed, window_bytes, |_, _| LAN_DELAY_US);
        let source = Station::new(SOURCE, Role::Source, weave.source_part(), content, 0);
        network.add(Rates::symmetric(rate_bps), source);
        for (place, receiver_bps) in receivers_bps.iter().enumerate() {
            let (node, role) = (place + 1, Role::Receiver);
            let station = Station::new(node, role, weave.part_of(node), content, 0);
            network.add(Rates::symmetric(*receiver_bps), station);
        }
        Self {
            network,
            content,
            rate_bps,
        }
    }

    /// Adds a receiver that takes part from `opens_us` on.
    pub fn add(&mut self, plan: Plan, opens_us: u64) -> NodeIndex {
        let node = self.receivers().count() + 1;
        let station = Station::new(node, Role::Receiver, plan, self.content, opens_us);
        self.network.add(Rates::symmetric(self.rate_bps), station)
    }

    /// Starts a dead receiver again with what it had on its disk.
    pub fn restart(&mut self, node: NodeIndex, plan: Plan, disk: &Station) {
        let now_us = self.network.now_us();
        let station = Station::new(node, Role::Receiver, plan, self.content, now_us);
        self.network.restart(node, station.with_disk(&disk.disk()));
    }

    /// Starts a dead receiver again with an empty disk, to take part from `opens_us` on.
    pub fn restart_at(&mut self, node: NodeIndex, plan: Plan, opens_us: u64) {
        let station = Station::new(node, Role::Receiver, plan, self.content, opens_us);
        self.network.restart(node, station);
    }

    pub fn kill(&mut self, node: NodeIndex) -> Station {
        self.network.kill(node, Death::Reset).unwrap()
    }

    /// All receivers, dead ones too.
    pub fn receivers(&self) -> impl Iterator<Item = NodeIndex> {
        1..self.network.node_count()
    }

    pub fn living(&self) -> impl Iterator<Item = (NodeIndex, &Station)> {
        self.receivers()
            .filter_map(|node| Some((node, self.network.process(node)?)))
    }

    /// Runs until every living receiver is complete. Panics when `limit_s` is not enough.
    pub fn complete_within(&mut self, limit_s: u64) {
        let done = self.network.run_while(limit_s * 1_000_000, |network| {
            let receivers = (1..network.node_count()).filter_map(|node| network.process(node));
            !receivers
                .into_iter()
                .all(|station| station.completed_us.is_some())
        });
        assert!(done, "after {limit_s} s: {}", self.describe());
    }

    /// Runs until a receiver has this share of the chunks.
    pub fn run_until_share(&mut self, node: NodeIndex, percent: u32) {
        let wanted = self.content.chunk_count * percent / 100;
        let done = self.network.run_while(600_000_000, |network| {
            let station = network.process(node);
            station.is_some_and(|station| station.core().have().count() < wanted)
        });
        assert!(
            done,
            "node {node} never had {percent} %: {}",
            self.describe()
        );
    }

    /// When the last living receiver was complete, over size / rate.
    pub fn makespan(&self) -> f64 {
        let last_us = self
            .living()
            .filter_map(|(_, station)| station.completed_us)
            .max();
        self.share_of_bound(last_us.unwrap())
    }

    /// A time over size / rate.
    pub fn share_of_bound(&self, at_us: u64) -> f64 {
        let bits = u64::from(self.content.chunk_count) * self.content.chunk_bytes * 8;
        as_f64(at_us) * as_f64(self.rate_bps) / (as_f64(bits) * 1e6)
    }

    pub fn duplicates(&self) -> u64 {
        self.living()
            .map(|(_, station)| station.core().progress().duplicate_chunks)
            .sum()
    }

    pub fn pulled(&self) -> u64 {
        self.living()
            .map(|(_, station)| station.core().progress().pulled_chunks)
            .sum()
    }

    pub fn describe(&self) -> String {
        let lines = self.living().map(|(node, station)| {
            let parents: Vec<_> = station
                .core()
                .parents()
                .map(|id| id.map(|id| id[0]))
                .collect();
            let progress = station.core().progress();
            format!(
                "\n{node}: parents {parents:?} {progress:?} faults {}",
                station.faults
            )
        });
        lines.collect()
    }
}

#[allow(clippy::cast_precision_loss)]
fn as_f64(number: u64) -> f64 {
    number as f64
}

/// Content of `mebibytes` in chunks of `kibibytes`, all there at once.
pub fn content(mebibytes: u32, kibibytes: u32) -> Content {
    Content {
        chunk_count: mebibytes * 1024 / kibibytes,
        chunk_bytes: u64::from(kibibytes) * 1024,
        made_per_10_ms: 0,
    }
}
