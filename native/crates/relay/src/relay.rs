//! The process's end of the data plane: one listening thread, one thread for each session.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use mio::{Poll, Waker};
use spread::{Plan, Role};
use wire::NodeId;
use wire::limits::chunk_bytes_allowed;
use wire::peer::{Message, PeerRole};

use crate::door::Door;
use crate::error::RelayError;
use crate::listener::{ListenLimits, Listener};
use crate::pace::{Pace, Pacer};
use crate::probing::{self, ProbeSpec, Probed};
use crate::session::{ReceiverSpec, Session, Shared, SourceSpec};
use crate::session_loop::{self, Start};
use crate::store::Store;
use crate::talks::{Poke, Talk};
use crate::tally::ListenerCounters;
use crate::vouches::{Terms, VouchBook};

/// Where a relay listens, and who it says it is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to listen on; port 0 is any free one.
    pub listen: SocketAddr,
    /// This node.
    pub node: NodeId,
    /// Its name, for the logs of others.
    pub name: String,
    /// What this process is.
    pub role: PeerRole,
    /// Bounds of the listening side.
    pub limits: ListenLimits,
}

/// What a session does beside others.
struct Part {
    role: Role,
    plan: Plan,
    pace: Pace,
}

/// A listening socket and the sessions behind it. Closes all when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    node: NodeId,
    hello: Vec<u8>,
    door: Arc<Door>,
    thread: Mutex<Option<JoinHandle<()>>>,
    sessions: Mutex<Vec<Weak<Session>>>,
    pacer: Arc<Pacer>,
}

