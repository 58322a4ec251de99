//! What is due, in the order of time; what is due at the same time, in the order it was added.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is due within this time is found without a search: longer than nearly everything that is
/// added. A power of two.
const SPAN_US: u64 = 1 << 17;
const BUCKETS: usize = 1 << 17;
const WORD_BITS: usize = 64;

/// A wheel with a bucket for each microsecond of the span that begins now, and a heap for what is
/// due later. Items lie in slots of their own, so that neither ever moves one.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// When the last item was taken: nothing is due earlier.
    now_us: u64,
    /// By time, modulo the span: what is due then.
    wheel: Vec<Bucket>,
    /// A bit for each bucket that is not empty.
    filled: Vec<u64>,
    /// Due at the end of the span or later, by time and order.
    later: BinaryHeap<Reverse<(u64, u64, u32)>>,
    order: u64,
    /// By number less one.
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

/// Numbers of the first and the last slot of a queue; 0: there is none.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Slot<T> {
    item: Option<T>,
    /// The number of what is due next at the same time.
    next: u32,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            now_us: 0,
            wheel: vec![Bucket::default(); BUCKETS],
            filled: vec![0; BUCKETS / WORD_BITS],
            later: BinaryHeap::new(),
            order: 0,
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Agenda<T> {
    /// Adds what is due at a time that has not passed.
    pub(crate) fn add(&mut self, at_us: u64, item: T) {
        let at_us = at_us.max(self.now_us);
        let number = self.store(item);
        if at_us - self.now_us < SPAN_US {
            self.append(at_us, number);
        } else {
            self.order += 1;
            self.later.push(Reverse((at_us, self.order, number)));
        }
    }

    /// The next item, if it is due by `until_us`.
    pub(crate) fn take(&mut self, until_us: u64) -> Option<(u64, T)> {
        let at_us = self.next_us().filter(|at_us| *at_us <= until_us)?;
        if at_us > self.now_us {
            self.now_us = at_us;
            self.bring_near();
        }
        let place = place_of(at_us);
        let number = self.wheel[place].first;
        let slot = self.slots.get_mut(number as usize - 1)?;
        let (item, next) = (slot.item.take(), slot.next);
        self.free.push(number);
        self.wheel[place].first = next;
        if next == 0 {
            self.filled[place / WORD_BITS] &= !(1 << (place % WORD_BITS));
        }
        Some((at_us, item?))
    }

    fn store(&mut self, item: T) -> u32 {
        let slot = Slot {
            item: Some(item),
            next: 0,
        };
        if let Some(number) = self.free.pop() {
            self.slots[number as usize - 1] = slot;
            return number;
        }
        self.slots.push(slot);
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    fn append(&mut self, at_us: u64, number: u32) {
        let place = place_of(at_us);
        let bucket = &mut self.wheel[place];
        if bucket.first == 0 {
            bucket.first = number;
            self.filled[place / WORD_BITS] |= 1 << (place % WORD_BITS);
        } else {
            self.slots[bucket.last as usize - 1].next = number;
        }
        bucket.last = number;
    }

    /// What has come within the span: before anything else can be added for the same time, so that
    /// the order is kept.
    fn bring_near(&mut self) {
        while let Some(Reverse((at_us, _, number))) = self.later.peek().copied() {
            if at_us - self.now_us >= SPAN_US {
                return;
            }
            self.later.pop();
            self.append(at_us, number);
        }
    }

    fn next_us(&self) -> Option<u64> {
        let start = place_of(self.now_us);
        let words = self.filled.len();
        // The word of now is looked at first from now on, and at the end once more up to now.
        for step in 0..=words {
            let index = (start / WORD_BITS + step) % words;
            let mut bits = self.filled[index];
            if step == 0 {
                bits &= u64::MAX << (start % WORD_BITS);
            }
            if bits != 0 {
                let place = index * WORD_BITS + bits.trailing_zeros() as usize;
                let ahead = (place + BUCKETS - start) % BUCKETS;
                return Some(self.now_us + ahead as u64);
            }
        }
        self.later.peek().map(|Reverse((at_us, _, _))| *at_us)
    }
}

/// Within the wheel, whose length is far below what any machine can count.
fn place_of(at_us: u64) -> usize {
    usize::try_from(at_us % SPAN_US).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Times until something is due, as they come: now, soon, around the end of the span, late.
    fn wait_us(random: &mut Random) -> u64 {
        let bound = [1, 100, SPAN_US, SPAN_US + 2, 10 * SPAN_US];
        let kind = usize::try_from(random.below(5)).unwrap();
        random.below(bound[kind])
    }

    #[test]
    fn what_is_due_comes_by_time_and_then_in_the_order_it_was_added() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let mut agenda = Agenda::default();
            let mut expected = BinaryHeap::new();
            let mut now_us = 0;
            for number in 0..2_000_u64 {
                if random.chance(55) {
                    let at_us = now_us + wait_us(&mut random);
                    agenda.add(at_us, number);
                    expected.push(Reverse((at_us, number)));
                    continue;
                }
                let until_us = now_us + wait_us(&mut random);
                let due = expected.peek().copied().map(|Reverse(due)| due);
                let due = due.filter(|(at_us, _)| *at_us <= until_us);
                assert_eq!(agenda.take(until_us), due, "seed {seed}");
                if let Some((at_us, _)) = due {
                    expected.pop();
                    now_us = at_us;
                } else {
                    now_us = until_us;
                }
            }
        }
    }
}
