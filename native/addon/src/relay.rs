//! The data plane's end of this process: one relay, its sessions by number.

use crate::error::{Fault, settle};
use crate::following::Followed;
use crate::keys::{read_hex, read_key};
use crate::pacing::{Pace, read_pace, read_rate};
use crate::probing::{ProbeOptions, ProbeResult, result_of};
use crate::promise::on_thread;
use crate::status::{SessionStatus, status_of};
use crate::teardown::{Teardown, key_of};
use content::StreamSource;
use napi::Env;
use napi::bindgen_prelude::{Function, PromiseRaw, Uint8Array};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use relay::{ListenLimits, ProbeSpec, ReceiverSpec, RelayError, Session, SourceSpec};
use spread::{Peer, Plan};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use wire::AssignmentId;
use wire::peer::PeerRole;

/// The environment that opened the first relay; it alone may open others.
static OWNER: Mutex<Option<usize>> = Mutex::new(None);

#[napi(object, use_nullable = true)]
pub struct RelayOptions {
    pub host: String,
    pub port: u16,
    pub node_id: String,
    pub name: String,
    #[napi(ts_type = "'coordinator' | 'node'")]
    pub role: String,
}

/// A node as a plan names it: where its relay listens, the host as a number.
#[napi(object, use_nullable = true)]
pub struct PeerRef {
    pub node_id: String,
    pub host: String,
    pub port: u16,
}

/// One node's part of a plan.
#[napi(object)]
pub struct NodePlan {
    pub strand_count: u8,
    #[napi(ts_type = "ReadonlyArray<ReadonlyArray<PeerRef>>")]
    pub parents: Vec<Vec<PeerRef>>,
    #[napi(ts_type = "ReadonlyArray<PeerRef>")]
    pub peers: Vec<PeerRef>,
    #[napi(ts_type = "boolean | undefined")]
    pub is_slow: Option<bool>,
}

#[napi(object, use_nullable = true)]
pub struct SourceSessionOptions {
    pub assignment_id: String,
    pub path: String,
    pub vouch_path: Option<String>,
    pub chunk_bytes: u32,
    pub public_key: Uint8Array,
    pub plan: NodePlan,
    pub pace: Pace,
}

#[napi(object, use_nullable = true)]
pub struct ReceiverSessionOptions {
    pub assignment_id: String,
    pub path: String,
    pub vouch_path: String,
    pub chunk_bytes: u32,
    pub public_key: Uint8Array,
    pub plan: NodePlan,
    pub pace: Pace,
}

/// A connection whose caller wants to talk. Its descriptor is the taker's to close.
#[napi(object, use_nullable = true)]
pub struct TakenTalk {
    pub number: u32,
    pub fd: i32,
    pub node_id: String,
    pub name: String,
}

/// A listening socket and its sessions; each session has one native thread.
#[napi]
pub struct Relay {
    address: SocketAddr,
    inner: Arc<Inner>,
    teardown: Teardown,
}