impl Relay {
    /// Listens, with a thread of its own.
    ///
    /// # Errors
    /// `AddressInUse`, `Listen`, `System`.
    pub fn open(options: Options) -> Result<Self, RelayError> {
        let Options {
            listen,
            node,
            name,
            role,
            limits,
        } = options;
        let hello = Message::Hello {
            role,
            node,
            name,
            ticket: Vec::new(),
        }
        .encode();
        let bound = Listener::bind(listen, hello.clone(), limits);
        let (mut listener, address, door) = bound.map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => RelayError::AddressInUse { address: listen },
            _ => RelayError::Listen {
                address: listen,
                source,
            },
        })?;
        let thread = spawn("relay-listen".to_owned(), move || {
            let run = std::panic::AssertUnwindSafe(|| listener.run());
            // A listener that ends early is seen in `is_listening`.
            let _ = std::panic::catch_unwind(run);
        })?;
        let thread = Mutex::new(Some(thread));
        Ok(Self {
            address,
            node,
            hello,
            door,
            thread,
            sessions: Mutex::default(),
            pacer: Arc::default(),
        })
    }

    /// The address it listens on, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What became of callers so far.
    pub fn counters(&self) -> ListenerCounters {
        self.door.counters()
    }

    /// Limits what all sessions together send, in bits per second of content; none: no limit.
    /// They share it by weight, and what one does not use others do.
    pub fn set_rate(&self, rate_bps: Option<u64>) {
        self.pacer.set_rate(rate_bps);
    }

    /// The limit in force.
    pub fn rate_bps(&self) -> Option<u64> {
        self.pacer.rate_bps()
    }

    /// False once the listening thread has ended, by `close` or by an error of the system.
    pub fn is_listening(&self) -> bool {
        lock(&self.thread)
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Takes in callers that want to talk, instead of refusing them. `poke` is called on the
    /// listening thread for each one that waits: it must not block.
    pub fn open_talks(&self, poke: Poke) {
        if !self.door.is_closing() {
            self.door.talks.open(poke);
        }
    }

    /// The talk that has waited longest; it keeps its place until [`Relay::end_talk`].
    pub fn take_talk(&self) -> Option<Talk> {
        self.door.talks.take()
    }

    /// A talk is over, and its socket closed: others have its place.
    pub fn end_talk(&self, number: u32) {
        self.door.talks.end(number);
    }

    /// Measures what this process can send to a peer now, by bytes that are thrown away there, as
    /// fast as the process's limit allows. Blocks, for seconds at most; ends early when the relay
    /// closes.
    ///
    /// # Errors
    /// `Probe`, `Closed`.
    pub fn probe(&self, spec: &ProbeSpec) -> Result<Probed, RelayError> {
        probing::send(spec, &self.hello, &self.pacer, &|| self.door.is_closing())
    }

    /// Serves a stream that is in a file or still being written.
    ///
    /// # Errors
    /// `Disk` when the file cannot be opened, `SessionExists`, `ChunkBytes`, `Closed`, `System`.
    pub fn open_source(&self, spec: SourceSpec) -> Result<Arc<Session>, RelayError> {
        let SourceSpec {
            assignment,
            path,
            vouch_path,
            chunk_bytes,
            public_key,
            plan,
            pace,
        } = spec;
        let terms = Terms {
            assignment,
            public_key,
            chunk_bytes,
        };
        let part = Part {
            role: Role::Source,
            plan,
            pace,
        };
        self.start(terms, part, || {
            let book = match vouch_path {
                Some(path) => VouchBook::read(terms, &path)?,
                None => VouchBook::new(terms),
            };
            Ok((book, Store::open_source(&path, chunk_bytes)?))
        })
    }

    /// Fetches a stream and forwards it. What an earlier session left is checked and kept.
    ///
    /// # Errors
    /// Those of `open_source`, and `VouchInvalid` when the vouch file is another assignment's.
    pub fn open_receiver(&self, spec: ReceiverSpec) -> Result<Arc<Session>, RelayError> {
        let ReceiverSpec {
            assignment,
            path,
            vouch_path,
            chunk_bytes,
            public_key,
            plan,
            pace,
        } = spec;
        let terms = Terms {
            assignment,
            public_key,
            chunk_bytes,
        };
        let part = Part {
            role: Role::Receiver,
            plan,
            pace,
        };
        self.start(terms, part, || {
            let book = VouchBook::open(terms, &vouch_path)?;
            Ok((book, Store::open_receiver(&path, chunk_bytes)?))
        })
    }

    /// Starts a session on the files that `open_files` opens, once no other can run on them.
    fn start(
        &self,
        terms: Terms,
        part: Part,
        open_files: impl FnOnce() -> Result<(VouchBook, Store), RelayError>,
    ) -> Result<Arc<Session>, RelayError> {
        let chunk_bytes = terms.chunk_bytes;
        if !chunk_bytes_allowed(chunk_bytes) {
            return Err(RelayError::ChunkBytes { chunk_bytes });
        }
        let refused = |source| RelayError::System {
            what: "an event queue",
            source,
        };
        let poll = Poll::new().map_err(refused)?;
        let waker = Waker::new(poll.registry(), session_loop::WAKER).map_err(refused)?;
        let shared = Arc::new(Shared::new(terms, self.hello.clone(), waker));
        if self.door.is_closing() {
            return Err(RelayError::Closed);
        }
        if !self.door.admit(&shared) {
            return Err(RelayError::SessionExists);
        }
        let (book, store) = open_files().inspect_err(|_| shared.end(None))?;
        let mut sessions = lock(&self.sessions);
        if self.door.is_closing() {
            shared.end(None);
            return Err(RelayError::Closed);
        }
        let role = part.role;
        let start = Start {
            shared: Arc::clone(&shared),
            poll,
            book,
            store,
            node: self.node,
            role,
            plan: part.plan,
            pacer: Arc::clone(&self.pacer),
            pace: part.pace,
            door: Arc::clone(&self.door),
        };
        let name = format!(
            "relay-{:02x}{:02x}",
            terms.assignment[0], terms.assignment[1]
        );
        let thread = spawn(name, move || session_loop::run(start));
        let thread = thread.inspect_err(|_| shared.end(None))?;
        let session = Arc::new(Session {
            shared,
            role,
            thread: Mutex::new(Some(thread)),
        });
        sessions.retain(|weak| weak.strong_count() > 0);
        sessions.push(Arc::downgrade(&session));
        Ok(session)
    }

    /// Ends every session and joins every thread; the port is free afterwards. A second call finds
    /// nothing to do.
    pub fn close(&self) {
        self.door.close();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        self.door.end_probe();
        self.door.talks.close();
        let sessions = std::mem::take(&mut *lock(&self.sessions));
        for session in sessions.iter().filter_map(Weak::upgrade) {
            session.close();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.close();
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RelayError> {
    let spawned = std::thread::Builder::new().name(name).spawn(run);
    spawned.map_err(|source| RelayError::System {
        what: "a thread",
        source,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
