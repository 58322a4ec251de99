//! The core's state and its public face. What it does is in the modules beside it.

use std::collections::VecDeque;
use std::ops::Range;

use wire::limits::{CHUNK_COUNT_MAX, STRAND_PULLED};
use wire::peer::Message;
use wire::{AssignmentId, NodeId};

use crate::fault::Fault;
use crate::have_map::HaveMap;
use crate::limits::{DISTRUST_MS, NEWS_MAX, TICK_MS};
use crate::links::{Arrival, LinkId, LinkTable, Reach};
use crate::plan::{Peer, Plan, Role, Setup};
use crate::repair::{Asked, Flow};
use crate::status::Progress;
use crate::strand::Strand;
use crate::upstream::{Dial, Shun};

/// What the core wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a link; [`Core::outgoing_up`] or [`Core::connect_failed`] must follow.
    Connect {
        /// The node to reach.
        peer: Peer,
    },
    /// Send a control message, before any chunk that is not yet begun.
    Send {
        /// Where.
        link: LinkId,
        /// What; never HELLO, VOUCH or CHUNK.
        message: Message,
    },
    /// Close a link, after what was to be sent on it. The core has forgotten it already.
    Close {
        /// Which.
        link: LinkId,
        /// Why, for a log.
        reason: &'static str,
    },
    /// Everything is here. Comes once.
    Complete,
}

/// One session at one node. Takes the time with each call; `now_ms` must not go back.
///
/// Calls that happen once for each chunk and child ([`Core::on_chunk`], [`Core::next_for`],
/// [`Core::sent`], [`Core::receiving`]) are O(1) amortised and allocate nothing beyond the growth
/// of logs. After any call there may be actions ([`Core::next_action`]) and links that have
/// something to send ([`Core::next_ready`]).
#[derive(Debug)]
pub struct Core {
    pub(crate) assignment: AssignmentId,
    pub(crate) node: NodeId,
    pub(crate) role: Role,
    pub(crate) strand_count: u8,
    /// Its own link is slow: it asks that nobody waits for it.
    pub(crate) slow: bool,
    /// At least `strand_count`: logs of strands that a later plan has not are kept.
    pub(crate) strands: Vec<Strand>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) have: HaveMap,
    /// By chunk: the strand whose log holds it, or `STRAND_PULLED`.
    pub(crate) strand_of: Vec<u8>,
    pub(crate) vouched: u32,
    pub(crate) end: Option<u32>,
    pub(crate) complete: bool,
    /// The next chunk that the source deals.
    pub(crate) next_dealt: u32,
    /// How many were dealt by the last tick, and the most in a tick of late.
    pub(crate) dealt_at_tick: u32,
    pub(crate) dealt_pace: u32,
    pub(crate) links: LinkTable,
    pub(crate) ready: VecDeque<LinkId>,
    /// Children that came late and have not caught up.
    pub(crate) late: Vec<LinkId>,
    /// Chunks given to children that are not late, and when last.
    pub(crate) others_given: u64,
    pub(crate) others_given_ms: u64,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) dials: Vec<Dial>,
    pub(crate) shuns: Vec<Shun>,
    pub(crate) flow: Flow,
    /// When we last learned or got something, in whatever way.
    pub(crate) gain_ms: u64,
    pub(crate) ticked_ms: Option<u64>,
    pub(crate) pulsed_ms: u64,
    /// Chunks that peers were asked for; at most a few for each peer asked.
    pub(crate) asked: Vec<Asked>,
    pub(crate) pull_turn: usize,
    /// Pulled chunks that parents have not been told of.
    pub(crate) news: Vec<u32>,
    pub(crate) random: u64,
    /// Counters; the rest of it is filled in when it is asked for.
    pub(crate) totals: Progress,
}

