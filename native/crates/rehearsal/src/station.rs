//! A node of the simulation: the core, and what a relay does around it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use simnet::{Event, Io, LinkId, NodeIndex, Process};
use spread::{Action, Core, HaveMap, Peer, Plan, Role, Setup};
use wire::NodeId;
use wire::peer::{Message, Refusal};

const ASSIGNMENT: [u8; 16] = [7; 16];
const TICK_US: u64 = spread::limits::TICK_MS * 1000;
const TICK: u64 = 0;
const PRODUCE: u64 = 1;
const OPEN: u64 = 2;
const CONTROL_BYTES: u64 = 64;
/// Chunks that a vouch covers, as packing makes them.
const VOUCH_CHUNKS: u32 = 256;
/// Every node listens here, at an address of its own that is its index.
const PORT: u16 = 1;

/// What goes over a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A message of the core; few are, and what is under way should be small.
    Control(Box<Message>),
    /// What the relay passes on of the source's word: how many chunks there are.
    Vouch {
        /// Chunks whose digests are known.
        known: u32,
        /// All of them, once that is known.
        end: Option<u32>,
    },
    /// A chunk.
    Chunk {
        /// Which.
        index: u32,
        /// The strand it goes in.
        strand: u8,
    },
}

/// How a node misbehaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guile {
    /// It counts chunks as sent and sends none.
    pub withholds_chunks: bool,
    /// It passes on no vouch.
    pub withholds_vouches: bool,
    /// It says that all there is waits for its children.
    pub exaggerates_backlog: bool,
}

/// What is made, how large its chunks are and how fast the source makes them.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// How many chunks there will be.
    pub chunk_count: u32,
    /// The size of each.
    pub chunk_bytes: u64,
    /// Chunks that the source makes each 10 ms; 0: all are there at once.
    pub made_per_10_ms: u32,
}

/// A node: the core, and what a relay does around it.
pub struct Station {
    core: Core,
    content: Content,
    role: Role,
    known: u32,
    end: Option<u32>,
    /// By link: up to where its peer was given vouches; `None` before its ATTACH.
    links: BTreeMap<LinkId, Option<u32>>,
    greeted: BTreeMap<LinkId, NodeId>,
    /// It knows of chunks that it has not told its children of.
    has_news: bool,
    guile: Guile,
    /// The order to take part comes at this time; `None`: with the first parent that it is given.
    opens_us: Option<u64>,
    /// The source makes nothing until then.
    paused_until_us: u64,
    /// When it had everything.
    pub completed_us: Option<u64>,
    /// Messages of peers that the core refused.
    pub faults: u32,
    /// Wake-ups of links that then had nothing.
    pub idle_wakes: u64,
}

/// The identity of the node with an index.
pub fn node_id(node: NodeIndex) -> NodeId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(node as u64).to_le_bytes());
    id
}

/// The node with an index as plans name it.
pub fn peer(node: NodeIndex) -> Peer {
    let index = u32::try_from(node).unwrap_or(u32::MAX);
    Peer {
        node: node_id(node),
        address: SocketAddr::from((Ipv4Addr::from_bits(index), PORT)),
    }
}

fn index_of(peer: Peer) -> NodeIndex {
    match peer.address {
        SocketAddr::V4(address) => address.ip().to_bits() as NodeIndex,
        SocketAddr::V6(_) => NodeIndex::MAX,
    }
}

impl Station {
    /// A node with its part of the plan, which takes part from `opens_us` on; `None`: from when it
    /// is first given a parent.
    pub fn new(
        node: NodeIndex,
        role: Role,
        plan: Plan,
        content: Content,
        opens_us: Option<u64>,
    ) -> Self {
        let setup = setup_of(node, role, plan);
        Self {
            core: Core::new(setup, opens_us.unwrap_or_default() / 1000),
            content,
            role,
            known: 0,
            end: None,
            links: BTreeMap::new(),
            greeted: BTreeMap::new(),
            has_news: false,
            guile: Guile::default(),
            opens_us,
            paused_until_us: 0,
            completed_us: None,
            faults: 0,
            idle_wakes: 0,
        }
    }

