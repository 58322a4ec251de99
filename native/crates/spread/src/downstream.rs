//! Towards children: who is served in which strand, and what goes next on a link.

use std::ops::Range;

use wire::limits::{STRAND_COUNT_MAX, STRAND_PULLED};
use wire::peer::{Message, Refusal};
use wire::{AssignmentId, NodeId};

use crate::core::Core;
use crate::fault::Fault;
use crate::limits::{
    ATTACHES_MAX, CAUGHT_UP_QUEUE, CHILD_SILENCE_MS, CHILDREN_MAX, LAG_ALONE_MS, LAG_CHUNK_MS,
    LAG_QUEUE, LAG_SAID_MS, LAG_SIBLING_MS, LATE_QUEUE, LATE_ROOM_MS, LATE_SHARE,
};
use crate::links::{Feed, Link, LinkId};
use crate::plan::Role;
use crate::strand::Strand;

impl Core {
    pub(crate) fn on_attach(
        &mut self,
        id: LinkId,
        assignment: AssignmentId,
        strand: u8,
        have: &[Range<u32>],
        now_ms: u64,
    ) -> Result<(), Fault> {
        if assignment != self.assignment {
            return Err(Fault::OtherAssignment);
        }
        if strand != STRAND_PULLED && strand >= STRAND_COUNT_MAX {
            return Err(Fault::Strand(strand));
        }
        self.check_ranges(have)?;
        let link = self.links.get_mut(id).ok_or(Fault::UnknownLink)?;
        if link.attach_count >= ATTACHES_MAX * u32::from(STRAND_COUNT_MAX) {
            return Err(Fault::Flood);
        }
        link.attach_count += 1;
        link.used_ms = now_ms;
        for range in have {
            link.peer_has.insert_range(range.clone());
        }
        let node = link.node;
        if strand == STRAND_PULLED {
            return Ok(());
        }
        match self.objection(id, node, strand) {
            Some(reason) => self.refuse(id, reason, strand),
            None => self.adopt(id, node, strand),
        }
        Ok(())
    }

    pub(crate) fn on_detach(&mut self, id: LinkId, strand: u8) -> Result<(), Fault> {
        if strand != STRAND_PULLED && strand >= STRAND_COUNT_MAX {
            return Err(Fault::Strand(strand));
        }
        self.drop_feed(id, strand);
        self.refresh_live();
        self.wake_hungry();
        Ok(())
    }

    /// See [`Core::next_for`].
    pub(crate) fn pick(&mut self, id: LinkId, now_ms: u64) -> Option<(u32, u8)> {
        let link = self.links.get_mut(id)?;
        if let Some(index) = link.pull_queue.pop_front() {
            link.used_ms = now_ms;
            link.peer_has.insert(index);
            return Some((index, self.strand_of(index)));
        }
        if link.said.complete || self.yields(id, now_ms) {
            return None;
        }
        loop {
            let link = self.links.get_mut(id)?;
            if let Some(next) = next_of_feeds(link, &self.strands) {
                link.used_ms = now_ms;
                self.count_given(id, now_ms);
                return Some(next);
            }
            if !self.deal_for(id) {
                return None;
            }
        }
    }

    /// Whether a link's child is late and it is the others' turn.
    fn yields(&self, id: LinkId, now_ms: u64) -> bool {
        let busy = now_ms.saturating_sub(self.others_given_ms) < LATE_ROOM_MS;
        busy && self.links.get(id).is_some_and(|link| {
            link.is_late() && self.others_given - link.others_given < LATE_SHARE
        })
    }

    /// Keeps count for [`Core::yields`], and wakes who is late when its turn comes.
    fn count_given(&mut self, id: LinkId, now_ms: u64) {
        if let Some(link) = self.links.get_mut(id)
            && link.is_late()
        {
            link.others_given = self.others_given;
            return;
        }
        self.others_given += 1;
        self.others_given_ms = now_ms;
        if self.others_given.is_multiple_of(LATE_SHARE) {
            for place in 0..self.late.len() {
                self.wake(self.late[place]);
            }
        }
    }

