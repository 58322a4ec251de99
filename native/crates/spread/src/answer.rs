//! Answering others who pull.

use std::ops::Range;

use wire::limits::PULL_RANGE_COUNT_MAX;
use wire::peer::Message;

use crate::core::Core;
use crate::fault::Fault;
use crate::limits::{ANSWER_RANGES_MAX, PULL_QUEUE_MAX};
use crate::links::LinkId;

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
        let mut promised = Vec::new();
        for range in ranges {
            let mut next = range.start;
            while let Some(index) = self.have.next_present(next, range.end) {
                if link.pull_queue.len() >= PULL_QUEUE_MAX {
                    break;
                }
                if !link.pull_queue.contains(&index) {
                    link.pull_queue.push_back(index);
                    promised.push(index);
                }
                next = index + 1;
            }
        }
        self.deal_early(&promised);
        let answer = self.answer_from(ranges.first().map_or(0, |range| range.start));
        self.send(id, Message::Have { ranges: answer });
        self.wake(id);
        Ok(())
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
}