    /// What is on its disk: known chunk count, the end, and the chunks.
    pub fn disk(&self) -> (u32, Option<u32>, HaveMap) {
        (self.known, self.end, self.core.have().clone())
    }

    /// Takes over what an earlier life left on the disk.
    #[must_use]
    pub fn with_disk(mut self, (known, end, have): &(u32, Option<u32>, HaveMap)) -> Self {
        (self.known, self.end) = (*known, *end);
        let opens_ms = self.opens_us.unwrap_or_default() / 1000;
        self.core.vouched(*known, *end, opens_ms);
        self.core.restored(have.ranges());
        self
    }

    /// Has it misbehave from now on.
    pub fn set_guile(&mut self, guile: Guile) {
        self.guile = guile;
    }

    /// Has the source make nothing until then.
    pub fn pause(&mut self, until_us: u64) {
        self.paused_until_us = until_us;
    }

    /// The core, to be asked.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Whether it has everything.
    pub fn is_complete(&self) -> bool {
        self.core.progress().complete
    }

    /// Gives it another part of the plan.
    pub fn set_plan(&mut self, plan: Plan, io: &mut Io<'_, Word>) {
        if self.opens_us.is_some() {
            self.core.set_plan(plan, now_ms(io));
        } else if !plan.parents.iter().all(Vec::is_empty) {
            self.opens_us = Some(io.now_us());
            self.core = Core::new(setup_of(io.node(), self.role, plan), now_ms(io));
            self.open(io);
        }
        self.settle(io);
    }

    fn is_open(&self, io: &Io<'_, Word>) -> bool {
        self.opens_us
            .is_some_and(|opens_us| io.now_us() >= opens_us)
    }

    fn tick(&mut self, io: &mut Io<'_, Word>) {
        self.core.tick(now_ms(io));
        let jitter_us = io.random().below(5_000);
        io.set_timer(io.now_us() + TICK_US + jitter_us, TICK);
    }

    fn produce(&mut self, io: &mut Io<'_, Word>) {
        if io.now_us() < self.paused_until_us {
            io.set_timer(self.paused_until_us, PRODUCE);
            return;
        }
        let total = self.content.chunk_count;
        let made = match self.content.made_per_10_ms {
            0 => total,
            step => (self.known + step).min(total),
        };
        self.learn(made, (made == total).then_some(total), now_ms(io));
        self.core.produced(made);
        if made < total {
            io.set_timer(io.now_us() + 10_000, PRODUCE);
        }
    }

    fn learn(&mut self, known: u32, end: Option<u32>, now_ms: u64) {
        self.has_news |= known > self.known || (self.end.is_none() && end.is_some());
        self.known = self.known.max(known);
        self.end = self.end.or(end);
        self.core.vouched(self.known, self.end, now_ms);
    }

    fn open(&mut self, io: &mut Io<'_, Word>) {
        if self.role == Role::Source {
            self.produce(io);
        }
        self.tick(io);
    }

    fn on_word(&mut self, link: LinkId, word: Word, io: &mut Io<'_, Word>) {
        let now = now_ms(io);
        match word {
            Word::Control(message) => self.on_control(link, &message, io),
            Word::Vouch { known, end } => {
                self.core.heard(link, now);
                self.learn(known, end, now);
            }
            Word::Chunk { index, strand } => {
                assert!(index < self.known, "a chunk before its vouch");
                self.core.on_chunk(link, strand, index, now);
            }
        }
    }

    fn on_control(&mut self, link: LinkId, message: &Message, io: &mut Io<'_, Word>) {
        let now = now_ms(io);
        if let Message::Attach {
            strand,
            vouched_count,
            ..
        } = message
        {
            if !self.is_open(io) {
                let (reason, text) = (Refusal::UnknownAssignment, String::new());
                let refusal = Message::Refuse {
                    reason,
                    strand: *strand,
                    text,
                };
                io.send(link, Word::Control(Box::new(refusal)), CONTROL_BYTES);
                return;
            }
            if let Some(node) = self.greeted.remove(&link) {
                self.core.incoming_up(link, node, now);
            }
            let from = self.links.get(&link).copied().flatten().unwrap_or(u32::MAX);
            self.links.insert(link, Some((*vouched_count).min(from)));
            self.has_news = true;
        }
        if self.core.on_message(link, message, now).is_err() {
            self.faults += 1;
            self.links.remove(&link);
            self.core.link_down(link, now);
            io.close(link);
        }
    }

