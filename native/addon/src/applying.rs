//! The execution of one assignment on a thread of its own, while its stream still arrives.

use crate::error::{Fault, settle};
use crate::keys::read_hex;
use crate::number::to_js;
use crate::promise::Settler;
use crate::relay::Relay;
use crate::teardown::Teardown;
use content::{ApplyBase, Cancel, StreamSource, WholeFile};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

/// Niceness of a thread that stages; `WORK_NICENESS` in the limits is that of scans and packing.
const STAGING_NICENESS: i32 = 5;

#[napi(object, use_nullable = true)]
pub struct ApplyOptions {
    pub stream_path: String,
    pub assignment_id: String,
    pub base_directory: Option<String>,
    pub base_tree_path: Option<String>,
    pub target_directory: String,
    pub tree_path: String,
}

#[napi(object, use_nullable = true)]
#[derive(Clone)]
pub struct ApplyResult {
    pub tree_hash: String,
    pub files_written: i64,
    pub files_shared: i64,
    pub bytes_written: i64,
}

/// One assignment being executed; its thread starts at once.
#[napi]
pub struct Applying {
    cancel: Cancel,
    outcome: Arc<Outcome>,
}

#[napi]
impl Applying {
    /// With a relay and its session the stream is followed while it arrives; without, the file is
    /// complete.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: &Env,
        options: ApplyOptions,
        relay: Option<&Relay>,
        session: Option<u32>,
    ) -> napi::Result<Self> {
        let source = settle(env, find_source(&options, relay, session))?;
        let assignment = settle(env, read_hex("the assignment", &options.assignment_id))?;
        let cancel = Cancel::new();
        let outcome = Arc::new(Outcome::default());
        let teardown = {
            let (cancel, outcome) = (cancel.clone(), Arc::clone(&outcome));
            Teardown::register(env, move || {
                cancel.cancel();
                outcome.wait();
            })?
        };
        let work = {
            let cancel = cancel.clone();
            move || apply(&options, assignment, &*source, &cancel)
        };
        let settled = Arc::clone(&outcome);
        let run = move || {
            yield_to_relays();
            let done = catch_unwind(AssertUnwindSafe(work));
            settled.settle(done.unwrap_or_else(|payload| Err(Fault::panicked(&*payload))));
            teardown.done();
        };
        if let Err(error) = Builder::new().name("engine-apply".to_owned()).spawn(run) {
            teardown.done();
            return Err(Fault::thread(&error).into_error(env));
        }
        Ok(Self { cancel, outcome })
    }

    /// Settles when the staged tree is whole, checked and durable.
    #[napi(catch_unwind, ts_return_type = "Promise<ApplyResult>")]
    pub fn result<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ApplyResult>> {
        let (settler, promise) = Settler::new(env)?;
        self.outcome.tell(settler);
        Ok(promise)
    }

    /// Stops at the next step.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// Staging may run behind; a chunk that is passed on late holds up every node below. On Linux this
/// is the priority of the calling thread alone, and lowering it needs no right.
fn yield_to_relays() {
    // Where it is refused, staging is only less polite.
    let _ = rustix::process::setpriority_process(None, STAGING_NICENESS);
}

fn find_source(
    options: &ApplyOptions,
    relay: Option<&Relay>,
    session: Option<u32>,
) -> Result<Box<dyn StreamSource>, Fault> {
    match (relay, session) {
        (Some(relay), Some(session)) => relay.source_of(session),
        (None, None) => Ok(Box::new(WholeFile::open(Path::new(&options.stream_path))?)),
        _ => Err(Fault::invalid(
            "the source",
            "relay and session go together",
        )),
    }
}

fn apply(
    options: &ApplyOptions,
    assignment: [u8; 16],
    source: &dyn StreamSource,
    cancel: &Cancel,
) -> Result<ApplyResult, Fault> {
    let base = match (&options.base_directory, &options.base_tree_path) {
        (Some(directory), Some(tree)) => Some(ApplyBase {
            directory: Path::new(directory),
            tree_path: Path::new(tree),
        }),
        (None, None) => None,
        _ => {
            return Err(Fault::invalid(
                "the base",
                "directory and manifest go together",
            ));
        }
    };
    let applied = content::apply(&content::ApplyOptions {
        source,
        stream_path: Path::new(&options.stream_path),
        assignment,
        base,
        target_directory: Path::new(&options.target_directory),
        tree_path: Path::new(&options.tree_path),
        cancel,
    })?;
    Ok(ApplyResult {
        tree_hash: hex::encode(applied.tree_hash),
        files_written: to_js(applied.files_written),
        files_shared: to_js(applied.files_shared),
        bytes_written: to_js(applied.bytes_written),
    })
}

/// What the thread came to, and the promises that wait for it.
#[derive(Default)]
struct Outcome {
    state: Mutex<State>,
    settled: Condvar,
}

enum State {
    Running(Vec<Settler<ApplyResult>>),
    Settled(Result<ApplyResult, Fault>),
}

impl Default for State {
    fn default() -> Self {
        Self::Running(Vec::new())
    }
}

impl Outcome {
    fn settle(&self, outcome: Result<ApplyResult, Fault>) {
        let before = std::mem::replace(&mut *self.lock(), State::Settled(outcome.clone()));
        self.settled.notify_all();
        if let State::Running(waiting) = before {
            for settler in waiting {
                settler.settle(outcome.clone());
            }
        }
    }

    fn tell(&self, settler: Settler<ApplyResult>) {
        let mut state = self.lock();
        let outcome = match &mut *state {
            State::Running(waiting) => return waiting.push(settler),
            State::Settled(outcome) => outcome.clone(),
        };
        drop(state);
        settler.settle(outcome);
    }

    fn wait(&self) {
        let mut state = self.lock();
        while matches!(*state, State::Running(_)) {
            state = self
                .settled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
