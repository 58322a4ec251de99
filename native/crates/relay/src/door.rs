//! What the listening thread and the relay share: which sessions callers may want.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;
use wire::AssignmentId;

use crate::probing::Probing;
use crate::session::Shared;
use crate::talks::Talks;
use crate::tally::{ListenerCounters, Tally};

/// What the listening thread and the relay share.
#[derive(Debug)]
pub(crate) struct Door {
    sessions: Mutex<HashMap<AssignmentId, Arc<Shared>>>,
    pub(crate) tally: Tally,
    closing: AtomicBool,
    waker: Waker,
    pub(crate) talks: Talks,
    pub(crate) probing: Probing,
}

impl Door {
    /// `waker` is the listening thread's.
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            sessions: Mutex::default(),
            tally: Tally::default(),
            closing: AtomicBool::new(false),
            waker,
            talks: Talks::default(),
            probing: Probing::default(),
        }
    }

    /// Opens the door for an assignment; false when it is open already.
    pub(crate) fn admit(&self, shared: &Arc<Shared>) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let id = shared.terms.assignment;
        if sessions.get(&id).is_some_and(|other| !other.has_ended()) {
            return false;
        }
        sessions.insert(id, Arc::clone(shared));
        drop(sessions);
        // Somebody may wait for it.
        let _ = self.waker.wake();
        true
    }

    pub(crate) fn session(&self, assignment: &AssignmentId) -> Option<Arc<Shared>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, shared| !shared.has_ended());
        sessions.get(assignment).map(Arc::clone)
    }

    pub(crate) fn counters(&self) -> ListenerCounters {
        self.tally.counters()
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let _ = self.waker.wake();
    }

    /// Waits until nobody is timed any more; the door is closed.
    pub(crate) fn end_probe(&self) {
        self.probing.join();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}
