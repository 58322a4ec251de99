//! Ports, connections and the queue of what happens next. Knows no process.

use std::collections::BTreeMap;

use crate::network::{Death, Event};
use crate::random::Random;
use crate::wires::{Connection, LinkId, NodeIndex, Port, Rates, carry_us};

/// Unsent bytes below which a connection asks its sender for more.
const LOW_WATER_BYTES: u64 = 16 * 1024;
/// Time until an attempt to reach a node that does not answer fails.
const CONNECT_TIMEOUT_US: u64 = 3_000_000;

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
        lane: usize,
        bytes: u64,
    },
    Head {
        link: LinkId,
        lane: usize,
        tail_us: u64,
        bytes: u64,
        message: M,
    },
    Arrived {
        link: LinkId,
        lane: usize,
        bytes: u64,
        message: M,
    },
    Taken {
        link: LinkId,
        lane: usize,
        bytes: u64,
    },
    Down {
        link: LinkId,
    },
}

struct Due<M> {
    node: NodeIndex,
    /// Whose life it belongs to: what was meant for an earlier life of the node is dropped.
    life: u32,
    happening: Happening<M>,
}

struct Health {
    life: u32,
    death: Option<Death>,
}

pub(crate) struct Fabric<M> {
    pub(crate) now_us: u64,
    pub(crate) random: Random,
    order: u64,
    due: BTreeMap<(u64, u64), Due<M>>,
    ports: Vec<Port>,
    health: Vec<Health>,
    connections: BTreeMap<LinkId, Connection<M>>,
    next_link: LinkId,
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
            order: 0,
            due: BTreeMap::new(),
            ports: Vec::new(),
            health: Vec::new(),
            connections: BTreeMap::new(),
            next_link: 1,
            window_bytes,
            delay_us,
        }
    }

    pub(crate) fn add_port(&mut self, rates: Rates) -> NodeIndex {
        let node = self.ports.len();
        self.ports.push(Port::new(rates));
        self.health.push(Health {
            life: 0,
            death: None,
        });
        self.schedule(self.now_us, node, Happening::Start);
        node
    }

    pub(crate) fn set_rates(&mut self, node: NodeIndex, rates: Rates) {
        if let Some(port) = self.ports.get_mut(node) {
            port.rates = rates;
        }
    }

    pub(crate) fn carried_bytes(&self, node: NodeIndex) -> (u64, u64) {
        self.ports
            .get(node)
            .map_or((0, 0), |port| (port.sent_bytes, port.received_bytes))
    }

    pub(crate) fn schedule(&mut self, at_us: u64, node: NodeIndex, happening: Happening<M>) {
        let life = self.health.get(node).map_or(0, |health| health.life);
        self.order += 1;
        self.due.insert(
            (at_us, self.order),
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
            let entry = self.due.first_entry()?;
            let at_us = entry.key().0;
            if at_us > until_us {
                return None;
            }
            let due = entry.remove();
            self.now_us = self.now_us.max(at_us);
            if self
                .health
                .get(due.node)
                .is_some_and(|health| health.life == due.life)
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
            Happening::Greet { link, peer } => Some(match self.connections.get(&link) {
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
                tail_us,
                bytes,
                message,
            } => {
                self.head(
                    node,
                    Cargo {
                        link,
                        lane,
                        bytes,
                        message,
                    },
                    tail_us,
                );
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
        let link = self.next_link;
        self.next_link += 1;
        let delay_us = (self.delay_us)(opener, peer);
        match self.health.get(peer).map(|health| health.death) {
            Some(None) if peer != opener => {
                self.connections
                    .insert(link, Connection::new(opener, peer, delay_us));
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
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        let lane = connection.lane_of(from);
        let lane = &mut connection.lanes[lane];
        lane.unsent.push_back((message, bytes));
        lane.unsent_bytes += bytes;
        self.queue(from, link);
        self.pump(from);
    }

    pub(crate) fn has_room(&mut self, from: NodeIndex, link: LinkId) -> bool {
        let Some(connection) = self.connections.get_mut(&link) else {
            return false;
        };
        let lane = connection.lane_of(from);
        let lane = &mut connection.lanes[lane];
        let room = lane.unsent_bytes < LOW_WATER_BYTES;
        lane.wants_room = !room;
        room
    }

    pub(crate) fn close(&mut self, node: NodeIndex, link: LinkId) {
        if let Some(connection) = self.connections.remove(&link) {
            let other = connection.lanes[connection.lane_of(node)].to;
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
            for connection in self.connections.values_mut() {
                for lane in connection.lanes.iter_mut().filter(|lane| lane.from == node) {
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
        let touches = |connection: &Connection<M>| {
            connection.lanes[0].from == node || connection.lanes[1].from == node
        };
        let links: Vec<LinkId> = self
            .connections
            .iter()
            .filter(|(_, connection)| touches(connection))
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            self.close(node, link);
        }
    }

    fn answer(&mut self, node: NodeIndex, link: LinkId, opener: NodeIndex) -> Option<Event<M>> {
        self.connections.get(&link)?;
        debug_assert_ne!(node, opener);
        Some(Event::LinkUp {
            link,
            peer: opener,
            opened: false,
        })
    }

    fn queue(&mut self, from: NodeIndex, link: LinkId) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        let lane = connection.lane_of(from);
        let lane = &mut connection.lanes[lane];
        let blocked = lane.under_way_bytes > 0
            && lane
                .unsent
                .front()
                .is_some_and(|(_, bytes)| lane.under_way_bytes + bytes > self.window_bytes);
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
        let up_bps = port.rates.up_bps;
        while let Some(link) = port.waiting.pop_front() {
            let Some(connection) = self.connections.get_mut(&link) else {
                continue;
            };
            let index = connection.lane_of(node);
            let delay_us = connection.delay_us;
            let lane = &mut connection.lanes[index];
            lane.queued = false;
            let Some((message, bytes)) = lane.unsent.pop_front() else {
                continue;
            };
            lane.under_way_bytes += bytes;
            let to = lane.to;
            port.sending = true;
            port.sent_bytes += bytes;
            let out_us = self.now_us + carry_us(bytes, up_bps);
            let tail_us = out_us + delay_us;
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
        lane: usize,
        bytes: u64,
    ) -> Option<Event<M>> {
        if let Some(port) = self.ports.get_mut(node) {
            port.sending = false;
        }
        let mut event = None;
        if let Some(connection) = self.connections.get_mut(&link) {
            let lane = &mut connection.lanes[lane];
            lane.unsent_bytes = lane.unsent_bytes.saturating_sub(bytes);
            if lane.wants_room && lane.unsent_bytes < LOW_WATER_BYTES {
                lane.wants_room = false;
                event = Some(Event::Writable { link });
            }
        }
        self.pump(node);
        event
    }

    fn head(&mut self, node: NodeIndex, cargo: Cargo<M>, tail_us: u64) {
        let Some(port) = self.ports.get_mut(node) else {
            return;
        };
        let begin_us = port.down_free_us.max(self.now_us);
        let end_us = tail_us.max(begin_us + carry_us(cargo.bytes, port.rates.down_bps));
        port.down_free_us = end_us;
        let Cargo {
            link,
            lane,
            bytes,
            message,
        } = cargo;
        self.schedule(
            end_us,
            node,
            Happening::Arrived {
                link,
                lane,
                bytes,
                message,
            },
        );
    }

    fn arrived(&mut self, node: NodeIndex, cargo: Cargo<M>) -> Option<Event<M>> {
        let connection = self.connections.get(&cargo.link)?;
        let Cargo {
            link,
            lane,
            bytes,
            message,
        } = cargo;
        let from = connection.lanes[lane].from;
        let at_us = self.now_us + connection.delay_us;
        self.schedule(at_us, from, Happening::Taken { link, lane, bytes });
        if let Some(port) = self.ports.get_mut(node) {
            port.received_bytes += bytes;
        }
        Some(Event::Received { link, message })
    }

    fn taken(&mut self, node: NodeIndex, link: LinkId, lane: usize, bytes: u64) {
        if let Some(connection) = self.connections.get_mut(&link) {
            let lane = &mut connection.lanes[lane];
            lane.under_way_bytes = lane.under_way_bytes.saturating_sub(bytes);
        }
        self.queue(node, link);
        self.pump(node);
    }
}

struct Cargo<M> {
    link: LinkId,
    lane: usize,
    bytes: u64,
    message: M,
}
