//! The links of a session and what is known of the peer at each one's other end.

use std::collections::VecDeque;

use wire::NodeId;
use wire::limits::STRAND_COUNT_MAX;

use crate::have_map::HaveMap;
use crate::limits::{ARRIVAL_BYTES, LAG_QUEUE, SAID_PARTS, TICK_MS, WITHHELD_MS};

/// Names a link; whoever drives the core chooses it and does not use it twice at a time.
pub type LinkId = u32;

/// One strand that a peer is served in.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) strand: u8,
    /// How much of the strand's log the peer was given or has skipped.
    pub(crate) cursor: usize,
    /// Slow, or late: nobody waits for it.
    pub(crate) lagging: bool,
    /// It came late and has not caught up: others go first.
    pub(crate) late: bool,
    /// Since when its queue is long; `None` from when it has caught up. One that only gets shorter
    /// does not begin anew: the queue to a slow child that its strand waits for swings.
    pub(crate) long_since_ms: Option<u64>,
}

/// What a peer last said of itself.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) have_count: u32,
    pub(crate) vouched_count: u32,
    pub(crate) backlog: u32,
    pub(crate) complete: bool,
    /// Its own link is slow: nobody waits for it.
    pub(crate) slow: bool,
    /// It has chunks that are in none of its logs, so that they must be pulled.
    pub(crate) unlogged: bool,
}

/// What was last said to a peer, and when.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) at_ms: Option<u64>,
    pub(crate) have_count: u32,
    pub(crate) backlog: u32,
    pub(crate) complete: bool,
    pub(crate) slow: bool,
}

/// A chunk that is not whole yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) since_ms: u64,
    /// When [`ARRIVAL_BYTES`] of it had last come, or it began to.
    marked_ms: u64,
    /// What was missing of it then.
    missing_bytes: usize,
}

impl Arrival {
    pub(crate) fn begin(missing_bytes: usize, now_ms: u64) -> Self {
        Self {
            since_ms: now_ms,
            marked_ms: now_ms,
            missing_bytes,
        }
    }

    pub(crate) fn go_on(&mut self, missing_bytes: usize, now_ms: u64) {
        if self.missing_bytes.saturating_sub(missing_bytes) >= ARRIVAL_BYTES {
            self.marked_ms = now_ms;
            self.missing_bytes = missing_bytes;
        }
    }

    /// Whether it comes at the pace of a slow link, and not at one that only looks alive.
    pub(crate) fn is_paced(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.marked_ms) < WITHHELD_MS
    }
}

/// How far the other end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Near,
    /// A long way lies between, which others share.
    Far,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) node: NodeId,
    /// This node opened it.
    pub(crate) outgoing: bool,
    pub(crate) reach: Reach,
    pub(crate) heard_ms: u64,
    /// When a strand last brought something by it, or it came up.
    pub(crate) fed_ms: u64,
    /// When it last served somebody, in either direction.
    pub(crate) used_ms: u64,
    /// The chunk that is now arriving, in a strand that it serves us in or pulled.
    pub(crate) arriving: Option<Arrival>,
    /// It was asked for the next chunk and there was none.
    pub(crate) hungry: bool,
    given_ms: u64,
    /// About how long it takes for one chunk, by those that followed one another; 0: nobody knows.
    pub(crate) chunk_ms: u64,
    pub(crate) in_ready: bool,
    pub(crate) feeds: Vec<Feed>,
    /// How many chunks others had been given when it was last given one as a late child.
    pub(crate) others_given: u64,
    /// Which feed is served next.
    pub(crate) turn: usize,
    /// What the peer has, as far as we know, and what it was given.
    pub(crate) peer_has: HaveMap,
    pub(crate) attach_count: u32,
    /// Chunks that the peer has asked for.
    pub(crate) pull_queue: VecDeque<u32>,
    /// Until when it is not asked again.
    pub(crate) lacks_until_ms: u64,
    pub(crate) said: Said,
    /// How long its backlog was waited for, less a part of the time in which it was short.
    waited_ms: u64,
    /// As of [`Link::weigh_word`].
    long_ms: u64,
    /// How long it said its logs are.
    pub(crate) said_logs: [u32; STRAND_COUNT_MAX as usize],
    pub(crate) told: Told,
}

