//! Pulling: exact ranges from whoever has them, when strands do not bring them. A PULL is
//! answered by HAVE (see `answer`), so that who asks learns at once what will come and what has
//! to be asked elsewhere.

use std::ops::Range;

use wire::peer::Message;

use crate::core::Core;
use crate::fault::Fault;
use crate::limits::{
    GAP_MS_MAX, GAP_PARTS, NEWS_MAX, PULL_CHUNKS, PULL_LACK_MS, PULL_LINKS_MAX, PULL_REFILL,
    PULL_TIMEOUT_MS, STALL_FED_MS, STALL_FIRST_MS, STALL_GAP_MS, STALL_MS, UNUSED_MS,
};
use crate::links::{Link, LinkId, Reach};
use crate::plan::{Peer, Role};

/// A chunk that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) link: LinkId,
    pub(crate) index: u32,
    pub(crate) at_ms: u64,
}

/// From whom something has to be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    /// From peers that have everything and are not giving us anything.
    FromIdle,
    FromAny,
}

/// What strands bring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    /// When they last brought something, or we began.
    pub(crate) at_ms: u64,
    /// Chunks that they brought in the last whole window of [`STALL_MS`].
    pub(crate) recent: u32,
    counted: u32,
    window_ms: u64,
    /// About how long the next chunk may take, by the longest that those before took.
    gap_ms: u64,
    begun: bool,
}

impl Flow {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            at_ms: now_ms,
            recent: 0,
            counted: 0,
            window_ms: now_ms,
            gap_ms: 0,
            begun: false,
        }
    }

    /// Strands have brought a chunk.
    pub(crate) fn note(&mut self, now_ms: u64) {
        let gap_ms = now_ms.saturating_sub(self.at_ms).min(GAP_MS_MAX);
        self.gap_ms = gap_ms.max(self.gap_ms - self.gap_ms / GAP_PARTS);
        self.at_ms = now_ms;
        self.begun = true;
        self.counted += 1;
    }

    /// Whether they have brought nothing for so long, and for much longer than a chunk takes.
    fn is_quiet(&self, now_ms: u64, for_ms: u64) -> bool {
        let longer_ms = self.gap_ms * for_ms / STALL_GAP_MS;
        now_ms.saturating_sub(self.at_ms) >= for_ms.max(longer_ms)
    }

    /// Ends the window if it is over.
    fn turn(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.window_ms) >= STALL_MS {
            self.recent = std::mem::take(&mut self.counted);
            self.window_ms = now_ms;
        }
    }
}

impl Core {
    /// A peer says what it has: an answer to a PULL, or news.
    pub(crate) fn on_have(
        &mut self,
        id: LinkId,
        ranges: &[Range<u32>],
        now_ms: u64,
    ) -> Result<(), Fault> {
        self.check_ranges(ranges)?;
        let link = self.links.get_mut(id).ok_or(Fault::UnknownLink)?;
        for range in ranges {
            link.peer_has.insert_range(range.clone());
        }
        let before = self.asked.len();
        self.asked
            .retain(|asked| asked.link != id || link.peer_has.contains(asked.index));
        if self.asked.len() < before && self.asked.iter().all(|asked| asked.link != id) {
            link.lacks_until_ms = now_ms + PULL_LACK_MS;
            let need = self.need(now_ms);
            self.ask(id, need, now_ms);
        }
        Ok(())
    }

    /// A chunk came that may have been asked for, of this peer or another.
    pub(crate) fn note_asked(&mut self, index: u32) {
        if !self.asked.is_empty() {
            self.asked.retain(|asked| asked.index != index);
        }
    }

    /// A chunk came by another way than from the parent of its strand, which will hear of it.
    pub(crate) fn note_news(&mut self, index: u32) {
        if self.news.len() < NEWS_MAX {
            self.news.push(index);
        }
    }

    /// A pulled chunk came, and the peer is asked for more.
    pub(crate) fn ask_more(&mut self, id: LinkId, now_ms: u64) {
        if self.asked_of(id) < PULL_REFILL {
            let need = self.need(now_ms);
            self.ask(id, need, now_ms);
        }
    }

    /// A peer will not give what it was asked for.
    pub(crate) fn pull_refused(&mut self, id: LinkId, now_ms: u64) {
        self.asked.retain(|asked| asked.link != id);
        if let Some(link) = self.links.get_mut(id) {
            link.lacks_until_ms = now_ms + PULL_LACK_MS;
        }
    }

    /// Tells news, gives up on who does not answer, asks who may have what is missing.
    pub(crate) fn tend_pulls(&mut self, now_ms: u64) {
        self.tell_news();
        self.give_up_asked(now_ms);
        self.flow.turn(now_ms);
        let need = self.need(now_ms);
        if need != Need::Nothing {
            self.ask_around(need, now_ms);
        }
        let alone = need == Need::FromAny && self.asked_links() < PULL_LINKS_MAX;
        if alone || self.lacks_vouches(now_ms) {
            self.dial_to_pull(now_ms);
        }
    }

