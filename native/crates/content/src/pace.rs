//! How fast a background reader may read: a bucket of tokens, by a clock that is passed in.

use std::time::{Duration, Instant};

/// How much may be read at once after a pause: a tenth of a second's worth, so that a disk sees an
/// even load.
const BURST: Duration = Duration::from_millis(100);

/// Grants bytes at a rate. What was taken beyond the rate is waited for before the next is taken.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Nothing: as fast as can be.
    bits_per_second: Option<u64>,
    /// When what was taken so far will have been paid for.
    paid_at: Instant,
}

impl Pace {
    pub(crate) const fn new(bits_per_second: Option<u64>, now: Instant) -> Self {
        Self {
            bits_per_second,
            paid_at: now,
        }
    }

    /// Takes bytes, and says how long to wait before anything more is read.
    pub(crate) fn take(&mut self, bytes: u64, now: Instant) -> Duration {
        let Some(rate) = self.bits_per_second else {
            return Duration::ZERO;
        };
        // What was not used before is not saved up.
        self.paid_at = self.paid_at.max(now);
        self.paid_at += cost(bytes, rate);
        self.paid_at.duration_since(now).saturating_sub(BURST)
    }
}

fn cost(bytes: u64, bits_per_second: u64) -> Duration {
    let nanoseconds = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(bits_per_second.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whoever waits as told never reads more than the rate allows, beyond one burst and one
        /// read.
        #[test]
        fn a_reader_that_waits_keeps_to_the_rate(
            rate in 8_000u64..1_000_000_000,
            reads in proptest::collection::vec((1u64..300_000, 0u64..50), 1..200),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut pace = Pace::new(Some(rate), start);
            let mut total = 0;
            let mut most = 0;
            for (bytes, idle_ms) in reads {
                now += pace.take(bytes, now);
                total += bytes;
                most = most.max(bytes);
                let elapsed = now.duration_since(start) + BURST;
                let allowed = u128::from(rate) * elapsed.as_nanos() / 8 / 1_000_000_000;
                prop_assert!(u128::from(total) <= allowed + u128::from(most) + 1);
                now += Duration::from_millis(idle_ms);
            }
        }
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let now = Instant::now();
        assert_eq!(Pace::new(None, now).take(u64::MAX, now), Duration::ZERO);
    }

    #[test]
    fn a_long_pause_saves_nothing_up() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(8_000), start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(pace.take(1_000, later), Duration::from_millis(900));
    }
}