impl Link {
    pub(crate) fn new(node: NodeId, outgoing: bool, now_ms: u64) -> Self {
        Self {
            node,
            outgoing,
            reach: Reach::Near,
            heard_ms: now_ms,
            fed_ms: now_ms,
            used_ms: now_ms,
            arriving: None,
            hungry: true,
            given_ms: now_ms,
            chunk_ms: 0,
            in_ready: false,
            feeds: Vec::new(),
            others_given: 0,
            turn: 0,
            peer_has: HaveMap::new(),
            attach_count: 0,
            pull_queue: VecDeque::new(),
            lacks_until_ms: 0,
            said: Said::default(),
            waited_ms: 0,
            long_ms: u64::MAX,
            said_logs: [0; STRAND_COUNT_MAX as usize],
            told: Told::default(),
        }
    }

    /// It is served in no strand in which it is not late.
    pub(crate) fn is_late(&self) -> bool {
        !self.feeds.is_empty() && self.feeds.iter().all(|feed| feed.late)
    }

    /// Whether its strands wait for it.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.said.complete && !self.said.slow
    }

    /// It was asked for the next chunk, because the one before has gone.
    pub(crate) fn note_asked(&mut self, was_given: bool, now_ms: u64) {
        if was_given {
            let took_ms = now_ms.saturating_sub(self.given_ms);
            if !self.hungry {
                self.chunk_ms = self.chunk_ms - self.chunk_ms / 4 + took_ms / 4;
            }
            self.given_ms = now_ms;
        }
        self.hungry = !was_given;
    }

    /// Keeps count, tick by tick, of how long its word has been waited for; who has waited for
    /// `long_ms` does not believe it any more.
    pub(crate) fn weigh_word(&mut self, long_ms: u64) {
        self.waited_ms = if self.said.backlog > LAG_QUEUE {
            long_ms.min(self.waited_ms + TICK_MS)
        } else {
            self.waited_ms.saturating_sub(TICK_MS / SAID_PARTS)
        };
        self.long_ms = long_ms;
    }

    /// What waits below the peer in a strand, of which it was given `given` chunks: what it says,
    /// less the one that a report fades by at each hop, so that none can go round for ever where
    /// plans of different age have closed a circle. Whoever keeps to the protocol soon waits for no
    /// slow child, so that who goes on saying that there is one is not believed.
    pub(crate) fn backlog_below(&self, given: usize) -> u32 {
        if self.waited_ms >= self.long_ms {
            return 0;
        }
        let given = u32::try_from(given).unwrap_or(u32::MAX);
        self.said.backlog.saturating_sub(1).min(given)
    }

    pub(crate) fn feed(&self, strand: u8) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.strand == strand)
    }
}

/// Links by id: sorted, so that their order never depends on a hash. A lookup is a binary search
/// in a few cache lines of ids.
#[derive(Debug, Default)]
pub(crate) struct LinkTable {
    ids: Vec<LinkId>,
    links: Vec<Link>,
}

impl LinkTable {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        let place = self.ids.binary_search(&id).ok()?;
        self.links.get(place)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let place = self.ids.binary_search(&id).ok()?;
        self.links.get_mut(place)
    }

    /// Adds a link; one that had the same id is returned.
    pub(crate) fn insert(&mut self, id: LinkId, link: Link) -> Option<Link> {
        match self.ids.binary_search(&id) {
            Ok(place) => self
                .links
                .get_mut(place)
                .map(|old| std::mem::replace(old, link)),
            Err(place) => {
                self.ids.insert(place, id);
                self.links.insert(place, link);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let place = self.ids.binary_search(&id).ok()?;
        self.ids.remove(place);
        Some(self.links.remove(place))
    }

    pub(crate) fn id_at(&self, place: usize) -> Option<LinkId> {
        self.ids.get(place).copied()
    }

    pub(crate) fn at_mut(&mut self, place: usize) -> Option<(LinkId, &mut Link)> {
        let id = *self.ids.get(place)?;
        self.links.get_mut(place).map(|link| (id, link))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.ids.iter().copied().zip(&self.links)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Link)> {
        self.ids.iter().copied().zip(&mut self.links)
    }

    /// The link that this node opened to `node`.
    pub(crate) fn outgoing_to(&self, node: NodeId) -> Option<LinkId> {
        self.iter()
            .find(|(_, link)| link.outgoing && link.node == node)
            .map(|(id, _)| id)
    }

    /// Whether there is any link with `node`.
    pub(crate) fn reaches(&self, node: NodeId) -> bool {
        self.links.iter().any(|link| link.node == node)
    }
}
