//! Rates, connections and the bytes under way on them.

use std::collections::VecDeque;

/// Index of a node, in the order in which nodes were added.
pub type NodeIndex = usize;
/// Names a connection; both ends know it by the same number, and none is used twice.
pub type LinkId = u32;
/// One of the two lanes of a connection; small, for there are millions of them on the way.
pub(crate) type LaneIndex = u8;
/// Index of a gate, in the order in which gates were added.
pub type GateIndex = usize;

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

/// A shared way of a rate, which takes messages in the order in which their first bytes come.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) bps: u64,
    /// What it is given later waits until then.
    free_us: u64,
    pub(crate) carried_bytes: u64,
}

impl Pipe {
    fn new(bps: u64) -> Self {
        Self {
            bps,
            free_us: 0,
            carried_bytes: 0,
        }
    }

    /// When the first and the last byte leave it, of a message whose first byte comes now and
    /// whose last one at `tail_us`. It is taken up for no longer than it needs at its own rate: a
    /// slow sender leaves room for others between its bytes.
    pub(crate) fn pass(&mut self, bytes: u64, now_us: u64, tail_us: u64) -> (u64, u64) {
        let begin_us = self.free_us.max(now_us);
        self.free_us = begin_us + carry_us(bytes, self.bps);
        self.carried_bytes += bytes;
        (begin_us, tail_us.max(self.free_us))
    }
}

/// What the way through a gate is like.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Of all nodes behind it together.
    pub rates: Rates,
    /// What it adds to a delay, one way.
    pub delay_us: u64,
    /// What a connection through it has under way at most, if that is more than others have.
    pub window_bytes: u64,
}

/// What all nodes behind it share towards those who are not: a segment's way to the others.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) out: Pipe,
    pub(crate) into: Pipe,
    pub(crate) delay_us: u64,
    pub(crate) window_bytes: u64,
}

impl Gate {
    pub(crate) fn new(way: Way) -> Self {
        Self {
            out: Pipe::new(way.rates.up_bps),
            into: Pipe::new(way.rates.down_bps),
            delay_us: way.delay_us,
            window_bytes: way.window_bytes,
        }
    }
}

/// A node's port: which of its connections wait for the uplink, when the downlink is free.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) up_bps: u64,
    pub(crate) down: Pipe,
    /// What it is behind.
    pub(crate) gate: Option<GateIndex>,
    /// Connections with something to send, in turn.
    pub(crate) waiting: VecDeque<LinkId>,
    pub(crate) sending: bool,
    /// Acknowledgements that go out with what is sent next.
    pub(crate) acks_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
}

impl Port {
    pub(crate) fn new(rates: Rates, gate: Option<GateIndex>) -> Self {
        Self {
            up_bps: rates.up_bps,
            down: Pipe::new(rates.down_bps),
            gate,
            waiting: VecDeque::new(),
            sending: false,
            acks_bytes: 0,
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
    /// What it may have under way, if the connection allows it: it grows with what is taken.
    pub(crate) allowed_bytes: u64,
    /// In the port's `waiting`.
    pub(crate) queued: bool,
    /// The sender was told that there is no room, and waits to hear that there is.
    pub(crate) wants_room: bool,
    taken_bytes: u64,
    busy_us: u64,
    busy_since_us: Option<u64>,
}

/// What went over one direction of a connection, as its sender's system counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes that the other end has taken.
    pub taken_bytes: u64,
    /// How long there was something that it had not taken.
    pub busy_us: u64,
}

impl<M> Lane<M> {
    fn new(from: NodeIndex, to: NodeIndex) -> Self {
        Self {
            from,
            to,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            under_way_bytes: 0,
            allowed_bytes: u64::MAX,
            queued: false,
            wants_room: false,
            taken_bytes: 0,
            busy_us: 0,
            busy_since_us: None,
        }
    }

    /// Hands a message over.
    pub(crate) fn add(&mut self, message: M, bytes: u64, now_us: u64) {
        self.unsent.push_back((message, bytes));
        self.unsent_bytes += bytes;
        self.busy_since_us.get_or_insert(now_us);
    }