#[napi]
impl Relay {
    /// Listens. One thread of Node owns all relays of a process; another is refused.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: &Env, options: RelayOptions) -> napi::Result<Self> {
        settle(env, claim(key_of(env)))?;
        let relay = settle(env, open_relay(&options))?;
        let address = relay.address();
        let inner = Arc::new(Inner {
            relay,
            table: Mutex::default(),
        });
        let ending = Arc::clone(&inner);
        let teardown = Teardown::register(env, move || ending.close())?;
        Ok(Self {
            address,
            inner,
            teardown,
        })
    }

    #[napi(getter)]
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    #[napi(getter)]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// False once the system has taken the listening socket away; open sessions go on.
    #[napi(getter)]
    pub fn is_listening(&self) -> bool {
        self.inner.relay.is_listening()
    }

    /// Serves an assignment's file. Gives the session's number.
    #[napi(catch_unwind)]
    pub fn open_source(&self, env: &Env, options: SourceSessionOptions) -> napi::Result<u32> {
        let spec = settle(env, read_source(options))?;
        let opened = self
            .inner
            .open(spec.assignment, |relay| relay.open_source(spec));
        settle(env, opened)
    }

    /// Fetches an assignment. Gives the session's number.
    #[napi(catch_unwind, ts_return_type = "Promise<number>")]
    pub fn open_receiver<'env>(
        &self,
        env: &'env Env,
        options: ReceiverSessionOptions,
    ) -> napi::Result<PromiseRaw<'env, u32>> {
        let spec = settle(env, read_receiver(options))?;
        let inner = Arc::clone(&self.inner);
        on_thread(env, "engine-open", move || {
            inner.open(spec.assignment, |relay| relay.open_receiver(spec))
        })
    }

    /// Hands a source session a signed vouch: its chunks are in the file and may be sent.
    #[napi(catch_unwind)]
    pub fn vouch(&self, env: &Env, session: u32, vouch: &[u8]) -> napi::Result<()> {
        let session = settle(env, self.inner.session(session))?;
        settle(env, session.vouch(vouch.to_vec()).map_err(Fault::from))
    }

    #[napi(catch_unwind)]
    pub fn set_plan(&self, env: &Env, session: u32, plan: NodePlan) -> napi::Result<()> {
        let session = settle(env, self.inner.session(session))?;
        session.set_plan(settle(env, read_plan(&plan))?);
        Ok(())
    }

    /// Changes how fast a session may send. A chunk that is begun is ended.
    #[napi(catch_unwind)]
    pub fn set_pace(&self, env: &Env, session: u32, pace: Pace) -> napi::Result<()> {
        let session = settle(env, self.inner.session(session))?;
        session.set_pace(settle(env, read_pace(&pace))?);
        Ok(())
    }

    /// Limits what all sessions together send, in bits per second of content; null: no limit.
    #[napi(catch_unwind)]
    pub fn set_rate(&self, env: &Env, rate_bps: Option<i64>) -> napi::Result<()> {
        self.inner.relay.set_rate(settle(env, read_rate(rate_bps))?);
        Ok(())
    }

    /// Measures what can be sent to a peer now, by bytes that are thrown away there.
    #[napi(catch_unwind, ts_return_type = "Promise<ProbeResult>")]
    pub fn probe<'env>(
        &self,
        env: &'env Env,
        options: ProbeOptions,
    ) -> napi::Result<PromiseRaw<'env, ProbeResult>> {
        let Peer { node, address } = settle(env, read_peer(&options.to))?;
        let spec = ProbeSpec {
            node,
            address,
            is_bulk: options.is_bulk,
        };
        let inner = Arc::clone(&self.inner);
        on_thread(env, "engine-probe", move || {
            Ok(result_of(&inner.relay.probe(&spec)?))
        })
    }

    /// Takes in callers that want to talk from here on; `onWaiting` is called when some wait. It
    /// does not keep the process alive.
    #[napi(catch_unwind)]
    pub fn open_talks(
        &self,
        #[napi(ts_arg_type = "() => void")] on_waiting: Function<'_, (), ()>,
    ) -> napi::Result<()> {
        // One call is enough for all that wait, so one may be on its way.
        let poke = on_waiting
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .max_queue_size::<1>()
            .build()?;
        self.inner.relay.open_talks(Arc::new(move || {
            let _ = poke.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }));
        Ok(())
    }

    /// The talk that has waited longest; null when none waits. Close its socket, then `endTalk`.
    #[napi(catch_unwind)]
    pub fn take_talk(&self) -> Option<TakenTalk> {
        let talk = self.inner.relay.take_talk()?;
        Some(TakenTalk {
            number: talk.number,
            fd: talk.stream.into_raw_fd(),
            node_id: hex::encode(talk.node),
            name: talk.name,
        })
    }

    /// A talk is over: others have its place.
    #[napi(catch_unwind)]
    pub fn end_talk(&self, number: u32) {
        self.inner.relay.end_talk(number);
    }

    /// All sessions, in one call.
    #[napi(catch_unwind)]
    pub fn poll(&self) -> Vec<SessionStatus> {
        let table = self.inner.lock();
        table
            .open
            .iter()
            .map(|(number, session)| status_of(*number, session))
            .collect()
    }

    /// Ends a session; its files stay. Its thread is joined on another, so this does not wait.
    #[napi(catch_unwind)]
    pub fn close_session(&self, session: u32) {
        self.inner.close_session(session);
    }

    /// Ends every session and joins every thread. Later calls find nothing to do.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let (inner, teardown) = (Arc::clone(&self.inner), self.teardown);
        on_thread(env, "engine-close", move || {
            inner.close();
            teardown.done();
            Ok(())
        })
    }
}

impl Relay {
    /// Where a session's verified bytes are read from.
    pub(crate) fn source_of(&self, session: u32) -> Result<Box<dyn StreamSource>, Fault> {
        let session = self.inner.session(session)?;
        Ok(Box::new(Followed::new(&session)))
    }
}

struct Inner {
    relay: relay::Relay,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u32,
    open: BTreeMap<u32, Arc<Session>>,
    /// Sessions whose threads are being joined; the same assignment opens again after that.
    closing: Vec<(AssignmentId, JoinHandle<()>)>,
}

impl Inner {
    fn open(
        &self,
        assignment: AssignmentId,
        open: impl FnOnce(&relay::Relay) -> Result<Arc<Session>, RelayError>,
    ) -> Result<u32, Fault> {
        self.await_closing(assignment);
        let session = open(&self.relay)?;
        let mut table = self.lock();
        let number = table.next;
        table.next += 1;
        table.open.insert(number, session);
        Ok(number)
    }

    fn session(&self, number: u32) -> Result<Arc<Session>, Fault> {
        self.lock()
            .open
            .get(&number)
            .map(Arc::clone)
            .ok_or_else(|| {
                let what = format!("number {number}");
                Fault::new(
                    "ENGINE_ERR_RELAY_SESSION",
                    format!("there is no open session for {what}"),
                )
                .with("what", what)
            })
    }

