//! What has to end before an environment of JavaScript does: its threads and its sockets.

use napi::Env;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

type Ending = Box<dyn FnOnce() + Send>;

static ENDINGS: LazyLock<Mutex<Endings>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Endings {
    next: u64,
    /// By environment, then by number.
    of: HashMap<usize, HashMap<u64, Ending>>,
}

/// A registered ending; `done` takes it back once the thing has ended by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Teardown {
    env: usize,
    number: u64,
}

impl Teardown {
    /// Calls `end` on JavaScript's thread when its environment closes.
    pub(crate) fn register(env: &Env, end: impl FnOnce() + Send + 'static) -> napi::Result<Self> {
        let key = key_of(env);
        let mut endings = lock();
        let number = endings.next;
        endings.next += 1;
        let of_env = match endings.of.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                env.add_env_cleanup_hook(key, run)?;
                entry.insert(HashMap::new())
            }
        };
        of_env.insert(number, Box::new(end));
        Ok(Self { env: key, number })
    }

    /// The thing has ended; nothing is left to do.
    pub(crate) fn done(self) {
        let ending = lock()
            .of
            .get_mut(&self.env)
            .and_then(|of_env| of_env.remove(&self.number));
        // Dropped without the lock: what it holds may ask for it.
        drop(ending);
    }
}

/// Tells environments apart while they live.
pub(crate) fn key_of(env: &Env) -> usize {
    env.raw() as usize
}

fn run(key: usize) {
    let endings = lock().of.remove(&key);
    for end in endings.into_iter().flatten().map(|(_, end)| end) {
        end();
    }
}

fn lock() -> MutexGuard<'static, Endings> {
    ENDINGS.lock().unwrap_or_else(PoisonError::into_inner)
}