    /// Decides who lags, and cuts off who is silent.
    pub(crate) fn judge_children(&mut self, now_ms: u64) {
        let mut shortest = [u32::MAX; STRAND_COUNT_MAX as usize];
        for (_, link) in self.links.iter() {
            for feed in &link.feeds {
                if let Some(least) = shortest.get_mut(usize::from(feed.strand)) {
                    *least = (*least).min(queue_of(feed, &self.strands));
                }
            }
        }
        let chunk_ms = self.least_chunk_ms();
        let mut silent = Vec::new();
        for (id, link) in self.links.iter_mut() {
            if !link.outgoing && now_ms.saturating_sub(link.heard_ms) > CHILD_SILENCE_MS {
                silent.push(id);
            }
            link.weigh_word(longer(LAG_SAID_MS, 2 * chunk_ms));
            for feed in &mut link.feeds {
                let least = shortest.get(usize::from(feed.strand)).copied().unwrap_or(0);
                let queue = queue_of(feed, &self.strands);
                let patience_ms = if least < queue / 2 {
                    LAG_SIBLING_MS
                } else {
                    LAG_ALONE_MS
                };
                judge(feed, queue, longer(patience_ms, chunk_ms), now_ms);
            }
        }
        self.late
            .retain(|id| self.links.get(*id).is_some_and(Link::is_late));
        for id in silent {
            self.close_link(id, "silent child", now_ms);
        }
        self.refresh_live();
    }

    /// What a chunk takes on the fastest link to a child; 0: nobody knows.
    fn least_chunk_ms(&self) -> u64 {
        let serving = self.links.iter().filter(|(_, link)| !link.feeds.is_empty());
        serving.map(|(_, link)| link.chunk_ms).min().unwrap_or(0)
    }

    /// Longest queue to a child that keeps up, its own reports included.
    pub(crate) fn backlog(&self) -> u32 {
        (0..self.strands.len())
            .map(|place| self.backlog_of(place))
            .max()
            .unwrap_or(0)
    }

    /// The same within one strand.
    pub(crate) fn backlog_of(&self, place: usize) -> u32 {
        let Some(strand) = self.strands.get(place) else {
            return 0;
        };
        let waiting = |id: &LinkId| {
            let link = self.links.get(*id)?;
            let feed = link
                .feeds
                .iter()
                .find(|feed| usize::from(feed.strand) == place)?;
            let keeps_up = !feed.lagging && link.is_awaited();
            keeps_up.then(|| queue_of(feed, &self.strands).max(link.backlog_below(feed.cursor)))
        };
        strand
            .children
            .iter()
            .filter_map(waiting)
            .max()
            .unwrap_or(0)
    }

    /// Wakes links that may have something and were told that there is nothing.
    pub(crate) fn wake_hungry(&mut self) {
        let undealt = self.role == Role::Source && self.next_dealt < self.have.prefix();
        for place in 0..self.links.len() {
            let Some((id, link)) = self.links.at_mut(place) else {
                return;
            };
            let waits = |feed: &Feed| undealt || queue_of(feed, &self.strands) > 0;
            if !link.in_ready
                && link.hungry
                && (!link.pull_queue.is_empty() || link.feeds.iter().any(waits))
            {
                link.in_ready = true;
                self.ready.push_back(id);
            }
        }
    }

    /// Whether ranges ascend, are disjoint and lie within the assignment.
    pub(crate) fn check_ranges(&self, ranges: &[Range<u32>]) -> Result<(), Fault> {
        let chunk_count = self.bound();
        let mut last = 0;
        for range in ranges {
            let ordered = last <= range.start && range.start < range.end;
            if !ordered || range.end > chunk_count {
                return Err(Fault::Range {
                    end: range.end,
                    chunk_count,
                });
            }
            last = range.end;
        }
        Ok(())
    }

    fn objection(&self, id: LinkId, node: NodeId, strand: u8) -> Option<Refusal> {
        if strand >= self.strand_count {
            return Some(Refusal::UnknownAssignment);
        }
        let parent = self
            .strands
            .get(usize::from(strand))
            .and_then(Strand::parent);
        let parent_node = parent
            .and_then(|link| self.links.get(link))
            .map(|link| link.node);
        if parent_node == Some(node) {
            return Some(Refusal::Circle);
        }
        let is_child = |link: &Link| !link.feeds.is_empty();
        let already = self.links.get(id).is_some_and(is_child);
        let children = self.links.iter().filter(|(_, link)| is_child(link)).count();
        (!already && children >= CHILDREN_MAX).then_some(Refusal::Full)
    }