    /// The other end has taken so much.
    pub(crate) fn take(&mut self, bytes: u64, now_us: u64) {
        self.under_way_bytes = self.under_way_bytes.saturating_sub(bytes);
        self.taken_bytes += bytes;
        self.allowed_bytes = self.allowed_bytes.saturating_add(bytes);
        if self.under_way_bytes == 0
            && self.unsent_bytes == 0
            && let Some(since_us) = self.busy_since_us.take()
        {
            self.busy_us += now_us - since_us;
        }
    }

    pub(crate) fn flow(&self, now_us: u64) -> Flow {
        let since_us = self.busy_since_us.unwrap_or(now_us);
        Flow {
            taken_bytes: self.taken_bytes,
            busy_us: self.busy_us + (now_us - since_us),
        }
    }
}

/// A connection between two nodes, up or on the way there.
#[derive(Debug)]
pub(crate) struct Connection<M> {
    pub(crate) lanes: [Lane<M>; 2],
    pub(crate) delay_us: u64,
    /// A lane has at most this under way, or one message.
    pub(crate) window_bytes: u64,
}

impl<M> Connection<M> {
    pub(crate) fn new(
        opener: NodeIndex,
        other: NodeIndex,
        delay_us: u64,
        window_bytes: u64,
    ) -> Self {
        Self {
            lanes: [Lane::new(opener, other), Lane::new(other, opener)],
            delay_us,
            window_bytes,
        }
    }

    /// Has each lane begin with `first_window_bytes` under way.
    pub(crate) fn start_slowly(&mut self, first_window_bytes: u64) {
        for lane in &mut self.lanes {
            lane.allowed_bytes = first_window_bytes;
        }
    }

    /// The lane on which `node` sends.
    pub(crate) fn lane_of(&self, node: NodeIndex) -> LaneIndex {
        LaneIndex::from(self.lanes[0].from != node)
    }

    pub(crate) fn lane(&self, lane: LaneIndex) -> &Lane<M> {
        &self.lanes[usize::from(lane)]
    }

    pub(crate) fn lane_mut(&mut self, lane: LaneIndex) -> &mut Lane<M> {
        &mut self.lanes[usize::from(lane)]
    }
}

/// All connections that there ever were, by their ids from 1 on; those that are gone left a hole.
#[derive(Debug)]
pub(crate) struct Connections<M> {
    slots: Vec<Option<Box<Connection<M>>>>,
    /// By node, its connections.
    by_node: Vec<Vec<LinkId>>,
}

impl<M> Default for Connections<M> {
    fn default() -> Self {
        Self {
            slots: vec![None],
            by_node: Vec::new(),
        }
    }
}

impl<M> Connections<M> {
    pub(crate) fn add(&mut self, connection: Connection<M>) -> LinkId {
        let link = LinkId::try_from(self.slots.len()).unwrap_or(LinkId::MAX);
        for node in connection.lanes.iter().map(|lane| lane.from) {
            if self.by_node.len() <= node {
                self.by_node.resize_with(node + 1, Vec::new);
            }
            self.by_node[node].push(link);
        }
        self.slots.push(Some(Box::new(connection)));
        link
    }

    pub(crate) fn get(&self, link: LinkId) -> Option<&Connection<M>> {
        self.slots.get(link as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, link: LinkId) -> Option<&mut Connection<M>> {
        self.slots.get_mut(link as usize)?.as_deref_mut()
    }

    pub(crate) fn remove(&mut self, link: LinkId) -> Option<Connection<M>> {
        let connection = self.slots.get_mut(link as usize)?.take()?;
        for node in connection.lanes.iter().map(|lane| lane.from) {
            self.by_node[node].retain(|known| *known != link);
        }
        Some(*connection)
    }

    /// The connections that a node has an end of.
    pub(crate) fn of(&self, node: NodeIndex) -> Vec<LinkId> {
        self.by_node.get(node).cloned().unwrap_or_default()
    }
}

/// Time to carry `bytes` at `bps`, in microseconds, rounded up.
pub(crate) fn carry_us(bytes: u64, bps: u64) -> u64 {
    bytes.saturating_mul(8_000_000).div_ceil(bps.max(1))
}
