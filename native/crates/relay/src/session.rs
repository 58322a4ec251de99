//! A session as its owner sees it: one assignment's stream, sent or received by a thread of its
//! own. Calls leave a note for that thread and return; figures are what it published last.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use mio::Waker;
use mio::net::TcpStream;
use spread::Plan;
use spread::Role;
use wire::peer::Message;
use wire::vouch::Vouch;
use wire::{AssignmentId, NodeId};

use crate::addresses::Place;
use crate::error::{Failure, RelayError};
use crate::pace::Pace;
use crate::prefix::Prefix;
use crate::vouches::Terms;

/// What a source session serves.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// The assignment.
    pub assignment: AssignmentId,
    /// Its stream's file, which may still grow.
    pub path: PathBuf,
    /// Vouches of an earlier time, read once; more may come by `Session::vouch`.
    pub vouch_path: Option<PathBuf>,
    /// Bytes of each chunk but the last.
    pub chunk_bytes: u32,
    /// The key that signs vouches.
    pub public_key: [u8; 32],
    /// Who sends to whom.
    pub plan: Plan,
    /// How fast it may send.
    pub pace: Pace,
}

/// What a receiver session fetches.
#[derive(Debug, Clone)]
pub struct ReceiverSpec {
    /// The assignment.
    pub assignment: AssignmentId,
    /// Where its stream goes; what an earlier session left there is used.
    pub path: PathBuf,
    /// Where accepted vouches go.
    pub vouch_path: PathBuf,
    /// Bytes of each chunk but the last.
    pub chunk_bytes: u32,
    /// The key that signs vouches.
    pub public_key: [u8; 32],
    /// Who sends to whom.
    pub plan: Plan,
    /// How fast it may send.
    pub pace: Pace,
}

/// What went to one child, since it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// The child.
    pub node: NodeId,
    /// Bytes that it has acknowledged.
    pub sent_bytes: u64,
    /// How long there was something that it had not acknowledged.
    pub busy_ms: u64,
    /// When the system was asked, by a clock of the session's own.
    pub asked_ms: u64,
}

/// One session as it stood a moment ago (50 ms at most). Counters only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionStatus {
    /// The assignment.
    pub assignment: AssignmentId,
    /// True while an earlier session's file is being checked.
    pub restoring: bool,
    /// Verified bytes.
    pub bytes_have: u64,
    /// Verified chunks.
    pub chunks_have: u32,
    /// Chunks of the whole stream, once its end is vouched for.
    pub chunk_count: Option<u32>,
    /// Whether everything is there.
    pub complete: bool,
    /// Bytes of chunks that came over the network, the useless ones too.
    pub bytes_received: u64,
    /// Bytes of chunks that were sent.
    pub bytes_sent: u64,
    /// Chunks that came though they were there.
    pub duplicate_chunks: u64,
    /// Chunks that were not what was vouched for; each cost its sender the link.
    pub corrupt_chunks: u64,
    /// Links closed because of what came over them, corrupt chunks among them.
    pub faulty_links: u64,
    /// Reason of the last of those.
    pub last_fault: Option<&'static str>,
    /// Why the core last closed a link.
    pub last_close: Option<&'static str>,
    /// Nodes this one is connected to as a child.
    pub parents: Vec<NodeId>,
    /// Nodes that this one serves in a strand, and what went to them.
    pub children: Vec<Child>,
    /// Why the session stands still for ever.
    pub failure: Option<Failure>,
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Vouch {
        vouch: Vouch,
        bytes: Vec<u8>,
    },
    Plan(Plan),
    Pace(Pace),
    Incoming(Box<Incoming>),
    KeepApart {
        range: Range<u64>,
        reply: SyncSender<Vec<Range<u64>>>,
    },
    Seal {
        range: Range<u64>,
        reply: SyncSender<()>,
    },
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) stream: TcpStream,
    pub(crate) node: NodeId,
    pub(crate) attach: Message,
    pub(crate) place: Place,
}

/// Notes for the thread; closed once it is gone.
#[derive(Debug, Default)]
struct Mailbox {
    notes: Vec<Command>,
    is_closed: bool,
}

/// What the owner, the listener and the session's thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) terms: Terms,
    pub(crate) prefix: Arc<Prefix>,
    /// Our HELLO, encoded.
    pub(crate) hello: Vec<u8>,
    waker: Waker,
    /// It has taken over what an earlier session left.
    begun: AtomicBool,
    closing: AtomicBool,
    mailbox: Mutex<Mailbox>,
    status: Mutex<SessionStatus>,
}

