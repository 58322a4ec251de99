//! Which chunks a node has: a bitmap that only grows, with its count and its unbroken prefix.

use std::ops::Range;

const WORD_BITS: u32 = u64::BITS;

/// A set of chunk indices. Inserting and asking are O(1); memory is one bit up to the highest
/// index, so callers bound the indices they insert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HaveMap {
    words: Vec<u64>,
    count: u32,
    prefix: u32,
}

impl HaveMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reserves memory for indices below `chunk_count`, so that inserting them allocates nothing.
    pub fn reserve(&mut self, chunk_count: u32) {
        let words = words_for(chunk_count);
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
    }

    /// Adds `index`; false when it was there already.
    pub fn insert(&mut self, index: u32) -> bool {
        let (word, bit) = place(index);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let Some(slot) = self.words.get_mut(word) else {
            return false;
        };
        if *slot & bit != 0 {
            return false;
        }
        *slot |= bit;
        self.count += 1;
        if index == self.prefix {
            self.advance_prefix();
        }
        true
    }

    /// Adds every index of `range`; cost is that of its words, not of its indices.
    pub fn insert_range(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        self.reserve(range.end);
        let (first, last) = (place(range.start).0, place(range.end - 1).0);
        for word in first..=last {
            let mask = mask_within(word, &range);
            if let Some(slot) = self.words.get_mut(word) {
                self.count += (mask & !*slot).count_ones();
                *slot |= mask;
            }
        }
        if range.start <= self.prefix && self.prefix < range.end {
            self.advance_prefix();
        }
    }

    /// Whether `index` is in the map.
    pub fn contains(&self, index: u32) -> bool {
        let (word, bit) = place(index);
        self.words.get(word).is_some_and(|slot| slot & bit != 0)
    }

    /// How many indices the map holds.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many indices from 0 on are in the map without a gap.
    pub fn prefix(&self) -> u32 {
        self.prefix
    }

    /// The first index at or after `from` and below `end` that is not in the map.
    pub fn next_missing(&self, from: u32, end: u32) -> Option<u32> {
        self.next_where(from.max(self.prefix), end, |word| !word)
    }

    /// The last index below `end` that is not in the map.
    pub fn last_missing(&self, end: u32) -> Option<u32> {
        let mut end = end;
        while end > self.prefix {
            let (word, _) = place(end - 1);
            let kept = u64::MAX >> (WORD_BITS - 1 - (end - 1) % WORD_BITS);
            let found = !self.words.get(word).copied().unwrap_or(0) & kept;
            let start = (end - 1) - (end - 1) % WORD_BITS;
            if found != 0 {
                return Some(start + WORD_BITS - 1 - found.leading_zeros());
            }
            end = start;
        }
        None
    }

    /// The first index at or after `from` and below `end` that is in the map.
    pub fn next_present(&self, from: u32, end: u32) -> Option<u32> {
        self.next_where(from, end.min(self.bound()), |word| word)
    }

    /// The first index at or after `from` and below `end` that `other` holds and this map does
    /// not: what another can give.
    pub fn next_offered_by(&self, other: &HaveMap, from: u32, end: u32) -> Option<u32> {
        let mut index = from.max(self.prefix);
        let end = end.min(other.bound());
        while index < end {
            let (word, _) = place(index);
            let own = self.words.get(word).copied().unwrap_or(0);
            let theirs = other.words.get(word).copied().unwrap_or(0);
            let found = theirs & !own & (u64::MAX << (index % WORD_BITS));
            if found != 0 {
                let hit = index - index % WORD_BITS + found.trailing_zeros();
                return (hit < end).then_some(hit);
            }
            index = next_word(index);
        }
        None
    }

    /// The map as ascending, disjoint, half-open ranges that begin at or after `from`.
    pub fn ranges_from(&self, from: u32) -> Ranges<'_> {
        Ranges {
            map: self,
            next: from,
        }
    }

    /// The map as ascending, disjoint, half-open ranges.
    pub fn ranges(&self) -> Ranges<'_> {
        self.ranges_from(0)
    }

    fn bound(&self) -> u32 {
        u32::try_from(self.words.len()).map_or(u32::MAX, |words| words.saturating_mul(WORD_BITS))
    }

    fn advance_prefix(&mut self) {
        let bound = self.bound();
        self.prefix = self
            .next_where(self.prefix, bound, |word| !word)
            .unwrap_or(bound);
    }

    fn next_where(&self, from: u32, end: u32, view: impl Fn(u64) -> u64) -> Option<u32> {
        let mut index = from;
        while index < end {
            let (word, _) = place(index);
            let bits = view(self.words.get(word).copied().unwrap_or(0));
            let found = bits & (u64::MAX << (index % WORD_BITS));
            if found != 0 {
                let hit = index - index % WORD_BITS + found.trailing_zeros();
                return (hit < end).then_some(hit);
            }
            index = next_word(index);
        }
        None
    }
}