    fn refuse(&mut self, link: LinkId, reason: Refusal, strand: u8) {
        let text = match reason {
            Refusal::Circle => "you serve me in this strand",
            Refusal::Full => "as many children as allowed",
            _ => "no such strand in my plan",
        };
        self.send(
            link,
            Message::Refuse {
                reason,
                strand,
                text: text.to_owned(),
            },
        );
    }

    /// Serves a node in a strand, from the start of its log, on this link and no other.
    fn adopt(&mut self, id: LinkId, node: NodeId, strand: u8) {
        let same = |(other, link): (LinkId, &Link)| {
            (link.node == node && link.feed(strand).is_some()).then_some(other)
        };
        let former: Vec<LinkId> = self.links.iter().filter_map(same).collect();
        for other in former {
            self.drop_feed(other, strand);
        }
        let Some(known) = self.strands.get_mut(usize::from(strand)) else {
            return;
        };
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let given = |index: &&u32| link.peer_has.contains(**index);
        let cursor = known.log.iter().take_while(given).count();
        let queue = known.log.len() - cursor;
        let lagging = queue > LAG_QUEUE as usize;
        let late = queue > LATE_QUEUE as usize && queue > known.log.len() / 2;
        link.feeds.push(Feed {
            strand,
            cursor,
            lagging,
            late,
            long_since_ms: None,
        });
        if link.is_late() && !self.late.contains(&id) {
            self.late.push(id);
        }
        known.children.push(id);
        self.refresh_live();
        self.wake(id);
        self.wake_hungry();
    }

    fn drop_feed(&mut self, id: LinkId, strand: u8) {
        if let Some(link) = self.links.get_mut(id) {
            link.feeds.retain(|feed| feed.strand != strand);
        }
        if let Some(known) = self.strands.get_mut(usize::from(strand)) {
            known.children.retain(|child| *child != id);
        }
    }
}

/// Chunks of the strand's log that the feed has not come to: those that the peer has included.
pub(crate) fn queue_of(feed: &Feed, strands: &[Strand]) -> u32 {
    let length = strands
        .get(usize::from(feed.strand))
        .map_or(0, |strand| strand.log.len());
    u32::try_from(length.saturating_sub(feed.cursor)).unwrap_or(u32::MAX)
}

/// The next chunk by the link's feeds in turn, each in the order of its log. A cursor only moves
/// on, so the cost of skipping is that of the log, once.
fn next_of_feeds(link: &mut Link, strands: &[Strand]) -> Option<(u32, u8)> {
    let count = link.feeds.len();
    for step in 0..count {
        let place = (link.turn + step) % count;
        let feed = link.feeds.get_mut(place)?;
        let log = strands
            .get(usize::from(feed.strand))
            .map_or(&[][..], |strand| &strand.log);
        while let Some(index) = log.get(feed.cursor) {
            feed.cursor += 1;
            if link.peer_has.insert(*index) {
                let strand = feed.strand;
                link.turn = (place + 1) % count;
                return Some((*index, strand));
            }
        }
    }
    None
}

/// A time for which a child is waited for, where a chunk takes so long.
fn longer(ms: u64, chunk_ms: u64) -> u64 {
    ms.max(chunk_ms * ms / LAG_CHUNK_MS)
}

fn judge(feed: &mut Feed, queue: u32, patience_ms: u64, now_ms: u64) {
    if queue <= CAUGHT_UP_QUEUE {
        feed.lagging = false;
        feed.late = false;
        feed.long_since_ms = None;
    }
    if queue <= LAG_QUEUE {
        return;
    }
    let since_ms = *feed.long_since_ms.get_or_insert(now_ms);
    if now_ms.saturating_sub(since_ms) >= patience_ms {
        feed.lagging = true;
    }
}
