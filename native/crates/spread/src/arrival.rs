//! What a chunk that has come means for everybody concerned.

use wire::limits::STRAND_PULLED;

use crate::core::{Action, Core};
use crate::limits::STALL_MS;
use crate::links::LinkId;

impl Core {
    pub(crate) fn note_arrival(
        &mut self,
        id: LinkId,
        strand: u8,
        index: u32,
        new: bool,
        now_ms: u64,
    ) {
        let pulled = self.was_pulled(id, strand, index);
        self.totals.duplicate_chunks += u64::from(!new);
        self.totals.received_chunks += u64::from(new);
        self.totals.pulled_chunks += u64::from(new && pulled);
        if !pulled && new {
            self.flow.note(now_ms);
        }
        let mut took_long = false;
        if let Some(link) = self.links.get_mut(id) {
            link.heard_ms = now_ms;
            // Who sends what is here already is of no use.
            if new {
                link.used_ms = now_ms;
            }
            took_long = link
                .arriving
                .take()
                .is_some_and(|arrival| now_ms.saturating_sub(arrival.since_ms) >= STALL_MS);
            if !pulled {
                link.fed_ms = now_ms;
            }
            link.peer_has.insert(index);
        }
        self.note_asked(index);
        if took_long {
            self.excuse_parent(id, now_ms);
        }
        if new && !self.is_fed_by(id, strand) {
            self.note_news(index);
        }
        if pulled {
            self.ask_more(id, now_ms);
        } else {
            self.credit_parent(id, strand, now_ms);
        }
    }

    /// Whether a chunk comes because it was asked for, and not in its turn.
    fn was_pulled(&self, id: LinkId, strand: u8, index: u32) -> bool {
        usize::from(strand) >= self.strands.len()
            || self
                .asked
                .iter()
                .any(|asked| asked.link == id && asked.index == index)
    }

    /// The strand whose log holds a chunk, [`STRAND_PULLED`] where none does.
    pub(crate) fn strand_of(&self, index: u32) -> u8 {
        let known = self.strand_of.get(index as usize);
        known.copied().unwrap_or(STRAND_PULLED)
    }

    /// Puts a chunk in a strand's log, once, and wakes who waits for it.
    pub(crate) fn append(&mut self, strand: u8, index: u32) {
        let Some(slot) = self.strand_of.get_mut(index as usize) else {
            return;
        };
        if *slot != STRAND_PULLED {
            return;
        }
        let Some(known) = self.strands.get_mut(usize::from(strand)) else {
            return;
        };
        *slot = strand;
        known.log.push(index);
        for place in 0..known.children.len() {
            if let Some(child) = self.strands[usize::from(strand)]
                .children
                .get(place)
                .copied()
            {
                self.wake(child);
            }
        }
    }

    /// Notices that everything is here, once.
    pub(crate) fn check_complete(&mut self) {
        if !self.complete && self.end.is_some_and(|end| self.have.count() >= end) {
            self.complete = true;
            self.actions.push_back(Action::Complete);
            self.tell_complete();
        }
    }
}
