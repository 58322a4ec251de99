//! A session of spreading in virtual time, for plans that are tried before they run.

use crate::error::{Fault, settle};
use crate::keys::read_hex;
use crate::number::{from_js, to_js};
use crate::relay::{NodePlan, PeerRef};
use crate::status::Child;
use napi::Env;
use napi_derive::napi;
use rehearsal::{Content, Station, peer};
use simnet::{Death, Rates, Transport, Way};
use spread::{Peer, Plan};
use std::collections::BTreeMap;

/// What is spread, and how the source has it: `madePer10Ms` chunks at a time; 0: all at once.
/// `isTcp`: in packets, acknowledged, by windows that grow; else as links allow.
#[napi(object)]
pub struct RehearsalOptions {
    pub chunk_count: u32,
    pub chunk_bytes: i64,
    pub made_per10_ms: u32,
    pub seed: i64,
    #[napi(ts_type = "boolean | undefined")]
    pub is_tcp: Option<bool>,
}

/// What a port, or a gate, carries each way.
#[napi(object, use_nullable = true)]
pub struct RehearsalRates {
    pub up_bps: i64,
    pub down_bps: i64,
}

/// What all nodes of a segment share towards those of others.
#[napi(object, use_nullable = true)]
pub struct RehearsalWay {
    pub up_bps: i64,
    pub down_bps: i64,
    pub delay_us: i64,
    pub window_bytes: i64,
}

/// How one node stands. A dead one is not listed.
#[napi(object, use_nullable = true)]
pub struct RehearsalStatus {
    pub node_id: String,
    pub chunks_have: u32,
    pub completed_us: Option<i64>,
    pub bytes_sent: i64,
    pub bytes_received: i64,
    pub duplicate_chunks: i64,
    pub pulled_chunks: i64,
    pub children: Vec<Child>,
    pub parents: Vec<String>,
}

/// A network of nodes that take part in one session. The first node is the source.
#[napi]
pub struct Rehearsal {
    inner: rehearsal::Rehearsal,
    /// What the dead left on their disks.
    disks: BTreeMap<usize, Station>,
}

#[napi]
impl Rehearsal {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: &Env, options: RehearsalOptions) -> napi::Result<Self> {
        let content = Content {
            chunk_count: options.chunk_count,
            chunk_bytes: settle(env, from_js("a chunk's size", options.chunk_bytes))?,
            made_per_10_ms: options.made_per10_ms,
        };
        let seed = settle(env, from_js("the seed", options.seed))?;
        let mut inner = rehearsal::Rehearsal::new(content, seed);
        if options.is_tcp == Some(true) {
            inner.network.set_transport(Transport::Tcp);
        }
        Ok(Self {
            inner,
            disks: BTreeMap::new(),
        })
    }

    /// Adds a gate. Gives its number.
    #[napi(catch_unwind)]
    pub fn add_gate(&mut self, env: &Env, way: RehearsalWay) -> napi::Result<u32> {
        let way = Way {
            rates: settle(env, read_rates(way.up_bps, way.down_bps))?,
            delay_us: settle(env, from_js("a delay", way.delay_us))?,
            window_bytes: settle(env, from_js("a window", way.window_bytes))?,
        };
        Ok(u32::try_from(self.inner.network.add_gate(way)).unwrap_or(u32::MAX))
    }

    /// Adds a node, which takes part from `opensUs` on, or from when it is first given a parent,
    /// with an empty plan. Gives its id.
    #[napi(catch_unwind)]
    pub fn add(
        &mut self,
        env: &Env,
        rates: RehearsalRates,
        gate: Option<u32>,
        opens_us: Option<i64>,
    ) -> napi::Result<String> {
        let rates = settle(env, read_rates(rates.up_bps, rates.down_bps))?;
        let opens_us = opens_us.map(|time| from_js("a time", time)).transpose();
        let opens_us = settle(env, opens_us)?;
        let gate = gate.map(|gate| gate as usize);
        let node = self.inner.add(rates, gate, Plan::default(), opens_us);
        Ok(hex::encode(rehearsal::node_id(node)))
    }

    /// Gives a living node its part of the plan. Peers are known by their ids alone.
    #[napi(catch_unwind)]
    pub fn set_plan(&mut self, env: &Env, node_id: String, plan: NodePlan) -> napi::Result<()> {
        let node = settle(env, self.index_of(&node_id))?;
        let plan = settle(env, self.read_plan(&plan))?;
        self.inner.set_plan(node, plan);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn set_rates(
        &mut self,
        env: &Env,
        node_id: String,
        rates: RehearsalRates,
    ) -> napi::Result<()> {
        let node = settle(env, self.index_of(&node_id))?;
        let rates = settle(env, read_rates(rates.up_bps, rates.down_bps))?;
        self.inner.network.set_rates(node, rates);
        Ok(())
    }

    /// Kills a node: its connections are reset, or, `silent`, nothing more comes from it. False:
    /// it was dead.
    #[napi(catch_unwind)]
    pub fn kill(&mut self, env: &Env, node_id: String, silent: bool) -> napi::Result<bool> {
        let node = settle(env, self.index_of(&node_id))?;
        let death = if silent { Death::Silent } else { Death::Reset };
        let disk = self.inner.kill(node, death);
        let died = disk.is_some();
        self.disks.extend(disk.map(|disk| (node, disk)));
        Ok(died)
    }

    /// Starts a dead node again with what it had, and its part of the plan.
    #[napi(catch_unwind)]
    pub fn restart(&mut self, env: &Env, node_id: String, plan: NodePlan) -> napi::Result<()> {
        let node = settle(env, self.index_of(&node_id))?;
        let plan = settle(env, self.read_plan(&plan))?;
        let disk = self.disks.remove(&node);
        let now_us = self.inner.network.now_us();
        self.inner.restart(node, plan, disk.as_ref(), now_us);
        Ok(())
    }

    /// Lets time pass, to `untilUs` or until every living receiver is complete: true then.
    #[napi(catch_unwind)]
    pub fn run(&mut self, env: &Env, until_us: i64) -> napi::Result<bool> {
        let until_us = settle(env, from_js("a time", until_us))?;
        Ok(self.inner.complete_by(until_us))
    }

    #[napi(getter)]
    pub fn now_us(&self) -> i64 {
        to_js(self.inner.network.now_us())
    }

    /// Bytes that left a gate and came in by it.
    #[napi(catch_unwind)]
    pub fn gate_bytes(&self, gate: u32) -> Vec<i64> {
        let (out, into) = self.inner.network.gate_carried_bytes(gate as usize);
        vec![to_js(out), to_js(into)]
    }

    /// All living nodes, the source first.
    #[napi(catch_unwind)]
    pub fn poll(&self) -> Vec<RehearsalStatus> {
        (0..self.inner.network.node_count())
            .filter_map(|node| Some(self.status_of(node, self.inner.network.process(node)?)))
            .collect()
    }
}

