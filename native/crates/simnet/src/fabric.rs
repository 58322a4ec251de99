//! Ports, connections and the queue of what happens next. Knows no process.

mod stages;

use crate::agenda::Agenda;
use crate::happening::{Cargo, Due, Happening, Stage};
use crate::network::{Death, Event};
use crate::random::Random;
use crate::transport::{Transport, waits_for_window};
use crate::wires::{
    Connection, Connections, Flow, Gate, GateIndex, LaneIndex, LinkId, NodeIndex, Port, Rates, Way,
    carry_us,
};

/// Unsent bytes below which a connection asks its sender for more.
const LOW_WATER_BYTES: u64 = 16 * 1024;
/// Time until an attempt to reach a node that does not answer fails.
const CONNECT_TIMEOUT_US: u64 = 3_000_000;

struct Health {
    life: u32,
    death: Option<Death>,
}

pub(crate) struct Fabric<M> {
    pub(crate) now_us: u64,
    pub(crate) random: Random,
    agenda: Agenda<Due<M>>,
    ports: Vec<Port>,
    gates: Vec<Gate>,
    health: Vec<Health>,
    connections: Connections<M>,
    pub(crate) transport: Transport,
    window_bytes: u64,
    delay_us: Box<dyn Fn(NodeIndex, NodeIndex) -> u64>,
}

impl<M> Fabric<M> {
    pub(crate) fn new(
        seed: u64,
        window_bytes: u64,
        delay_us: Box<dyn Fn(NodeIndex, NodeIndex) -> u64>,
    ) -> Self {
        Self {
            now_us: 0,
            random: Random::new(seed),
            agenda: Agenda::default(),
            ports: Vec::new(),
            gates: Vec::new(),
            health: Vec::new(),
            connections: Connections::default(),
            transport: Transport::default(),
            window_bytes,
            delay_us,
        }
    }

    pub(crate) fn add_gate(&mut self, way: Way) -> GateIndex {
        self.gates.push(Gate::new(way));
        self.gates.len() - 1
    }

    pub(crate) fn gate_carried_bytes(&self, gate: GateIndex) -> (u64, u64) {
        self.gates.get(gate).map_or((0, 0), |gate| {
            (gate.out.carried_bytes, gate.into.carried_bytes)
        })
    }

    pub(crate) fn add_port(&mut self, rates: Rates, gate: Option<GateIndex>) -> NodeIndex {
        let node = self.ports.len();
        self.ports.push(Port::new(rates, gate));
        self.health.push(Health {
            life: 0,
            death: None,
        });
        self.schedule(self.now_us, node, Happening::Start);
        node
    }

    pub(crate) fn set_rates(&mut self, node: NodeIndex, rates: Rates) {
        if let Some(port) = self.ports.get_mut(node) {
            port.up_bps = rates.up_bps;
            port.down.bps = rates.down_bps;
        }
    }

    pub(crate) fn carried_bytes(&self, node: NodeIndex) -> (u64, u64) {
        self.ports
            .get(node)
            .map_or((0, 0), |port| (port.sent_bytes, port.received_bytes))
    }

    pub(crate) fn flow(&self, from: NodeIndex, link: LinkId) -> Flow {
        self.connections
            .get(link)
            .map_or_else(Flow::default, |known| {
                known.lane(known.lane_of(from)).flow(self.now_us)
            })
    }

    pub(crate) fn schedule(&mut self, at_us: u64, node: NodeIndex, happening: Happening<M>) {
        let life = self.health.get(node).map_or(0, |health| health.life);
        self.agenda.add(
            at_us,
            Due {
                node,
                life,
                happening,
            },
        );
    }

    /// The next thing that is due by `until_us`; time moves to it.
    pub(crate) fn take_due(&mut self, until_us: u64) -> Option<(NodeIndex, Happening<M>)> {
        loop {
            let (at_us, due) = self.agenda.take(until_us)?;
            self.now_us = self.now_us.max(at_us);
            if self
                .health
                .get(due.node)
                .is_some_and(|health| health.life == due.life && health.death.is_none())
            {
                return Some((due.node, due.happening));
            }
        }
    }

