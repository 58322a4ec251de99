//! How long a session rests after a round that moved little: packets come one by one on a slow
//! link, and each that is looked at alone costs a wake-up and an acknowledgement.

use std::time::Duration;

use crate::limits::{ROUND_BYTES_SMALL, ROUND_REST, ROUND_REST_MAX, UNSENT_FIRST_BYTES};

/// A session's rest, by the pace at which it moves bytes.
#[derive(Debug)]
pub(crate) struct Rest {
    /// Bytes received and sent by the end of the last round.
    moved: u64,
    /// The same, each by itself, when the pace was last measured.
    received: u64,
    sent: u64,
    measured_ms: u64,
    span: Duration,
}

impl Rest {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            moved: 0,
            received: 0,
            sent: 0,
            measured_ms: now_ms,
            span: ROUND_REST,
        }
    }

    /// Measures the pace. A rest is no longer than what a socket has unsent when it asks for more
    /// lasts, so that no link waits for it.
    pub(crate) fn measure(&mut self, now_ms: u64, received: u64, sent: u64) {
        let span_ms = now_ms.saturating_sub(self.measured_ms);
        let bytes = (received - self.received).max(sent - self.sent);
        self.span = Duration::from_millis(span_ms)
            .saturating_mul(UNSENT_FIRST_BYTES)
            .checked_div(u32::try_from(bytes).unwrap_or(u32::MAX))
            .map_or(ROUND_REST, |span| span.clamp(ROUND_REST, ROUND_REST_MAX));
        (self.received, self.sent, self.measured_ms) = (received, sent, now_ms);
    }

    /// How long to rest after a round; None: it moved nothing, or much.
    pub(crate) fn after_round(&mut self, received: u64, sent: u64) -> Option<Duration> {
        let bytes = received + sent - self.moved;
        self.moved += bytes;
        (bytes > 0 && bytes < ROUND_BYTES_SMALL).then_some(self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span_at(mbit: u64) -> Duration {
        let mut rest = Rest::new(0);
        rest.measure(50, 0, mbit * 125 * 50);
        rest.after_round(0, 1).unwrap()
    }

    #[test]
    fn the_slower_a_session_is_the_longer_it_rests_within_bounds() {
        assert_eq!(span_at(1), ROUND_REST_MAX);
        assert!(span_at(8) > Duration::from_millis(16) && span_at(8) < Duration::from_millis(17));
        assert!(span_at(25) > Duration::from_millis(5) && span_at(25) < Duration::from_millis(6));
        assert_eq!(span_at(100), ROUND_REST);
        assert_eq!(span_at(10_000), ROUND_REST);
    }

    #[test]
    fn it_rests_after_small_rounds_alone_and_shortly_where_nothing_was_moved() {
        let mut rest = Rest::new(0);
        assert_eq!(rest.after_round(0, 0), None);
        assert_eq!(rest.after_round(100, 0), Some(ROUND_REST));
        assert_eq!(rest.after_round(100, 0), None);
        assert_eq!(rest.after_round(100 + ROUND_BYTES_SMALL, 0), None);
        rest.measure(1000, 100 + ROUND_BYTES_SMALL, 0);
        rest.measure(2000, 100 + ROUND_BYTES_SMALL, 0);
        assert_eq!(
            rest.after_round(101 + ROUND_BYTES_SMALL, 0),
            Some(ROUND_REST)
        );
    }
}