impl Rehearsal {
    fn status_of(&self, node: usize, station: &Station) -> RehearsalStatus {
        let progress = station.core().progress();
        let (sent, received) = self.inner.network.carried_bytes(node);
        RehearsalStatus {
            node_id: hex::encode(rehearsal::node_id(node)),
            chunks_have: progress.have_count,
            completed_us: station.completed_us.map(to_js),
            bytes_sent: to_js(sent),
            bytes_received: to_js(received),
            duplicate_chunks: to_js(progress.duplicate_chunks),
            pulled_chunks: to_js(progress.pulled_chunks),
            children: station
                .core()
                .children()
                .map(|(link, child)| self.child_of(node, link, child))
                .collect(),
            parents: station
                .core()
                .parents()
                .flatten()
                .map(hex::encode)
                .collect(),
        }
    }

    fn child_of(&self, from: usize, link: spread::LinkId, child: wire::NodeId) -> Child {
        let flow = self.inner.network.flow(from, link);
        Child {
            node_id: hex::encode(child),
            sent_bytes: to_js(flow.taken_bytes),
            busy_ms: to_js(flow.busy_us / 1000),
            asked_ms: to_js(self.inner.network.now_us() / 1000),
        }
    }

    fn index_of(&self, node_id: &str) -> Result<usize, Fault> {
        let id: wire::NodeId = read_hex("a node's id", node_id)?;
        let mut low = [0; 8];
        low.copy_from_slice(&id[..8]);
        usize::try_from(u64::from_le_bytes(low))
            .ok()
            .filter(|node| *node < self.inner.network.node_count())
            .filter(|node| rehearsal::node_id(*node) == id)
            .ok_or_else(|| Fault::invalid("a node's id", "no node was added under it"))
    }

    fn read_plan(&self, plan: &NodePlan) -> Result<Plan, Fault> {
        let read = |peers: &Vec<PeerRef>| -> Result<Vec<Peer>, Fault> {
            let indices = peers.iter().map(|peer| self.index_of(&peer.node_id));
            indices.map(|index| index.map(peer)).collect()
        };
        Ok(Plan {
            strand_count: plan.strand_count,
            parents: plan.parents.iter().map(read).collect::<Result<_, _>>()?,
            peers: read(&plan.peers)?,
            slow: plan.is_slow.unwrap_or(false),
        })
    }
}

fn read_rates(up_bps: i64, down_bps: i64) -> Result<Rates, Fault> {
    Ok(Rates {
        up_bps: from_js("a rate", up_bps)?,
        down_bps: from_js("a rate", down_bps)?,
    })
}