    fn close_session(&self, number: u32) {
        let mut table = self.lock();
        table.closing.retain(|(_, thread)| !thread.is_finished());
        let Some(session) = table.open.remove(&number) else {
            return;
        };
        let assignment = session.assignment();
        let closing = Builder::new().name("engine-close".to_owned());
        let ended = Arc::clone(&session);
        match closing.spawn(move || ended.close()) {
            Ok(thread) => table.closing.push((assignment, thread)),
            // Without a thread the caller has to wait after all.
            Err(_) => session.close(),
        }
    }

    fn await_closing(&self, assignment: AssignmentId) {
        let mut table = self.lock();
        let found = table
            .closing
            .iter()
            .position(|(closing, _)| *closing == assignment);
        let thread = found.map(|index| table.closing.swap_remove(index).1);
        drop(table);
        if let Some(thread) = thread {
            // A panic there is the session's end all the same.
            let _ = thread.join();
        }
    }

    fn close(&self) {
        let Table { open, closing, .. } = std::mem::take(&mut *self.lock());
        drop(open);
        self.relay.close();
        for (_, thread) in closing {
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Relays belong to the first environment that opens one, until that environment closes.
fn claim(key: usize) -> Result<(), Fault> {
    let mut owner = OWNER.lock().unwrap_or_else(PoisonError::into_inner);
    match *owner {
        Some(other) if other != key => Err(Fault::new(
            "ENGINE_ERR_CONFLICT",
            "another thread of this process owns its relay; a worker cannot open one",
        )
        .with("what", "the relay of another thread")
        .with("why", "one thread of Node owns the relays of a process")),
        _ => {
            *owner = Some(key);
            Ok(())
        }
    }
}

fn open_relay(options: &RelayOptions) -> Result<relay::Relay, Fault> {
    let role = match options.role.as_str() {
        "coordinator" => PeerRole::Coordinator,
        "node" => PeerRole::Node,
        _ => {
            return Err(Fault::invalid(
                "the role",
                "it is neither coordinator nor node",
            ));
        }
    };
    Ok(relay::Relay::open(relay::Options {
        listen: SocketAddr::new(read_host(&options.host)?, options.port),
        node: read_hex("the node's id", &options.node_id)?,
        name: options.name.clone(),
        role,
        limits: ListenLimits::default(),
    })?)
}

fn read_source(options: SourceSessionOptions) -> Result<SourceSpec, Fault> {
    Ok(SourceSpec {
        assignment: read_hex("the assignment", &options.assignment_id)?,
        path: PathBuf::from(options.path),
        vouch_path: options.vouch_path.map(PathBuf::from),
        chunk_bytes: options.chunk_bytes,
        public_key: read_key("the public key", &options.public_key)?,
        plan: read_plan(&options.plan)?,
        pace: read_pace(&options.pace)?,
    })
}

fn read_receiver(options: ReceiverSessionOptions) -> Result<ReceiverSpec, Fault> {
    Ok(ReceiverSpec {
        assignment: read_hex("the assignment", &options.assignment_id)?,
        path: PathBuf::from(options.path),
        vouch_path: PathBuf::from(options.vouch_path),
        chunk_bytes: options.chunk_bytes,
        public_key: read_key("the public key", &options.public_key)?,
        plan: read_plan(&options.plan)?,
        pace: read_pace(&options.pace)?,
    })
}

/// Reads a plan without the nodes that cannot be called. One of them does not cost the others.
///
/// A strand that names ancestors of which none can be called is an error: the first one's.
fn read_plan(plan: &NodePlan) -> Result<Plan, Fault> {
    Ok(Plan {
        strand_count: plan.strand_count,
        parents: plan
            .parents
            .iter()
            .map(|ancestors| read_ancestors(ancestors))
            .collect::<Result<_, Fault>>()?,
        peers: plan.peers.iter().flat_map(read_peer).collect(),
        slow: plan.is_slow.unwrap_or(false),
    })
}

fn read_ancestors(ancestors: &[PeerRef]) -> Result<Vec<Peer>, Fault> {
    let readable: Vec<_> = ancestors.iter().flat_map(read_peer).collect();
    match ancestors.first() {
        Some(first) if readable.is_empty() => read_peer(first).map(|peer| vec![peer]),
        _ => Ok(readable),
    }
}

fn read_peer(peer: &PeerRef) -> Result<Peer, Fault> {
    Ok(Peer {
        node: read_hex("a node's id", &peer.node_id)?,
        address: SocketAddr::new(read_host(&peer.host)?, peer.port),
    })
}

fn read_host(host: &str) -> Result<IpAddr, Fault> {
    host.parse()
        .map_err(|_| Fault::invalid("the host", "it is no numeric address"))
}