/// Iterator over the ranges of a [`HaveMap`].
#[derive(Debug, Clone)]
pub struct Ranges<'a> {
    map: &'a HaveMap,
    next: u32,
}

impl Iterator for Ranges<'_> {
    type Item = Range<u32>;

    fn next(&mut self) -> Option<Range<u32>> {
        let bound = self.map.bound();
        let start = self.map.next_present(self.next, bound)?;
        let end = self.map.next_missing(start, bound).unwrap_or(bound);
        self.next = end;
        Some(start..end)
    }
}

fn place(index: u32) -> (usize, u64) {
    ((index / WORD_BITS) as usize, 1 << (index % WORD_BITS))
}

fn next_word(index: u32) -> u32 {
    (index - index % WORD_BITS).saturating_add(WORD_BITS)
}

fn words_for(chunk_count: u32) -> usize {
    chunk_count.div_ceil(WORD_BITS) as usize
}

/// The bits of `word` that lie in `range`, which touches it.
fn mask_within(word: usize, range: &Range<u32>) -> u64 {
    let mut mask = u64::MAX;
    if word == place(range.start).0 {
        mask &= u64::MAX << (range.start % WORD_BITS);
    }
    if word == place(range.end - 1).0 {
        mask &= u64::MAX >> (WORD_BITS - 1 - (range.end - 1) % WORD_BITS);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const END: u32 = 700;

    fn map_of(indices: &BTreeSet<u32>) -> HaveMap {
        let mut map = HaveMap::new();
        for index in indices {
            map.insert(*index);
        }
        map
    }

    fn range_in_bounds() -> impl Strategy<Value = Range<u32>> {
        (0..END, 0..END).prop_map(|(a, b)| a.min(b)..a.max(b))
    }

    #[test]
    fn an_index_is_new_only_once() {
        let mut map = HaveMap::new();
        assert!(map.insert(65));
        assert!(!map.insert(65));
        assert_eq!((map.count(), map.prefix()), (1, 0));
    }

    #[test]
    fn the_prefix_jumps_over_what_was_there_before() {
        let mut map = HaveMap::new();
        map.insert_range(1..200);
        assert_eq!(map.prefix(), 0);
        map.insert(0);
        assert_eq!(map.prefix(), 200);
    }

    #[test]
    fn a_full_last_word_ends_the_prefix_at_its_bound() {
        let mut map = HaveMap::new();
        map.insert_range(0..128);
        assert_eq!(map.prefix(), 128);
        assert_eq!(map.ranges().collect::<Vec<_>>(), vec![0..128]);
        assert_eq!(map.next_missing(0, 200), Some(128));
        assert_eq!(map.next_missing(0, 128), None);
    }

    proptest! {
        #[test]
        fn it_is_a_set_with_a_prefix(indices in prop::collection::btree_set(0..END, 0..300)) {
            let map = map_of(&indices);
            let prefix = (0..END).take_while(|index| indices.contains(index)).count();
            prop_assert_eq!(map.count() as usize, indices.len());
            prop_assert_eq!(map.prefix() as usize, prefix);
            for index in 0..END {
                prop_assert_eq!(map.contains(index), indices.contains(&index));
            }
        }

        #[test]
        fn ranges_rebuild_it(ranges in prop::collection::vec(range_in_bounds(), 0..20)) {
            let mut by_range = HaveMap::new();
            let mut by_index = HaveMap::new();
            for range in &ranges {
                by_range.insert_range(range.clone());
                range.clone().for_each(|index| { by_index.insert(index); });
            }
            let mut rebuilt = HaveMap::new();
            let mut last_end = None;
            for range in by_range.ranges() {
                prop_assert!(!range.is_empty());
                prop_assert!(last_end.is_none_or(|end| end < range.start));
                last_end = Some(range.end);
                rebuilt.insert_range(range);
            }
            prop_assert_eq!(by_range.count(), by_index.count());
            prop_assert_eq!(by_range.prefix(), by_index.prefix());
            prop_assert_eq!(rebuilt.ranges().collect::<Vec<_>>(),
                by_index.ranges().collect::<Vec<_>>());
        }

        #[test]
        fn searches_find_the_first(
            own in prop::collection::btree_set(0..END, 0..300),
            theirs in prop::collection::btree_set(0..END, 0..300),
            window in range_in_bounds(),
        ) {
            let (map, other) = (map_of(&own), map_of(&theirs));
            let (from, end) = (window.start, window.end);
            let first = |wanted: &dyn Fn(u32) -> bool| (from..end).find(|index| wanted(*index));
            prop_assert_eq!(map.next_missing(from, end), first(&|i| !own.contains(&i)));
            prop_assert_eq!(map.last_missing(end), (0..end).rfind(|i| !own.contains(i)));
            prop_assert_eq!(map.next_present(from, end), first(&|i| own.contains(&i)));
            prop_assert_eq!(map.next_offered_by(&other, from, end),
                first(&|i| theirs.contains(&i) && !own.contains(&i)));
        }
    }
}
