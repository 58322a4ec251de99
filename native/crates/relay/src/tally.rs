//! What became of callers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of callers, since the relay opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenerCounters {
    /// Handed to a session.
    pub admitted: u64,
    /// Taken in to talk.
    pub talks: u64,
    /// Whose bytes were timed.
    pub probes: u64,
    /// Cut off because there were too many, in all or from their address.
    pub refused_full: u64,
    /// Wanted an assignment that has no session here.
    pub refused_unknown: u64,
    /// Said what is not in the protocol, or closed half-way.
    pub malformed: u64,
    /// Did not say what they want in time.
    pub too_slow: u64,
    /// Accepts that the system refused.
    pub accept_errors: u64,
}

/// The same while they are counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) admitted: AtomicU64,
    pub(crate) talks: AtomicU64,
    pub(crate) probes: AtomicU64,
    pub(crate) refused_full: AtomicU64,
    pub(crate) refused_unknown: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) too_slow: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    pub(crate) fn counters(&self) -> ListenerCounters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ListenerCounters {
            admitted: load(&self.admitted),
            talks: load(&self.talks),
            probes: load(&self.probes),
            refused_full: load(&self.refused_full),
            refused_unknown: load(&self.refused_unknown),
            malformed: load(&self.malformed),
            too_slow: load(&self.too_slow),
            accept_errors: load(&self.accept_errors),
        }
    }
}