impl Shared {
    pub(crate) fn new(terms: Terms, hello: Vec<u8>, waker: Waker) -> Self {
        let status = SessionStatus {
            assignment: terms.assignment,
            ..SessionStatus::default()
        };
        Self {
            terms,
            prefix: Arc::default(),
            hello,
            waker,
            begun: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            mailbox: Mutex::default(),
            status: Mutex::new(status),
        }
    }

    /// Leaves a note and wakes the thread; false when that is gone.
    pub(crate) fn post(&self, command: Command) -> bool {
        let mut mailbox = lock(&self.mailbox);
        if mailbox.is_closed {
            return false;
        }
        mailbox.notes.push(command);
        drop(mailbox);
        let _ = self.waker.wake();
        true
    }

    /// Moves all notes to `taken`, which is empty.
    pub(crate) fn take_commands(&self, taken: &mut Vec<Command>) {
        std::mem::swap(&mut lock(&self.mailbox).notes, taken);
    }

    /// Whether the thread is gone.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.mailbox).is_closed
    }

    /// From now on callers are taken in.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let _ = self.waker.wake();
    }

    /// Changes what `status` tells.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut SessionStatus)) {
        change(&mut lock(&self.status));
    }

    /// The session's end, asked for or not: told to all who look or wait.
    pub(crate) fn end(&self, failure: Option<Failure>) {
        self.publish(|status| {
            status.failure.clone_from(&failure);
            status.restoring = false;
            status.parents.clear();
            status.children.clear();
        });
        self.prefix.close(failure);
        *lock(&self.mailbox) = Mailbox {
            notes: Vec::new(),
            is_closed: true,
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One assignment's stream, sent or received. Ends when it is closed or dropped.
#[derive(Debug)]
pub struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) role: Role,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
}

impl Session {
    /// The assignment.
    pub fn assignment(&self) -> AssignmentId {
        self.shared.terms.assignment
    }

    /// Whether its verified bytes are: a receiver has compared each chunk with what was vouched
    /// for, a source has the word of whoever writes the stream.
    pub fn checks_chunks(&self) -> bool {
        self.role == Role::Receiver
    }

    /// Hands a source a signed vouch: its chunks are in the file and may be sent. Vouches follow
    /// each other from the first chunk on; one that leaves a gap ends the session.
    ///
    /// # Errors
    /// `VouchInvalid` at once when it cannot be read or is not signed by the session's key.
    pub fn vouch(&self, bytes: Vec<u8>) -> Result<(), RelayError> {
        let checked = self.shared.terms.check(&bytes);
        let vouch = checked.map_err(|refused| RelayError::VouchInvalid {
            reason: refused.reason(),
        })?;
        self.shared.post(Command::Vouch { vouch, bytes });
        Ok(())
    }

    /// Gives a new plan; links that it does not name are left as they are useful.
    pub fn set_plan(&self, plan: Plan) {
        self.shared.post(Command::Plan(plan));
    }

    /// Changes how fast it may send, and whether it does at all. A chunk that is begun is ended.
    pub fn set_pace(&self, pace: Pace) {
        self.shared.post(Command::Pace(pace));
    }

    /// The session as it stands. Cheap: a copy of some hundred bytes.
    pub fn status(&self) -> SessionStatus {
        lock(&self.shared.status).clone()
    }

    /// The verified bytes from the start, for a reader that waits for them.
    pub fn prefix(&self) -> Arc<Prefix> {
        Arc::clone(&self.shared.prefix)
    }

    /// Has the thread keep a stretch of the stream in a parcel of its own from now on, if it is one
    /// that is received and there can be one; waits until it does. Gives the stretches that are in
    /// the stream's file already, and stay there. A session that has ended changes nothing.
    pub fn keep_apart(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let (reply, answer) = sync_channel(1);
        self.shared.post(Command::KeepApart { range, reply });
        answer.recv().unwrap_or_default()
    }

    /// Says that a parcel has all its bytes; waits until its file is not open for writing any more.
    pub fn seal(&self, range: Range<u64>) {
        let (reply, answer) = sync_channel(1);
        self.shared.post(Command::Seal { range, reply });
        // It is gone: then the file is closed, too.
        let _ = answer.recv();
    }

    /// Ends the session and joins its thread; the files stay. A second call finds nothing to do.
    pub fn close(&self) {
        self.shared.close();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}
