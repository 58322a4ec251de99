//! Pulling: exact ranges from whoever has them, when strands bring nothing more; and answering
//! others who pull. A PULL is answered by HAVE, so that who asks learns at once what will come
//! and what has to be asked elsewhere.

use std::ops::Range;

use wire::limits::PULL_RANGE_COUNT_MAX;
use wire::peer::Message;

use crate::core::Core;
use crate::fault::Fault;
use crate::limits::{
    ANSWER_RANGES_MAX, NEWS_MAX, PULL_CHUNKS, PULL_LACK_MS, PULL_LINKS_MAX, PULL_QUEUE_MAX,
    PULL_REFILL, PULL_TIMEOUT_MS, STALL_FED_MS, STALL_MS, UNUSED_MS,
};
use crate::links::{Link, LinkId};
use crate::plan::{Peer, Role};

/// A chunk that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) link: LinkId,
    pub(crate) index: u32,
    pub(crate) at_ms: u64,
}

impl Core {
    /// A peer wants exact ranges: as many as its queue holds are promised and queued.
    pub(crate) fn on_pull(
        &mut self,
        id: LinkId,
        ranges: &[Range<u32>],
        now_ms: u64,
    ) -> Result<(), Fault> {
        self.check_ranges(ranges)?;
        if ranges.len() > PULL_RANGE_COUNT_MAX {
            return Err(Fault::Flood);
        }
        let link = self.links.get_mut(id).ok_or(Fault::UnknownLink)?;
        link.used_ms = now_ms;
        for range in ranges {
            let mut next = range.start;
            while let Some(index) = self.have.next_present(next, range.end) {
                if link.pull_queue.len() >= PULL_QUEUE_MAX {
                    break;
                }
                if !link.pull_queue.contains(&index) {
                    link.pull_queue.push_back(index);
                }
                next = index + 1;
            }
        }
        let answer = self.answer_from(ranges.first().map_or(0, |range| range.start));
        self.send(id, Message::Have { ranges: answer });
        self.wake(id);
        Ok(())
    }

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
            if self.must_pull(now_ms) {
                self.ask(id, now_ms);
            }
        }
        Ok(())
    }

    /// A chunk came that may have been asked for, of this peer or another.
    pub(crate) fn note_asked(&mut self, index: u32) {
        if !self.asked.is_empty() {
            self.asked.retain(|asked| asked.index != index);
        }
    }

    /// A pulled chunk came: parents will hear of it, and the peer is asked for more.
    pub(crate) fn note_pulled(&mut self, id: LinkId, index: u32, new: bool, now_ms: u64) {
        if new && self.news.len() < NEWS_MAX {
            self.news.push(index);
        }
        if self.asked_of(id) < PULL_REFILL && self.must_pull(now_ms) {
            self.ask(id, now_ms);
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
        if self.must_pull(now_ms) {
            self.ask_around(now_ms);
            if self.asked_links() < PULL_LINKS_MAX {
                self.dial_to_pull(now_ms);
            }
        } else if self.lacks_vouches(now_ms) {
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

    /// Something is missing, and strands have brought nothing for long.
    fn must_pull(&self, now_ms: u64) -> bool {
        if self.role == Role::Source || self.complete || self.have.count() >= self.vouched {
            return false;
        }
        let mut planned = self.strands.iter().take(usize::from(self.strand_count));
        let patient = self.end.is_none() && planned.all(|strand| strand.parent().is_some());
        let stall_ms = if patient { STALL_FED_MS } else { STALL_MS };
        now_ms.saturating_sub(self.flow_ms) >= stall_ms
    }

    /// Nobody is there to tell us how many chunks there are. A peer that we attach to, be it to
    /// pull, sends the vouches that it has.
    fn lacks_vouches(&self, now_ms: u64) -> bool {
        self.end.is_none()
            && !self.complete
            && self.strands.iter().all(|strand| strand.parent().is_none())
            && now_ms.saturating_sub(self.gain_ms) >= STALL_MS
    }

    fn ask_around(&mut self, now_ms: u64) {
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
            active += usize::from(self.ask(id, now_ms));
        }
    }

    /// Asks a peer for a few missing chunks: what it is known to have, else, at intervals, any.
    fn ask(&mut self, id: LinkId, now_ms: u64) -> bool {
        let already = self.asked_of(id);
        let start = self.random_below(self.vouched);
        let Some(link) = self.links.get(id) else {
            return false;
        };
        let count = PULL_CHUNKS.saturating_sub(already);
        let mut wanted = self.wanted_of(link, start, count, false);
        if wanted.is_empty() && (link.said.complete || link.lacks_until_ms <= now_ms) {
            wanted = self.wanted_of(link, start, count, true);
        }
        if wanted.is_empty() {
            return false;
        }
        wanted.sort_unstable();
        for index in &wanted {
            self.asked.push(Asked {
                link: id,
                index: *index,
                at_ms: now_ms,
            });
        }
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

    /// Missing chunks that nobody is asked for, from `start` on and around.
    fn wanted_of(&self, link: &Link, start: u32, count: usize, blind: bool) -> Vec<u32> {
        let mut wanted = Vec::with_capacity(count);
        for window in [start..self.vouched, 0..start] {
            let mut next = window.start;
            while wanted.len() < count {
                let found = if blind {
                    self.have.next_missing(next, window.end)
                } else {
                    self.have.next_offered_by(&link.peer_has, next, window.end)
                };
                let Some(index) = found else {
                    break;
                };
                if self.asked.iter().all(|asked| asked.index != index) {
                    wanted.push(index);
                }
                next = index + 1;
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

    /// A link that is there to pull, and not used to.
    fn is_spare(&self, id: LinkId, link: &Link) -> bool {
        link.feeds.is_empty()
            && self
                .strands
                .iter()
                .all(|strand| strand.parent() != Some(id))
            && self.asked.iter().all(|asked| asked.link != id)
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

    /// What we have, as far as one answer holds, where it was asked for first.
    fn answer_from(&self, start: u32) -> Vec<Range<u32>> {
        let near: Vec<Range<u32>> = self
            .have
            .ranges_from(start)
            .take(ANSWER_RANGES_MAX)
            .collect();
        let room = ANSWER_RANGES_MAX - near.len();
        let before = self.have.ranges().take_while(|range| range.start < start);
        let cut = |range: Range<u32>| range.start..range.end.min(start);
        let mut answer: Vec<Range<u32>> = before.map(cut).take(room).collect();
        answer.extend(near);
        answer
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
