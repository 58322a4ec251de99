//! Trains over simulated links: what is told of them, and that nothing makes it panic.

use proptest::prelude::*;

use super::*;

const SECOND_NS: u64 = 1_000_000_000;
const KBIT: u64 = 1000;

/// A link that passes bytes on at a rate, a sender that starts slowly, and a reader that is handed
/// what has come whenever it is woken.
#[derive(Debug, Clone)]
struct Link {
    rate_bps: u64,
    chunk_bytes: u64,
    chunks: u64,
    /// Chunks at the beginning that come at half of the rate.
    slow_chunks: u64,
    /// Chunks' worth that come at once at the beginning: what a limited sender had saved.
    saved_chunks: u64,
    /// The reader sees each so many chunks together.
    batch: u64,
    /// By chunk, how many chunks of others go before it.
    others: Vec<u64>,
    /// By chunk, how much of a chunk's time later the reader wakes, in 256ths.
    late: Vec<u64>,
}

impl Link {
    fn gap_ns(&self) -> u64 {
        (self.chunk_bytes * 8 * SECOND_NS / self.rate_bps).max(1)
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let gap_ns = self.gap_ns();
        let mut at_ns = 7 * SECOND_NS;
        let mut arrivals = Vec::new();
        for chunk in 0..self.chunks {
            let place = usize::try_from(chunk).unwrap();
            let cross = self.others.get(place % self.others.len().max(1)).copied();
            at_ns += match chunk {
                0 => 0,
                _ if chunk < self.saved_chunks => gap_ns / 10,
                _ if chunk < self.slow_chunks => 2 * gap_ns,
                _ => gap_ns * (1 + cross.unwrap_or(0)),
            };
            if (chunk + 1).is_multiple_of(self.batch) || chunk + 1 == self.chunks {
                let late = self.late.get(place % self.late.len().max(1)).copied();
                let seen_ns = at_ns + gap_ns * late.unwrap_or(0) / 256;
                let last_ns = arrivals.last().map_or(0, |last: &Arrival| last.at_ns);
                arrivals.push(Arrival {
                    bytes: (chunk + 1) * self.chunk_bytes,
                    at_ns: seen_ns.max(last_ns),
                });
            }
        }
        arrivals
    }
}

prop_compose! {
    fn links()(
        rate_bps in (1000 * KBIT).ilog2()..=(10_000_000 * KBIT).ilog2(),
        finely in 0..1000_u64,
        chunk_bytes in prop::sample::select(vec![1_448, 4_096, 16_384, 65_536]),
        chunks in 64..256_u64,
        beginning in (0..8_u64, any::<bool>()),
        batch in 1..4_u64,
        late in prop::collection::vec(0..256_u64, 1..40),
    ) -> Link {
        let (count, is_slow) = beginning;
        Link {
            rate_bps: (1 << rate_bps) + (1 << rate_bps) * finely / 1000,
            chunk_bytes,
            chunks,
            slow_chunks: if is_slow { count } else { 0 },
            saved_chunks: if is_slow { 0 } else { count },
            batch,
            others: Vec::new(),
            late,
        }
    }
}

fn within(told: u64, real: u64, percent: u64) -> bool {
    told * 100 >= real * (100 - percent) && told * 100 <= real * (100 + percent)
}

proptest! {
    #[test]
    fn the_rate_of_a_clean_link_is_told_within_15_percent(link in links()) {
        let seen = rate_of(&link.arrivals()).unwrap();
        let real = link.chunk_bytes * 8 * SECOND_NS / link.gap_ns();
        prop_assert!(within(seen.rate_bps, real, 15), "{} for {real}", seen.rate_bps);
    }

    #[test]
    fn other_traffic_is_left_its_part_and_no_more(
        link in links(),
        others in prop::collection::vec(0..3_u64, 16..64),
    ) {
        let link = Link { others, ..link };
        let most: u64 = link.others.iter().max().copied().unwrap_or(0);
        let real = link.chunk_bytes * 8 * SECOND_NS / link.gap_ns();
        let seen = rate_of(&link.arrivals()).unwrap();
        let bounds = (real / (1 + most)) * 85 / 100..=real * 115 / 100;
        prop_assert!(bounds.contains(&seen.rate_bps), "{} of {real}", seen.rate_bps);
    }

    #[test]
    fn no_arrivals_make_it_panic(
        arrivals in prop::collection::vec((any::<u64>(), any::<u64>()), 0..200),
        sorts in any::<bool>(),
    ) {
        let mut all: Vec<_> = arrivals
            .into_iter()
            .map(|(bytes, at_ns)| Arrival { bytes, at_ns })
            .collect();
        if sorts {
            all.sort_by_key(|each| (each.bytes, each.at_ns));
        }
        if let Some(seen) = rate_of(&all) {
            prop_assert!(seen.rate_bps >= 1 && seen.rate_bps <= RATE_BPS_MAX);
        }
    }

    #[test]
    fn an_estimate_lies_among_what_was_measured(
        now_ns in any::<u64>(),
        measures in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..9),
    ) {
        let measures: Vec<_> = measures
            .into_iter()
            .map(|(rate_bps, span_ns, at_ns)| measure(How::Train, rate_bps, span_ns, at_ns))
            .collect();
        let told = estimate_of(now_ns, &measures).unwrap();
        let rates = || measures.iter().map(|each| each.seen.rate_bps.clamp(1, RATE_BPS_MAX));
        let (least, most) = (rates().min().unwrap(), rates().max().unwrap());
        prop_assert!(told.rate_bps >= least && told.rate_bps <= most, "{told:?}");
    }
}

