//! At the source: which strand gets the next chunk.
//!
//! A chunk is dealt when a child of a strand asks for more and the strand may have it, so the
//! source never queues ahead of what its sockets take. It waits for strands, never for a node:
//! children that lag do not count, and a strand that has no other children waits for nobody.

use wire::limits::STRAND_PULLED;

use crate::core::Core;
use crate::limits::{AHEAD_MAX, BACKLOG_MAX, BACKLOG_PACE_MS, BACKLOG_PARTS, TICK_SPAN_MS};
use crate::links::LinkId;
use crate::plan::Role;

impl Core {
    /// Deals the next chunk to one of the strands that a link is served in, if one may have it.
    pub(crate) fn deal_for(&mut self, id: LinkId) -> bool {
        if self.role != Role::Source {
            return false;
        }
        self.skip_dealt();
        if self.next_dealt >= self.have.prefix() {
            return false;
        }
        let Some(link) = self.links.get(id) else {
            return false;
        };
        let dealt = |strand: u8| {
            self.strands
                .get(usize::from(strand))
                .map(|known| known.dealt)
        };
        let fewest = link
            .feeds
            .iter()
            .map(|feed| feed.strand)
            .filter(|strand| self.may_have(*strand))
            .min_by_key(|strand| dealt(*strand));
        let held = link.peer_has.contains(self.next_dealt);
        match fewest {
            Some(strand) => self.deal(strand, self.next_dealt, held),
            None => return false,
        }
        self.next_dealt += 1;
        true
    }

    /// Deals chunks that somebody pulls from the source before it is their turn: who gets one so
    /// passes it on, as those do to whom it is sent.
    pub(crate) fn deal_early(&mut self, indices: &[u32]) {
        if self.role != Role::Source {
            return;
        }
        for index in indices {
            if self.strand_of(*index) != STRAND_PULLED {
                continue;
            }
            let strands = self.strands.iter().take(usize::from(self.strand_count));
            let fewest = strands.zip(0..).min_by_key(|(strand, _)| strand.dealt);
            if let Some((_, strand)) = fewest {
                self.deal(strand, *index, false);
            }
        }
        self.skip_dealt();
    }

    /// Comes to the next chunk that was not dealt early.
    fn skip_dealt(&mut self) {
        while self.next_dealt < self.have.prefix()
            && self.strand_of(self.next_dealt) != STRAND_PULLED
        {
            self.next_dealt += 1;
        }
    }

    /// Finds out which strands have a child that keeps up. One that comes alive starts level with
    /// the others, or it would be owed all that they have had.
    pub(crate) fn refresh_live(&mut self) {
        for place in 0..self.strands.len() {
            let live = self.has_steady_child(place);
            let came_alive = live && !self.strands[place].live;
            if came_alive && let Some(fewest) = self.fewest_dealt() {
                self.strands[place].dealt = self.strands[place].dealt.max(fewest);
            }
            self.strands[place].live = live;
        }
    }

    fn has_steady_child(&self, place: usize) -> bool {
        let steady = |id: &LinkId| {
            self.links.get(*id).is_some_and(|link| {
                let mut feeds = link.feeds.iter();
                link.is_awaited()
                    && feeds.any(|feed| usize::from(feed.strand) == place && !feed.lagging)
            })
        };
        self.strands
            .get(place)
            .is_some_and(|strand| strand.children.iter().any(steady))
    }

    /// The fewest chunks that a live strand of the plan was dealt.
    fn fewest_dealt(&self) -> Option<u32> {
        let planned = self.strands.iter().take(usize::from(self.strand_count));
        planned
            .filter(|strand| strand.live)
            .map(|strand| strand.dealt)
            .min()
    }

    fn may_have(&self, strand: u8) -> bool {
        let place = usize::from(strand);
        if strand >= self.strand_count || self.strand_count == 1 {
            return strand < self.strand_count;
        }
        let (Some(known), Some(fewest)) = (self.strands.get(place), self.fewest_dealt()) else {
            return true;
        };
        if !known.live || known.dealt.saturating_sub(fewest) >= AHEAD_MAX {
            return false;
        }
        let live = |place: &usize| self.strands.get(*place).is_some_and(|strand| strand.live);
        let least = (0..usize::from(self.strand_count))
            .filter(live)
            .map(|place| self.backlog_of(place))
            .min()
            .unwrap_or(0);
        let backlog = self.backlog_of(place);
        let most = BACKLOG_MAX.max(self.dealt_pace * BACKLOG_PACE_MS / TICK_SPAN_MS);
        backlog <= most && backlog <= least + most / BACKLOG_PARTS
    }

    /// Measures how fast chunks are dealt: news of a backlog is milliseconds old, and what a strand
    /// may queue must be more than what comes in that time.
    pub(crate) fn measure_pace(&mut self) {
        let dealt = self.next_dealt - self.dealt_at_tick;
        self.dealt_at_tick = self.next_dealt;
        self.dealt_pace = dealt.max(self.dealt_pace - self.dealt_pace.div_ceil(4));
    }

    /// A chunk that the asking child has already costs its strand nothing.
    fn deal(&mut self, strand: u8, index: u32, held: bool) {
        if let Some(known) = self.strands.get_mut(usize::from(strand)) {
            known.dealt += u32::from(!held);
        }
        self.append(strand, index);
        for other in 0..self.strand_count {
            if other != strand {
                self.wake_children(other);
            }
        }
    }

    fn wake_children(&mut self, strand: u8) {
        let place = usize::from(strand);
        let count = self
            .strands
            .get(place)
            .map_or(0, |known| known.children.len());
        for child in 0..count {
            if let Some(id) = self.strands[place].children.get(child).copied() {
                self.wake(id);
            }
        }
    }
}