impl Core {
    /// A session. Receivers ask for connections at the first [`Core::tick`].
    pub fn new(setup: Setup, now_ms: u64) -> Self {
        let Setup {
            assignment,
            node,
            role,
            plan,
            seed,
        } = setup;
        let mut core = Self {
            assignment,
            node,
            role,
            strand_count: 1,
            slow: false,
            strands: Vec::new(),
            peers: Vec::new(),
            have: HaveMap::new(),
            strand_of: Vec::new(),
            vouched: 0,
            end: None,
            complete: false,
            next_dealt: 0,
            dealt_at_tick: 0,
            dealt_pace: 0,
            links: LinkTable::default(),
            ready: VecDeque::new(),
            late: Vec::new(),
            others_given: 0,
            others_given_ms: 0,
            actions: VecDeque::new(),
            dials: Vec::new(),
            shuns: Vec::new(),
            flow: Flow::new(now_ms),
            gain_ms: now_ms,
            ticked_ms: None,
            pulsed_ms: now_ms,
            asked: Vec::new(),
            pull_turn: 0,
            news: Vec::with_capacity(NEWS_MAX),
            random: seed,
            totals: Progress::default(),
        };
        core.set_plan(plan, now_ms);
        core
    }

    /// Replaces the plan, at any time. A strand whose parent is still the first of its candidates
    /// goes on; another turns to its new first candidate and is served by the old parent until
    /// the new one is connected. Logs, children and chunks are kept.
    pub fn set_plan(&mut self, plan: Plan, now_ms: u64) {
        let Plan {
            strand_count,
            parents,
            peers,
            slow,
        } = plan.bounded(self.node);
        self.strand_count = strand_count;
        self.slow = slow;
        self.peers = peers;
        for (place, candidates) in parents.into_iter().enumerate() {
            match self.strands.get_mut(place) {
                Some(_) => self.replan(place, candidates, now_ms),
                None => self.strands.push(Strand::new(candidates, now_ms)),
            }
        }
        for place in usize::from(strand_count)..self.strands.len() {
            self.replan(place, Vec::new(), now_ms);
        }
        self.refresh_live();
        self.wake_hungry();
    }

    /// Digests of the first `chunks_known` chunks are known, and the chunk count once `end` is.
    /// Only what is known can be missing: chunks beyond are ignored.
    pub fn vouched(&mut self, chunks_known: u32, end: Option<u32>, now_ms: u64) {
        let known = chunks_known.min(CHUNK_COUNT_MAX);
        if known > self.vouched {
            self.vouched = known;
            self.have.reserve(known);
            self.strand_of.resize(known as usize, STRAND_PULLED);
            self.gain_ms = now_ms;
        }
        if self.end.is_none() && end.is_some() {
            self.end = end;
            self.gain_ms = now_ms;
        }
        self.check_complete();
    }

    /// Chunks that were verified from the file after a restart. Call it after
    /// [`Core::vouched`] and before the first link.
    pub fn restored(&mut self, have: impl IntoIterator<Item = Range<u32>>) {
        for range in have {
            self.have
                .insert_range(range.start..range.end.min(self.vouched));
        }
        self.check_complete();
    }

    /// Source only: chunks `[0, count)` are in the file and vouched for.
    pub fn produced(&mut self, count: u32) {
        if self.role == Role::Source {
            self.have
                .insert_range(self.have.prefix()..count.min(self.vouched));
            self.check_complete();
            self.wake_hungry();
        }
    }

    /// A connection that the core asked for is up and greeted. One that is no longer wanted is
    /// closed by an action.
    pub fn outgoing_up(&mut self, link: LinkId, node: NodeId, now_ms: u64) {
        self.link_up(link, node, true, now_ms);
        self.greet_parent(link, node, now_ms);
    }

    /// A link turned out to be a long way, which others share: its other end is not asked for what
    /// strands will bring anyway.
    pub fn mark_far(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(link) {
            link.reach = Reach::Far;
        }
    }

    /// A node has connected to this one and is greeted. Its first ATTACH then comes by
    /// [`Core::on_message`].
    pub fn incoming_up(&mut self, link: LinkId, node: NodeId, now_ms: u64) {
        self.link_up(link, node, false, now_ms);
    }

    /// A link is gone, by the other end or by an error. Unknown links are ignored.
    pub fn link_down(&mut self, link: LinkId, now_ms: u64) {
        self.forget_link(link, now_ms);
    }

