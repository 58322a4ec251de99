//! What a thread of work comes to: many may ask for it, before and after its end.

use crate::error::Fault;
use crate::promise::Settler;
use crate::teardown::Teardown;
use content::Cancel;
use napi::Env;
use napi::bindgen_prelude::ToNapiValue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

/// Niceness of a thread that stages or verifies; `WORK_NICENESS` in the limits is that of scans and
/// packing.
const STAGING_NICENESS: i32 = 5;
/// Staging and verifying may run behind; a chunk that is passed on late holds up every node below.
/// On Linux this is the priority of the calling thread alone, of which the kernel makes that of its
/// reads, and lowering it needs no right.
fn yield_to_relays() {
    // Where it is refused, staging is only less polite.
    let _ = rustix::process::setpriority_process(None, STAGING_NICENESS);
}

/// What the thread came to, and the promises that wait for it.
pub(crate) struct Outcome<T: ToNapiValue> {
    state: Mutex<State<T>>,
    settled: Condvar,
}

enum State<T: ToNapiValue> {
    Running(Vec<Settler<T>>),
    Settled(Result<T, Fault>),
}

impl<T: ToNapiValue + Clone + Send + 'static> Outcome<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State::Running(Vec::new())),
            settled: Condvar::new(),
        }
    }

    /// Runs `work` on a thread of its own that yields to relays; a panic is an internal error. The
    /// environment's end cancels it and waits for it.
    pub(crate) fn of_thread(
        env: &Env,
        name: &str,
        cancel: Cancel,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> napi::Result<Arc<Self>> {
        let outcome = Arc::new(Self::new());
        let teardown = {
            let outcome = Arc::clone(&outcome);
            Teardown::register(env, move || {
                cancel.cancel();
                outcome.wait();
            })?
        };
        let settled = Arc::clone(&outcome);
        let run = move || {
            yield_to_relays();
            let done = catch_unwind(AssertUnwindSafe(work));
            settled.settle(done.unwrap_or_else(|payload| Err(Fault::panicked(&*payload))));
            teardown.done();
        };
        if let Err(error) = Builder::new().name(name.to_owned()).spawn(run) {
            teardown.done();
            return Err(Fault::thread(&error).into_error(env));
        }
        Ok(outcome)
    }

    fn settle(&self, outcome: Result<T, Fault>) {
        let before = std::mem::replace(&mut *self.lock(), State::Settled(outcome.clone()));
        self.settled.notify_all();
        if let State::Running(waiting) = before {
            for settler in waiting {
                settler.settle(outcome.clone());
            }
        }
    }

    /// Settles a promise with it, now or when it is there.
    pub(crate) fn tell(&self, settler: Settler<T>) {
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

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