    /// Carries out what is due at `node`; returns what its process hears of it.
    pub(crate) fn happen(&mut self, node: NodeIndex, happening: Happening<M>) -> Option<Event<M>> {
        match happening {
            Happening::Start => Some(Event::Started),
            Happening::Timer { tag } => Some(Event::Timer(tag)),
            Happening::Answer { link, opener } => self.answer(node, link, opener),
            Happening::Greet { link, peer } => Some(match self.connections.get(link) {
                Some(_) => Event::LinkUp {
                    link,
                    peer,
                    opened: true,
                },
                None => Event::ConnectFailed { peer },
            }),
            Happening::Refused { peer } => Some(Event::ConnectFailed { peer }),
            Happening::SentOut { link, lane, bytes } => self.sent_out(node, link, lane, bytes),
            Happening::Head {
                link,
                lane,
                stage,
                tail_us,
                bytes,
                message,
            } => {
                let cargo = Cargo {
                    link,
                    lane,
                    bytes,
                    message,
                };
                self.head(node, cargo, stage, tail_us);
                None
            }
            Happening::Arrived {
                link,
                lane,
                bytes,
                message,
            } => self.arrived(
                node,
                Cargo {
                    link,
                    lane,
                    bytes,
                    message,
                },
            ),
            Happening::Taken { link, lane, bytes } => {
                self.taken(node, link, lane, bytes);
                None
            }
            Happening::Down { link } => Some(Event::LinkDown { link }),
        }
    }

    pub(crate) fn connect(&mut self, opener: NodeIndex, peer: NodeIndex) {
        let (delay_us, window_bytes) = self.way_between(opener, peer);
        match self.health.get(peer).map(|health| health.death) {
            Some(None) if peer != opener => {
                let mut connection = Connection::new(opener, peer, delay_us, window_bytes);
                connection.start_slowly(self.transport.first_window_bytes());
                let link = self.connections.add(connection);
                self.schedule(
                    self.now_us + delay_us,
                    peer,
                    Happening::Answer { link, opener },
                );
                self.schedule(
                    self.now_us + 2 * delay_us,
                    opener,
                    Happening::Greet { link, peer },
                );
            }
            Some(Some(Death::Silent)) => {
                let at_us = self.now_us + CONNECT_TIMEOUT_US;
                self.schedule(at_us, opener, Happening::Refused { peer });
            }
            _ => {
                let at_us = self.now_us + 2 * delay_us;
                self.schedule(at_us, opener, Happening::Refused { peer });
            }
        }
    }

    pub(crate) fn send(&mut self, from: NodeIndex, link: LinkId, message: M, bytes: u64) {
        let bytes = self.transport.wire_bytes(bytes);
        let Some(connection) = self.connections.get_mut(link) else {
            return;
        };
        let lane = connection.lane_of(from);
        let lane = connection.lane_mut(lane);
        lane.add(message, bytes, self.now_us);
        self.queue(from, link);
        self.pump(from);
    }

    pub(crate) fn has_room(&mut self, from: NodeIndex, link: LinkId) -> bool {
        let Some(connection) = self.connections.get_mut(link) else {
            return false;
        };
        let lane = connection.lane_of(from);
        let lane = connection.lane_mut(lane);
        let room = lane.unsent_bytes < LOW_WATER_BYTES;
        lane.wants_room = !room;
        room
    }

    pub(crate) fn close(&mut self, node: NodeIndex, link: LinkId) {
        if let Some(connection) = self.connections.remove(link) {
            let other = connection.lane(connection.lane_of(node)).to;
            self.schedule(
                self.now_us + connection.delay_us,
                other,
                Happening::Down { link },
            );
        }
    }

    pub(crate) fn kill(&mut self, node: NodeIndex, death: Death) {
        self.end_life(node, Some(death));
        if death == Death::Reset {
            self.reset_links_of(node);
        } else {
            for link in self.connections.of(node) {
                let lanes = self.connections.get_mut(link).map(|known| &mut known.lanes);
                for lane in lanes.into_iter().flatten().filter(|lane| lane.from == node) {
                    lane.unsent.clear();
                }
            }
        }
    }

    pub(crate) fn revive(&mut self, node: NodeIndex) {
        self.reset_links_of(node);
        self.end_life(node, None);
        self.schedule(self.now_us, node, Happening::Start);
    }

    fn end_life(&mut self, node: NodeIndex, death: Option<Death>) {
        if let Some(health) = self.health.get_mut(node) {
            health.life += 1;
            health.death = death;
        }
        if let Some(port) = self.ports.get_mut(node) {
            port.waiting.clear();
            port.sending = false;
        }
    }

    fn reset_links_of(&mut self, node: NodeIndex) {
        for link in self.connections.of(node) {
            self.close(node, link);
        }
    }

    fn answer(&mut self, node: NodeIndex, link: LinkId, opener: NodeIndex) -> Option<Event<M>> {
        self.connections.get(link)?;
        debug_assert_ne!(node, opener);
        Some(Event::LinkUp {
            link,
            peer: opener,
            opened: false,
        })
    }