    /// A connection that the core asked for did not come up.
    pub fn connect_failed(&mut self, node: NodeId, now_ms: u64) {
        self.dial_failed(node, now_ms);
    }

    /// A control message came by a link.
    ///
    /// # Errors
    /// What is wrong with it. Nothing has changed; the caller closes the link and calls
    /// [`Core::link_down`].
    pub fn on_message(
        &mut self,
        link: LinkId,
        message: &Message,
        now_ms: u64,
    ) -> Result<(), Fault> {
        let known = self.links.get_mut(link).ok_or(Fault::UnknownLink)?;
        known.heard_ms = now_ms;
        match message {
            Message::Attach {
                assignment,
                strand,
                have,
                ..
            } => self.on_attach(link, *assignment, *strand, have, now_ms),
            Message::Detach { strand } => self.on_detach(link, *strand),
            Message::Refuse { reason, strand, .. } => {
                self.on_refuse(link, *reason, *strand, now_ms);
                Ok(())
            }
            Message::Pull { ranges } => self.on_pull(link, ranges, now_ms),
            Message::Have { ranges } => self.on_have(link, ranges, now_ms),
            Message::Status {
                have_count,
                vouched_count,
                backlog,
                complete,
                slow,
                log_lengths,
            } => {
                let said = crate::links::Said {
                    have_count: *have_count,
                    vouched_count: *vouched_count,
                    backlog: *backlog,
                    complete: *complete,
                    slow: *slow,
                    unlogged: log_lengths
                        .iter()
                        .fold(0, |sum: u32, log| sum.saturating_add(*log))
                        < *have_count,
                };
                self.on_status(link, said, log_lengths, now_ms)
            }
            Message::Hello { .. }
            | Message::Vouch { .. }
            | Message::Chunk { .. }
            | Message::Talk
            | Message::Probe { .. }
            | Message::Probed { .. } => Err(Fault::OutOfPlace),
        }
    }

    /// Something came by a link that the relay handles alone: a VOUCH, part of any message.
    pub fn heard(&mut self, link: LinkId, now_ms: u64) {
        if let Some(link) = self.links.get_mut(link) {
            link.heard_ms = now_ms;
        }
    }

    /// Bytes of a chunk that is not whole yet came by a link: it lives, however slow it is. At the
    /// pace of a slow link at least, its strand does too.
    pub fn receiving(&mut self, id: LinkId, strand: u8, missing_bytes: usize, now_ms: u64) {
        let serves = self.is_fed_by(id, strand);
        let counts = serves || self.asked.iter().any(|asked| asked.link == id);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.heard_ms = now_ms;
        if !counts {
            return;
        }
        let begun = Arrival::begin(missing_bytes, now_ms);
        let arrival = link.arriving.get_or_insert(begun);
        arrival.go_on(missing_bytes, now_ms);
        if serves && arrival.is_paced(now_ms) {
            self.flow.at_ms = now_ms;
        }
    }

    /// A chunk came by a link, was verified and is stored. `strand` is what the peer said.
    /// Returns whether it was new; a duplicate is counted.
    pub fn on_chunk(&mut self, link: LinkId, strand: u8, index: u32, now_ms: u64) -> bool {
        if index >= self.vouched {
            return false;
        }
        let new = self.have.insert(index);
        self.note_arrival(link, strand, index, new, now_ms);
        if usize::from(strand) < self.strands.len() {
            self.append(strand, index);
        }
        if new {
            self.gain_ms = now_ms;
            self.check_complete();
        }
        new
    }

    /// A chunk that came by a link did not match its digest. The link is closed and its node is
    /// not asked for anything for half a minute.
    pub fn corrupt(&mut self, link: LinkId, now_ms: u64) {
        self.totals.corrupt_chunks += 1;
        let Some(node) = self.links.get(link).map(|known| known.node) else {
            return;
        };
        self.close_link(link, "sent a corrupt chunk", now_ms);
        self.shun_until(node, now_ms + DISTRUST_MS);
    }

