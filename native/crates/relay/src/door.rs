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
        true
    }

    /// A session has begun: somebody may wait for it.
    pub(crate) fn call_waiting(&self) {
        let _ = self.waker.wake();
    }

    /// The session of an assignment, once it takes callers in. While it checks what an earlier one
    /// left, which may take minutes, they are told to ask again: who waited inside would hold a
    /// socket and a place of its address though nobody reads what it says, or that it is gone.
    pub(crate) fn session(&self, assignment: &AssignmentId) -> Option<Arc<Shared>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, shared| !shared.has_ended());
        let session = sessions.get(assignment);
        session.filter(|shared| shared.has_begun()).map(Arc::clone)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vouches::Terms;
    use mio::{Poll, Token};

    #[test]
    fn a_session_takes_callers_in_from_when_it_has_taken_over_what_was_left() {
        let polls = [Poll::new().unwrap(), Poll::new().unwrap()];
        let [of_door, of_session] = polls
            .each_ref()
            .map(|poll| Waker::new(poll.registry(), Token(0)).unwrap());
        let door = Door::new(of_door);
        let terms = Terms {
            assignment: [1; 16],
            public_key: [0; 32],
            chunk_bytes: 4096,
        };
        let shared = Arc::new(Shared::new(terms, Vec::new(), of_session));
        assert!(door.admit(&shared));
        assert!(door.session(&[1; 16]).is_none());
        assert!(!door.admit(&shared), "it is there, though");
        shared.begin();
        assert!(door.session(&[1; 16]).is_some());
        shared.end(None);
        assert!(door.session(&[1; 16]).is_none());
    }
}
