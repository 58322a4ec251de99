//! A session of the simulation: a source, receivers, and what is done to them.

use std::ops::{Deref, DerefMut};

use rehearsal::{Content, Rehearsal, Station};
use simnet::{Death, NodeIndex, Rates};
use spread::Plan;

use crate::plans::Weave;

pub const MEGABIT: u64 = 1_000_000;
pub struct Session {
    rehearsal: Rehearsal,
    pub rate_bps: u64,
}

impl Deref for Session {
    type Target = Rehearsal;

    fn deref(&self) -> &Rehearsal {
        &self.rehearsal
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Rehearsal {
        &mut self.rehearsal
    }
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
        let mut rehearsal = Rehearsal::new(content, seed);
        rehearsal.add(
            Rates::symmetric(rate_bps),
            None,
            weave.source_part(),
            Some(0),
        );
        for (place, receiver_bps) in receivers_bps.iter().enumerate() {
            let part = weave.part_of(place + 1);
            rehearsal.add(Rates::symmetric(*receiver_bps), None, part, Some(0));
        }
        Self {
            rehearsal,
            rate_bps,
        }
    }

    /// Adds a receiver that takes part from `opens_us` on.
    pub fn add_late(&mut self, plan: Plan, opens_us: u64) -> NodeIndex {
        let rates = Rates::symmetric(self.rate_bps);
        self.rehearsal.add(rates, None, plan, Some(opens_us))
    }

    /// Starts a dead receiver again with what it had on its disk.
    pub fn bring_back(&mut self, node: NodeIndex, plan: Plan, disk: &Station) {
        let now_us = self.network.now_us();
        self.restart(node, plan, Some(disk), now_us);
    }

    pub fn reset(&mut self, node: NodeIndex) -> Station {
        self.kill(node, Death::Reset).unwrap()
    }

    /// Runs until every living receiver is complete. Panics when `limit_s` is not enough.
    pub fn complete_within(&mut self, limit_s: u64) {
        let done = self.complete_by(limit_s * 1_000_000);
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
