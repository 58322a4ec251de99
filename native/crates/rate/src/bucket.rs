//! A bucket of credit, counted finely enough that no rate is rounded.

use crate::limits::{WAIT_NS_MAX, WAIT_NS_MIN};

/// Credit is counted in bits of bandwidth times nanoseconds: what a rate brings in a time is a
/// product, and never rounded.
pub(crate) const PER_BYTE: i128 = 8_000_000_000;

/// Credit of one bucket; below zero it is a debt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) credit: i128,
}

impl Bucket {
    /// How much more it takes when it holds at most so much.
    pub(crate) fn room(self, most: i128) -> i128 {
        (most - self.credit).max(0)
    }

    /// Adds up to so much; gives what does not fit.
    pub(crate) fn add(&mut self, credit: i128, most: i128) -> i128 {
        let taken = credit.min(self.room(most));
        self.credit += taken;
        credit - taken
    }

    /// Takes out whole bytes: up to a credit, but never fewer than are wanted.
    pub(crate) fn take(&mut self, wanted_bytes: u64, most: i128) -> u64 {
        let bytes = self.credit.min(most) / PER_BYTE;
        let bytes = u64::try_from(bytes).unwrap_or(0).max(wanted_bytes);
        self.spend(bytes);
        bytes
    }

    pub(crate) fn spend(&mut self, bytes: u64) {
        self.credit -= i128::from(bytes) * PER_BYTE;
    }

    /// How long until it holds so much, if it fills at this rate.
    pub(crate) fn wait_ns(self, wanted: i128, rate_bps: i128) -> u64 {
        let lacking = (wanted - self.credit).max(0);
        let wait = lacking / rate_bps.max(1) + 1;
        u64::try_from(wait)
            .unwrap_or(u64::MAX)
            .clamp(WAIT_NS_MIN, WAIT_NS_MAX)
    }
}

/// What a rate brings in a time; at the lowest rates two bytes, or nothing would ever fit.
pub(crate) fn worth(rate_bps: i128, span_ns: u64) -> i128 {
    (rate_bps * i128::from(span_ns)).max(2 * PER_BYTE)
}