    fn queue(&mut self, from: NodeIndex, link: LinkId) {
        let Some(connection) = self.connections.get_mut(link) else {
            return;
        };
        let window_bytes = connection.window_bytes;
        let lane = connection.lane_of(from);
        let lane = connection.lane_mut(lane);
        let window_bytes = window_bytes.min(lane.allowed_bytes);
        let blocked = lane.under_way_bytes > 0
            && lane
                .unsent
                .front()
                .is_some_and(|(_, bytes)| lane.under_way_bytes + bytes > window_bytes);
        if lane.queued || lane.unsent.is_empty() || blocked {
            return;
        }
        lane.queued = true;
        if let Some(port) = self.ports.get_mut(from) {
            port.waiting.push_back(link);
        }
    }

    /// Puts the next message on an idle uplink.
    fn pump(&mut self, node: NodeIndex) {
        let Some(port) = self.ports.get_mut(node).filter(|port| !port.sending) else {
            return;
        };
        let (up_bps, gate) = (port.up_bps, port.gate);
        while let Some(link) = port.waiting.pop_front() {
            let Some(connection) = self.connections.get_mut(link) else {
                continue;
            };
            let index = connection.lane_of(node);
            let delay_us = connection.delay_us;
            let lane = connection.lane_mut(index);
            lane.queued = false;
            let Some((message, bytes)) = lane.unsent.pop_front() else {
                continue;
            };
            lane.under_way_bytes += bytes;
            let to = lane.to;
            let waits_us = waits_for_window(bytes, lane.allowed_bytes) * 2 * delay_us;
            port.sending = true;
            let acks_bytes = std::mem::take(&mut port.acks_bytes);
            port.sent_bytes += bytes + acks_bytes;
            let out_us = self.now_us + carry_us(bytes + acks_bytes, up_bps);
            let is_crossing = self.ports.get(to).is_some_and(|port| port.gate != gate);
            let (stage, delay_us) = if is_crossing {
                (Stage::Out, 0)
            } else {
                (Stage::Port, delay_us)
            };
            let tail_us = out_us + delay_us + waits_us;
            let head_us = self.now_us + delay_us;
            self.schedule(
                out_us,
                node,
                Happening::SentOut {
                    link,
                    lane: index,
                    bytes,
                },
            );
            let head = Happening::Head {
                link,
                lane: index,
                stage,
                tail_us,
                bytes,
                message,
            };
            self.schedule(head_us, to, head);
            self.queue(node, link);
            return;
        }
    }

    fn sent_out(
        &mut self,
        node: NodeIndex,
        link: LinkId,
        lane: LaneIndex,
        bytes: u64,
    ) -> Option<Event<M>> {
        if let Some(port) = self.ports.get_mut(node) {
            port.sending = false;
        }
        let mut event = None;
        if let Some(connection) = self.connections.get_mut(link) {
            let lane = connection.lane_mut(lane);
            lane.unsent_bytes = lane.unsent_bytes.saturating_sub(bytes);
            if lane.wants_room && lane.unsent_bytes < LOW_WATER_BYTES {
                lane.wants_room = false;
                event = Some(Event::Writable { link });
            }
        }
        self.pump(node);
        event
    }

    fn arrived(&mut self, node: NodeIndex, cargo: Cargo<M>) -> Option<Event<M>> {
        let connection = self.connections.get(cargo.link)?;
        let Cargo {
            link,
            lane,
            bytes,
            message,
        } = cargo;
        let from = connection.lane(lane).from;
        let at_us = self.now_us + connection.delay_us;
        self.schedule(at_us, from, Happening::Taken { link, lane, bytes });
        let acks_bytes = self.transport.ack_bytes(bytes);
        if let Some(port) = self.ports.get_mut(node) {
            port.received_bytes += bytes;
            // On an idle uplink they are gone at once, and cost nobody anything.
            if port.sending {
                port.acks_bytes += acks_bytes;
            }
        }
        Some(Event::Received { link, message })
    }

    fn taken(&mut self, node: NodeIndex, link: LinkId, lane: LaneIndex, bytes: u64) {
        if let Some(connection) = self.connections.get_mut(link) {
            connection.lane_mut(lane).take(bytes, self.now_us);
        }
        if let Some(port) = self.ports.get_mut(node) {
            let acks_bytes = self.transport.ack_bytes(bytes);
            port.down.pass(acks_bytes, self.now_us, self.now_us);
        }
        self.queue(node, link);
        self.pump(node);
    }
}