fn measure(how: How, rate_bps: u64, span_ns: u64, at_ns: u64) -> Measure {
    let seen = Seen { rate_bps, span_ns };
    Measure { how, seen, at_ns }
}

#[test]
fn too_few_arrivals_say_nothing() {
    assert_eq!(rate_of(&[]), None);
    let at = |n: u64| Arrival {
        bytes: n * 1000,
        at_ns: n * 1000,
    };
    assert_eq!(rate_of(&[at(1), at(2), at(3)]), None);
    assert_eq!(rate_of(&[at(1); 50]), None, "all at once");
    assert!(rate_of(&(0..10).map(at).collect::<Vec<_>>()).is_some());
}

fn steady() -> Link {
    Link {
        rate_bps: 1_000_000 * KBIT,
        chunk_bytes: 16_384,
        chunks: 64,
        slow_chunks: 0,
        saved_chunks: 0,
        batch: 1,
        others: Vec::new(),
        late: Vec::new(),
    }
}

#[test]
fn a_beginning_that_is_slower_or_faster_does_not_count() {
    let slow = Link {
        slow_chunks: 28,
        ..steady()
    };
    let saved = Link {
        saved_chunks: 28,
        ..steady()
    };
    for link in [slow, saved] {
        let seen = rate_of(&link.arrivals()).unwrap();
        assert!(within(seen.rate_bps, link.rate_bps, 5), "{link:?} {seen:?}");
    }
}

#[test]
fn one_late_wake_up_changes_nothing() {
    let link = steady();
    let mut arrivals = link.arrivals();
    // The reader sleeps for ten chunks' time, and sees what has come meanwhile at once.
    let woken_ns = arrivals[40].at_ns;
    for arrival in &mut arrivals[30..40] {
        arrival.at_ns = woken_ns;
    }
    let seen = rate_of(&arrivals).unwrap();
    assert!(within(seen.rate_bps, link.rate_bps, 10), "{seen:?}");
}

#[test]
fn a_reader_that_was_hardly_ever_woken_tells_how_long_all_of_it_took() {
    let mut arrivals = steady().arrivals();
    let last_ns = arrivals[63].at_ns;
    for arrival in &mut arrivals[1..] {
        arrival.at_ns = last_ns;
    }
    let seen = rate_of(&arrivals).unwrap();
    assert!(within(seen.rate_bps, 1_000_000 * KBIT, 5), "{seen:?}");
}

#[test]
fn what_was_counted_while_there_was_something_to_send_is_a_rate() {
    let seen = rate_of_count(1_000_000, 80_000_000).unwrap();
    assert_eq!((seen.rate_bps, seen.span_ns), (100_000 * KBIT, 80_000_000));
    assert_eq!(rate_of_count(1_000_000, 0), None);
    assert_eq!(rate_of_count(0, 5), None);
}

#[test]
fn what_is_newer_and_longer_counts_more_and_what_is_old_says_so() {
    let now_ns = 3600 * SECOND_NS;
    let (slow, fast) = (10_000 * KBIT, 100_000 * KBIT);
    let old = measure(How::Bulk, slow, SECOND_NS, now_ns - 600 * SECOND_NS);
    let new = measure(How::Train, fast, SECOND_NS / 10, now_ns);
    let told = estimate_of(now_ns, &[old, new]).unwrap();
    assert!(told.rate_bps > 80_000 * KBIT, "{told:?}");
    assert_eq!(
        (told.how, told.is_stale, told.age_ns),
        (How::Train, false, 0)
    );
    let long = measure(How::Bulk, slow, 3 * SECOND_NS, now_ns);
    let told = estimate_of(now_ns, &[long, new]).unwrap();
    assert!(told.rate_bps < 20_000 * KBIT, "{told:?}");
    assert_eq!(told.how, How::Bulk);
    let told = estimate_of(now_ns + SECOND_NS, &[old]).unwrap();
    assert_eq!((told.rate_bps, told.is_stale), (slow, true));
    assert_eq!(estimate_of(now_ns, &[]), None);
}