    /// Makes a lie of what the core says, if it is to lie.
    fn bend(&self, message: &mut Message) {
        if let Message::Status { backlog, .. } = message
            && self.guile.exaggerates_backlog
        {
            *backlog = self.content.chunk_count;
        }
    }

    /// Does what the core wants and serves who has room, until there is nothing to do.
    fn settle(&mut self, io: &mut Io<'_, Word>) {
        while let Some(action) = self.core.next_action() {
            match action {
                Action::Connect { peer } => io.connect(index_of(peer)),
                Action::Send { link, mut message } => {
                    self.bend(&mut message);
                    let bytes = message.encode().len() as u64;
                    io.send(link, Word::Control(Box::new(message)), bytes);
                }
                Action::Close { link, .. } => {
                    self.links.remove(&link);
                    io.close(link);
                }
                Action::Complete => self.completed_us = Some(io.now_us()),
            }
        }
        if std::mem::take(&mut self.has_news) {
            let attached = self.links.iter().filter(|(_, given)| given.is_some());
            let attached: Vec<LinkId> = attached.map(|(link, _)| *link).collect();
            for link in attached {
                self.serve(link, io);
            }
        }
        while let Some(link) = self.core.next_ready() {
            let sent = self.serve(link, io);
            self.idle_wakes += u64::from(!sent);
        }
    }

    fn serve(&mut self, link: LinkId, io: &mut Io<'_, Word>) -> bool {
        let mut sent = false;
        while io.has_room(link) {
            if let Some(Some(given)) = self.links.get_mut(&link)
                && *given < self.known
                && !self.guile.withholds_vouches
            {
                let known = self.known.min(*given + VOUCH_CHUNKS);
                let end = self.end.filter(|_| known == self.known);
                let bytes = 150 + 32 * u64::from(known - *given);
                *given = known;
                io.send(link, Word::Vouch { known, end }, bytes);
                continue;
            }
            if self.guile.withholds_vouches {
                return sent;
            }
            let Some((index, strand)) = self.core.next_for(link, now_ms(io)) else {
                return sent;
            };
            assert!(self.core.has(index), "sends what it does not have");
            sent = true;
            self.core.sent(link, index, now_ms(io));
            if !self.guile.withholds_chunks {
                let bytes = self.content.chunk_bytes + 16;
                io.send(link, Word::Chunk { index, strand }, bytes);
            }
        }
        sent
    }
}

impl Process for Station {
    type Message = Word;

    fn handle(&mut self, event: Event<Word>, io: &mut Io<'_, Word>) {
        let now = now_ms(io);
        match event {
            Event::Started if self.is_open(io) => self.open(io),
            Event::Started => {
                if let Some(opens_us) = self.opens_us {
                    io.set_timer(opens_us, OPEN);
                }
            }
            Event::Timer(OPEN) => self.open(io),
            Event::Timer(PRODUCE) => self.produce(io),
            Event::Timer(_) => self.tick(io),
            Event::LinkUp {
                link,
                peer,
                opened: true,
            } => {
                self.links.insert(link, None);
                self.core.outgoing_up(link, node_id(peer), now);
            }
            Event::LinkUp {
                link,
                peer,
                opened: false,
            } => {
                self.greeted.insert(link, node_id(peer));
            }
            Event::LinkDown { link } => {
                self.greeted.remove(&link);
                self.links.remove(&link);
                self.core.link_down(link, now);
            }
            Event::ConnectFailed { peer } => self.core.connect_failed(node_id(peer), now),
            Event::Received { link, message } => self.on_word(link, message, io),
            Event::Writable { link } => {
                self.serve(link, io);
            }
        }
        self.settle(io);
    }
}

fn setup_of(node: NodeIndex, role: Role, plan: Plan) -> Setup {
    Setup {
        assignment: ASSIGNMENT,
        node: node_id(node),
        role,
        plan,
        seed: node as u64 * 77 + 1,
    }
}

fn now_ms(io: &Io<'_, Word>) -> u64 {
    io.now_us() / 1000
}