    /// The next chunk to send on a link and the strand to send it in, in the order in which they
    /// are to be sent; `None` when there is nothing now. Once it has said `None`, the link comes
    /// up in [`Core::next_ready`] as soon as there is something. What it returns counts as given.
    pub fn next_for(&mut self, link: LinkId, now_ms: u64) -> Option<(u32, u8)> {
        let next = self.pick(link, now_ms);
        if let Some(link) = self.links.get_mut(link) {
            link.note_asked(next.is_some(), now_ms);
        }
        self.pulse(now_ms);
        next
    }

    /// Whether a link's child is behind: there is more for it than it is given.
    pub fn is_late(&self, link: LinkId) -> bool {
        self.links
            .get(link)
            .is_some_and(super::links::Link::is_late)
    }

    /// A chunk that [`Core::next_for`] gave was handed to the link's socket entirely.
    pub fn sent(&mut self, link: LinkId, index: u32, now_ms: u64) {
        debug_assert!(index < CHUNK_COUNT_MAX);
        self.totals.sent_chunks += 1;
        if let Some(link) = self.links.get_mut(link) {
            link.used_ms = now_ms;
        }
    }

    /// Does what time demands. Call it each [`TICK_MS`]; more often does nothing.
    pub fn tick(&mut self, now_ms: u64) {
        if self
            .ticked_ms
            .is_some_and(|last| now_ms.saturating_sub(last) < TICK_MS / 2)
        {
            return;
        }
        self.ticked_ms = Some(now_ms);
        self.measure_pace();
        self.judge_children(now_ms);
        if self.role == Role::Receiver {
            self.tend_parents(now_ms);
            self.tend_pulls(now_ms);
        }
        self.close_unused(now_ms);
        self.tell_status(now_ms);
        self.wake_hungry();
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Everything that is to do.
    pub fn take_actions(&mut self) -> Vec<Action> {
        self.actions.drain(..).collect()
    }

    /// A link that had nothing to send and now may have.
    pub fn next_ready(&mut self) -> Option<LinkId> {
        while let Some(id) = self.ready.pop_front() {
            if let Some(link) = self.links.get_mut(id) {
                link.in_ready = false;
                return Some(id);
            }
        }
        None
    }

    /// All links that had nothing to send and now may have.
    pub fn ready_links(&mut self) -> Vec<LinkId> {
        std::iter::from_fn(|| self.next_ready()).collect()
    }

    /// Whether a chunk is here, so that a copy of it need not be hashed and stored.
    pub fn has(&self, index: u32) -> bool {
        self.have.contains(index)
    }

    /// Which chunks are here.
    pub fn have(&self) -> &HaveMap {
        &self.have
    }

    /// How far the session is. O(links).
    pub fn progress(&self) -> Progress {
        self.summarize()
    }

    /// By strand, the node that serves it.
    pub fn parents(&self) -> impl Iterator<Item = Option<NodeId>> {
        self.strands
            .iter()
            .take(usize::from(self.strand_count))
            .map(|strand| {
                let link = self.links.get(strand.parent()?)?;
                Some(link.node)
            })
    }

    /// Every node that is served in a strand, and by which link.
    pub fn children(&self) -> impl Iterator<Item = (LinkId, NodeId)> {
        let served = self.links.iter().filter(|(_, link)| !link.feeds.is_empty());
        served.map(|(id, link)| (id, link.node))
    }

    pub(crate) fn send(&mut self, link: LinkId, message: Message) {
        self.actions.push_back(Action::Send { link, message });
    }

    /// Makes a link that was told that there is nothing come up again.
    pub(crate) fn wake(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(id)
            && link.hungry
            && !link.in_ready
        {
            link.in_ready = true;
            self.ready.push_back(id);
        }
    }

    /// A random number; the same seed and the same calls give the same.
    pub(crate) fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// How many chunks there can be: the end when it is known, else the protocol's limit.
    pub(crate) fn bound(&self) -> u32 {
        self.end.unwrap_or(CHUNK_COUNT_MAX)
    }
}