    /// Closes links that we opened and that serve nobody.
    pub(crate) fn close_unused(&mut self, now_ms: u64) {
        let mut unused = Vec::new();
        for (id, link) in self.links.iter() {
            let idle = now_ms.saturating_sub(link.used_ms) > UNUSED_MS;
            if link.outgoing && idle && self.is_spare(id, link) {
                unused.push(id);
            }
        }
        for id in unused {
            self.close_link(id, "unused", now_ms);
        }
    }

    /// What has to be pulled now. Nothing while strands bring it. From anybody when they have
    /// brought nothing for long; but while they have parents and nobody around has what is in no
    /// log, it is most likely not out yet. From those who have everything and no more use for
    /// their uplink, when strands would still take long.
    fn need(&self, now_ms: u64) -> Need {
        if self.role == Role::Source || self.complete || self.have.count() >= self.vouched {
            return Need::Nothing;
        }
        let mut planned = self.strands.iter().take(usize::from(self.strand_count));
        let mut said = self.links.iter().map(|(_, link)| link.said);
        let begun = self.flow.begun;
        let fed_ms = if begun { STALL_FED_MS } else { STALL_FIRST_MS };
        // Until a first chunk has come, what a peer has in no log may yet come.
        let stalled = self.flow.is_quiet(now_ms, self.stall_ms())
            && (planned.any(|strand| strand.parent().is_none())
                || said.any(|said| said.complete || (begun && said.unlogged)));
        let missing = self.vouched - self.have.count();
        if stalled || self.flow.is_quiet(now_ms, fed_ms) {
            Need::FromAny
        } else if self.end.is_some() && missing > self.flow.recent {
            Need::FromIdle
        } else {
            Need::Nothing
        }
    }

    /// How long strands may bring nothing: long while the plan sets itself up, if it is to bring
    /// anything.
    fn stall_ms(&self) -> u64 {
        let mut strands = self.strands.iter();
        if self.flow.begun || strands.all(|strand| strand.candidates.is_empty()) {
            STALL_MS
        } else {
            STALL_FED_MS
        }
    }

    /// Nobody is there to tell us how many chunks there are. A peer that we attach to, be it to
    /// pull, sends the vouches that it has.
    fn lacks_vouches(&self, now_ms: u64) -> bool {
        self.end.is_none()
            && !self.complete
            && self.strands.iter().all(|strand| strand.parent().is_none())
            && now_ms.saturating_sub(self.gain_ms) >= self.stall_ms()
    }

    fn ask_around(&mut self, need: Need, now_ms: u64) {
        let count = self.links.len();
        let first = self.pull_turn;
        let mut active = self.asked_links();
        for step in 0..count {
            if active >= PULL_LINKS_MAX {
                return;
            }
            let Some(id) = self.links.id_at((first + step) % count) else {
                return;
            };
            if self.asked_of(id) > 0 {
                continue;
            }
            self.pull_turn = (first + step + 1) % count;
            active += usize::from(self.ask(id, need, now_ms));
        }
    }

    /// Asks a peer for a few missing chunks, if it may be asked and can have any.
    fn ask(&mut self, id: LinkId, need: Need, now_ms: u64) -> bool {
        let count = PULL_CHUNKS.saturating_sub(self.asked_of(id));
        let start = self.random_below(self.vouched);
        let Some(link) = self.links.get(id) else {
            return false;
        };
        if self.is_shunned(link.node, now_ms) {
            return false;
        }
        let idle = link.said.complete && now_ms.saturating_sub(link.fed_ms) >= STALL_MS;
        let mut wanted = match need {
            Need::FromIdle if idle && link.reach == Reach::Near => self.last_wanted(count),
            Need::FromIdle | Need::Nothing => Vec::new(),
            Need::FromAny => self.wanted_of(link, start, count),
        };
        if wanted.is_empty() {
            return false;
        }
        wanted.sort_unstable();
        let asked = |index: &u32| Asked {
            link: id,
            index: *index,
            at_ms: now_ms,
        };
        self.asked.extend(wanted.iter().map(asked));
        self.send(
            id,
            Message::Pull {
                ranges: ranges_of(&wanted),
            },
        );
        if let Some(link) = self.links.get_mut(id) {
            link.used_ms = now_ms;
        }
        true
    }

    /// Missing chunks that nobody is asked for, from the last one down: strands bring what is
    /// missing from the other side, so that the two meet and nothing comes twice.
    fn last_wanted(&self, count: usize) -> Vec<u32> {
        let mut wanted = Vec::with_capacity(count);
        let mut end = self.vouched;
        while wanted.len() < count
            && let Some(index) = self.have.last_missing(end)
        {
            if self.asked.iter().all(|asked| asked.index != index) {
                wanted.push(index);
            }
            end = index;
        }
        wanted
    }

