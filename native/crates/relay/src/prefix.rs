//! How many bytes from the start of a stream are verified and stored, for readers that wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Failure;

/// Nobody waits.
const WANTED_NONE: u64 = u64::MAX;

#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Open,
    Complete,
    Closed(Option<Failure>),
}

/// What a wait for the prefix came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// At least the wanted bytes are there; how many.
    Ready(u64),
    /// The stream is complete and ends before the wanted bytes; its length.
    Complete(u64),
    /// The session ended; why, when it was not asked to.
    Closed(Option<Failure>),
    /// The time given is over; how many bytes there are.
    TimedOut(u64),
}

/// The contiguous verified bytes of one session. The session's thread advances it without a lock;
/// a waiter takes one only when it has to sleep.
#[derive(Debug)]
pub struct Prefix {
    bytes: AtomicU64,
    /// Smallest count somebody sleeps for.
    wanted: AtomicU64,
    end: Mutex<End>,
    changed: Condvar,
}

impl Default for Prefix {
    fn default() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            wanted: AtomicU64::new(WANTED_NONE),
            end: Mutex::new(End::Open),
            changed: Condvar::new(),
        }
    }
}

impl Prefix {
    /// Verified bytes from the start of the stream.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// True when the whole stream is there.
    pub fn is_complete(&self) -> bool {
        *self.lock() == End::Complete
    }

    /// Sleeps until `bytes` are there, the stream has ended, or `timeout` is over.
    pub fn wait(&self, bytes: u64, timeout: Duration) -> Waited {
        let deadline = Instant::now() + timeout;
        let mut end = self.lock();
        loop {
            self.wanted.fetch_min(bytes, Ordering::SeqCst);
            let have = self.bytes.load(Ordering::SeqCst);
            match &*end {
                _ if have >= bytes => return Waited::Ready(have),
                End::Complete => return Waited::Complete(have),
                End::Closed(failure) => return Waited::Closed(failure.clone()),
                End::Open => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::TimedOut(have);
            }
            end = self
                .changed
                .wait_timeout(end, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Publishes a new count. True when somebody sleeps for it and `wake` is due.
    pub(crate) fn advance(&self, bytes: u64) -> bool {
        self.bytes.store(bytes, Ordering::SeqCst);
        self.wanted.load(Ordering::SeqCst) <= bytes
    }

    /// Wakes all who sleep; each looks again and says anew what it wants.
    pub(crate) fn wake(&self) {
        let _end = self.lock();
        self.wanted.store(WANTED_NONE, Ordering::SeqCst);
        self.changed.notify_all();
    }

    pub(crate) fn complete(&self) {
        self.finish(End::Complete);
    }

    pub(crate) fn close(&self, failure: Option<Failure>) {
        self.finish(End::Closed(failure));
    }

    fn finish(&self, reached: End) {
        let mut end = self.lock();
        if *end == End::Open {
            *end = reached;
        }
        drop(end);
        self.wake();
    }

    fn lock(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_waiter_wakes_when_its_bytes_are_there() {
        let prefix = Arc::new(Prefix::default());
        let waiter = Arc::clone(&prefix);
        let thread = thread::spawn(move || waiter.wait(10, LONG));
        let mut bytes = 0;
        while !thread.is_finished() {
            bytes = (bytes + 1).min(12);
            if prefix.advance(bytes) {
                prefix.wake();
            }
        }
        let Ok(Waited::Ready(have)) = thread.join() else {
            panic!("not ready")
        };
        assert!(have >= 10);
    }

    #[test]
    fn nobody_waiting_needs_no_wake() {
        let prefix = Prefix::default();
        assert!(!prefix.advance(u64::MAX - 1));
        assert_eq!(prefix.wait(5, Duration::ZERO), Waited::Ready(u64::MAX - 1));
    }

    #[test]
    fn the_end_is_told_and_the_first_end_holds() {
        let prefix = Prefix::default();
        prefix.advance(7);
        assert_eq!(prefix.wait(8, Duration::ZERO), Waited::TimedOut(7));
        prefix.complete();
        prefix.close(None);
        assert_eq!(prefix.wait(8, LONG), Waited::Complete(7));
        assert!(prefix.is_complete());
    }

    #[test]
    fn a_failure_reaches_the_waiter() {
        let prefix = Prefix::default();
        let failure = Failure {
            code: "ENGINE_ERR_NO_SPACE",
            message: "full".into(),
        };
        prefix.close(Some(failure.clone()));
        assert_eq!(prefix.wait(1, LONG), Waited::Closed(Some(failure)));
    }
}
