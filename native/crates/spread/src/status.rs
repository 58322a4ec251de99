//! What neighbours tell one another, and what the core tells its owner.

use wire::limits::CHUNK_COUNT_MAX;
use wire::peer::Message;

use crate::core::Core;
use crate::fault::Fault;
use crate::limits::{BACKLOG_SPREAD, HEARTBEAT_MS, PULSE_MS, STATUS_DOWN_MS};
use crate::links::{Link, LinkId, Said, Told};
use crate::plan::Role;

/// How far a session is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Chunks that are here.
    pub have_count: u32,
    /// Chunks that there are, once that is known.
    pub chunk_count: Option<u32>,
    /// Chunks whose digests are known.
    pub vouched_count: u32,
    /// Chunks from 0 on that are here without a gap.
    pub prefix: u32,
    /// Everything is here.
    pub complete: bool,
    /// Chunks that came and were new; those pulled included.
    pub received_chunks: u64,
    /// Chunks handed to sockets.
    pub sent_chunks: u64,
    /// Chunks that came again.
    pub duplicate_chunks: u64,
    /// Chunks that had to be pulled.
    pub pulled_chunks: u64,
    /// Chunks that did not match their digests.
    pub corrupt_chunks: u64,
    /// Links on which a child is served.
    pub children: u32,
    /// Of those, children that do not keep up in some strand.
    pub lagging_children: u32,
    /// Longest queue to a child that keeps up, below it included.
    pub backlog: u32,
}

impl Core {
    pub(crate) fn on_status(
        &mut self,
        id: LinkId,
        said: Said,
        log_lengths: &[u32],
        now_ms: u64,
    ) -> Result<(), Fault> {
        let chunk_count = self.bound();
        let counts = [said.have_count, said.vouched_count, said.backlog];
        if let Some(count) = counts.into_iter().find(|count| *count > chunk_count) {
            return Err(Fault::Count { count, chunk_count });
        }
        if let Some(count) = log_lengths
            .iter()
            .copied()
            .find(|length| *length > CHUNK_COUNT_MAX)
        {
            return Err(Fault::Count {
                count,
                chunk_count: CHUNK_COUNT_MAX,
            });
        }
        let link = self.links.get_mut(id).ok_or(Fault::UnknownLink)?;
        let finished = said.complete && !link.said.complete;
        let relieved = said.backlog < link.said.backlog;
        let weighs = said.slow != link.said.slow;
        link.said = said;
        for (kept, length) in link.said_logs.iter_mut().zip(log_lengths) {
            *kept = *length;
        }
        let serves = !link.feeds.is_empty();
        self.settle_accounts(id, log_lengths, now_ms);
        if serves && (finished || weighs) {
            self.refresh_live();
        }
        if serves && (finished || relieved || weighs) {
            self.wake_hungry();
        }
        if serves {
            self.pulse(now_ms);
        }
        Ok(())
    }

    /// Sends STATUS where it is due.
    pub(crate) fn tell_status(&mut self, now_ms: u64) {
        for place in 0..self.links.len() {
            let Some(id) = self.links.id_at(place) else {
                return;
            };
            let told = self.to_tell(id, now_ms);
            let due = |link: &Link| is_greeted(link) && is_due(link.told, told);
            if self.links.get(id).is_some_and(due) {
                self.tell(id, told);
            }
        }
    }

    /// Tells parents of a backlog that has come or gone, between two ticks: what a fast link
    /// carries in a tick is many times what a strand may queue.
    pub(crate) fn pulse(&mut self, now_ms: u64) {
        let idle = self.role == Role::Source || self.strand_count == 1;
        if idle || now_ms.saturating_sub(self.pulsed_ms) < PULSE_MS {
            return;
        }
        self.pulsed_ms = now_ms;
        for place in 0..self.strands.len() {
            let Some(id) = self.strands[place].parent() else {
                continue;
            };
            let told = self.to_tell(id, now_ms);
            let last = self.links.get(id).map_or(0, |link| link.told.backlog);
            let crossed = (told.backlog <= BACKLOG_SPREAD) != (last <= BACKLOG_SPREAD);
            if crossed || told.backlog.abs_diff(last) > BACKLOG_SPREAD {
                self.tell(id, told);
            }
        }
    }

    /// Tells everybody at once that everything is here, so that nobody sends more.
    pub(crate) fn tell_complete(&mut self) {
        let now_ms = self.gain_ms;
        self.tell_status(now_ms);
    }

    pub(crate) fn summarize(&self) -> Progress {
        let serves = |link: &&Link| !link.feeds.is_empty();
        let lags = |link: &&Link| link.feeds.iter().any(|feed| feed.lagging);
        let links = || self.links.iter().map(|(_, link)| link);
        let count = |links: usize| u32::try_from(links).unwrap_or(u32::MAX);
        Progress {
            have_count: self.have.count(),
            chunk_count: self.end,
            vouched_count: self.vouched,
            prefix: self.have.prefix(),
            complete: self.complete,
            children: count(links().filter(serves).count()),
            lagging_children: count(links().filter(serves).filter(lags).count()),
            backlog: self.backlog(),
            ..self.totals
        }
    }

    /// What a peer should know now. A parent hears the backlog of the strands that it serves us in
    /// and no other: two nodes may be parents of one another, and what is reported must not come
    /// back as a report.
    fn to_tell(&self, id: LinkId, now_ms: u64) -> Told {
        let served = self.strands.iter().enumerate();
        let served = served.filter(|(_, strand)| strand.parent() == Some(id));
        let backlog = served.map(|(place, _)| self.backlog_of(place)).max();
        let (have_count, complete) = self.given_out();
        Told {
            at_ms: Some(now_ms),
            have_count,
            backlog: backlog.unwrap_or(0),
            complete,
            slow: self.slow,
        }
    }

    fn tell(&mut self, id: LinkId, told: Told) {
        if let Some(link) = self.links.get_mut(id) {
            link.told = told;
            let message = self.status_message(told);
            self.send(id, message);
        }
    }

    /// How much we have to give and whether it is all. What the source has not dealt yet is for
    /// nobody to ask for: it counts from when it is out.
    fn given_out(&self) -> (u32, bool) {
        match self.role {
            Role::Receiver => (self.have.count(), self.complete),
            Role::Source => (
                self.next_dealt,
                self.complete && Some(self.next_dealt) == self.end,
            ),
        }
    }

    fn status_message(&self, told: Told) -> Message {
        let planned = self.strands.iter().take(usize::from(self.strand_count));
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Message::Status {
            have_count: told.have_count,
            vouched_count: self.vouched,
            backlog: told.backlog,
            complete: told.complete,
            slow: told.slow,
            log_lengths: planned.map(|strand| length(strand.log.len())).collect(),
        }
    }
}

fn is_due(last: Told, now: Told) -> bool {
    let (Some(last_ms), Some(now_ms)) = (last.at_ms, now.at_ms) else {
        return true;
    };
    let since_ms = now_ms.saturating_sub(last_ms);
    since_ms >= HEARTBEAT_MS
        || (since_ms >= STATUS_DOWN_MS && now.have_count != last.have_count)
        || now.backlog != last.backlog
        || now.complete != last.complete
        || now.slow != last.slow
}

/// The first message on a link is an ATTACH: ours on one that we opened, the peer's on another.
fn is_greeted(link: &Link) -> bool {
    link.outgoing || link.attach_count > 0
}
