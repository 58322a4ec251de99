//! Connections on which the caller speaks of commands: taken off the listening thread, they wait
//! here for whoever understands what is said on them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::NodeId;

use crate::addresses::Place;

/// Called on the listening thread when a talk waits; it must not block.
pub type Poke = Arc<dyn Fn() + Send + Sync>;

/// One connection whose caller has sent TALK. Nothing beyond that was read from it.
#[derive(Debug)]
pub struct Talk {
    /// By which `end_talk` gives its place back.
    pub number: u32,
    /// Who the caller says it is; nobody has checked that.
    pub node: NodeId,
    /// Its name, for logs.
    pub name: String,
    /// The socket, which does not block.
    pub stream: OwnedFd,
}

/// Talks that wait, and the places of those that were taken.
#[derive(Debug, Default)]
pub(crate) struct Talks {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    poke: Option<Poke>,
    next: u32,
    waiting: VecDeque<(Talk, Place)>,
    taken: HashMap<u32, Place>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Inner")
            .field("next", &self.next)
            .field("waiting", &self.waiting)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl Talks {
    /// From here on talks are taken in.
    pub(crate) fn open(&self, poke: Poke) {
        self.lock().poke = Some(poke);
    }

    /// Whether one more would be taken in.
    pub(crate) fn has_room(&self, most: usize) -> bool {
        let inner = self.lock();
        inner.poke.is_some() && inner.waiting.len() + inner.taken.len() < most
    }

    pub(crate) fn put(&self, node: NodeId, name: String, stream: OwnedFd, place: Place) {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next = inner.next.wrapping_add(1);
        let talk = Talk {
            number,
            node,
            name,
            stream,
        };
        inner.waiting.push_back((talk, place));
        let poke = inner.poke.clone();
        drop(inner);
        if let Some(poke) = poke {
            poke();
        }
    }

    pub(crate) fn take(&self) -> Option<Talk> {
        let mut inner = self.lock();
        let (talk, place) = inner.waiting.pop_front()?;
        inner.taken.insert(talk.number, place);
        Some(talk)
    }

    pub(crate) fn end(&self, number: u32) {
        let place = self.lock().taken.remove(&number);
        // Dropped without the lock: it takes another.
        drop(place);
    }

    /// Nothing is taken in any more, and what waits is cut off.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.poke = None;
            std::mem::take(&mut inner.waiting)
        };
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