    /// What a peer may have of what is missing and asked of nobody, from `start` on and around:
    /// what it is known to have, else, at intervals, any.
    fn wanted_of(&self, link: &Link, start: u32, count: usize) -> Vec<u32> {
        let known = |from, end| self.have.next_offered_by(&link.peer_has, from, end);
        let any = |from, end| self.have.next_missing(from, end);
        if link.said.complete {
            return self.gather(start, count, any);
        }
        let wanted = self.gather(start, count, known);
        if wanted.is_empty() && link.lacks_until_ms <= self.ticked_ms.unwrap_or(0) {
            return self.gather(start, count, any);
        }
        wanted
    }

    fn gather(&self, start: u32, count: usize, next: impl Fn(u32, u32) -> Option<u32>) -> Vec<u32> {
        let mut wanted = Vec::with_capacity(count);
        for window in [start..self.vouched, 0..start] {
            let mut from = window.start;
            while wanted.len() < count
                && let Some(index) = next(from, window.end)
            {
                if self.asked.iter().all(|asked| asked.index != index) {
                    wanted.push(index);
                }
                from = index + 1;
            }
        }
        wanted
    }

    fn give_up_asked(&mut self, now_ms: u64) {
        let late = |asked: &Asked| now_ms.saturating_sub(asked.at_ms) >= PULL_TIMEOUT_MS;
        while let Some(id) = self
            .asked
            .iter()
            .find(|asked| late(asked))
            .map(|asked| asked.link)
        {
            self.asked.retain(|asked| asked.link != id);
            if let Some(link) = self.links.get_mut(id) {
                link.lacks_until_ms = now_ms + PULL_TIMEOUT_MS;
            }
        }
    }

    /// Connects to one more peer that may have what is missing. Ancestors are not asked in this
    /// way: strands turn to them in their order, or a source that is back would be asked by all.
    fn dial_to_pull(&mut self, now_ms: u64) {
        let spare = self
            .links
            .iter()
            .filter(|(id, link)| link.outgoing && self.is_spare(*id, link));
        let dialing = self.dials.iter().filter(|dial| dial.to_pull).count();
        if spare.count() >= 2 * PULL_LINKS_MAX || dialing >= 2 {
            return;
        }
        let open = |peer: &&Peer| {
            !self.is_shunned(peer.node, now_ms)
                && !self.links.reaches(peer.node)
                && self.dials.iter().all(|dial| dial.node != peer.node)
        };
        let candidates: Vec<Peer> = self.peers.iter().filter(open).copied().collect();
        let choice = self.random_below(u32::try_from(candidates.len()).unwrap_or(0));
        if let Some(peer) = candidates.get(choice as usize) {
            self.dial(*peer, true, now_ms);
        }
    }

    /// A link that brings nothing: it is there to pull and not used to, or both ends have all.
    /// While one of them lacks something, it may still be asked by the other.
    fn is_spare(&self, id: LinkId, link: &Link) -> bool {
        let mut strands = self.strands.iter();
        let brings_nothing = (self.complete && link.said.complete)
            || strands.all(|strand| strand.parent() != Some(id));
        brings_nothing && link.feeds.is_empty() && self.asked.iter().all(|asked| asked.link != id)
    }

    fn tell_news(&mut self) {
        if self.news.is_empty() {
            return;
        }
        self.news.sort_unstable();
        let ranges = ranges_of(&self.news);
        self.news.clear();
        let mut told: Vec<LinkId> = Vec::new();
        for place in 0..self.strands.len() {
            if let Some(link) = self.strands[place].parent()
                && !told.contains(&link)
            {
                told.push(link);
                self.send(
                    link,
                    Message::Have {
                        ranges: ranges.clone(),
                    },
                );
            }
        }
    }

    fn asked_of(&self, id: LinkId) -> usize {
        self.asked.iter().filter(|asked| asked.link == id).count()
    }

    fn asked_links(&self) -> usize {
        let first_of = |place: usize, link: LinkId| {
            self.asked.iter().position(|asked| asked.link == link) == Some(place)
        };
        let firsts = self.asked.iter().enumerate();
        firsts
            .filter(|(place, asked)| first_of(*place, asked.link))
            .count()
    }

    fn random_below(&mut self, bound: u32) -> u32 {
        let random = self.next_random() % u64::from(bound.max(1));
        u32::try_from(random).unwrap_or(0)
    }
}

/// Ascending indices as ranges.
fn ranges_of(indices: &[u32]) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for index in indices {
        match ranges.last_mut() {
            Some(range) if range.end == *index => range.end += 1,
            Some(range) if range.contains(index) => {}
            _ => ranges.push(*index..*index + 1),
        }
    }
    ranges
}
