//! What is due, in the order of time; what is due at the same time, in the order it was added.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Items lie in slots of their own, so that the heap moves three numbers and never an item.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    order: u64,
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    slots: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            order: 0,
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Agenda<T> {
    pub(crate) fn add(&mut self, at_us: u64, item: T) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(item);
        self.order += 1;
        self.heap.push(Reverse((at_us, self.order, slot)));
    }

    /// The next item, if it is due by `until_us`.
    pub(crate) fn take(&mut self, until_us: u64) -> Option<(u64, T)> {
        let Reverse((at_us, _, slot)) = *self.heap.peek()?;
        if at_us > until_us {
            return None;
        }
        self.heap.pop();
        self.free.push(slot);
        Some((at_us, self.slots[slot].take()?))
    }
}
