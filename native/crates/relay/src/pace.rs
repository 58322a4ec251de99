//! What a session may send, and who of its links is next where that is limited.
//!
//! Sessions share the process's rate by loans of some milliseconds' worth: a lock for each loan,
//! none for each chunk, and without any limit one look at a flag. A chunk that is begun is sent
//! whole and paid for before the next, so control messages never wait behind a paced chunk, and
//! what is left for others is a whole number of chunks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rate::{MemberId, Meter, Shares, Verdict};
use spread::LinkId;

/// Limits of one session's sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bits per second; none: as the process allows.
    pub rate_bps: Option<u64>,
    /// Its part of the process's rate beside other sessions'.
    pub weight: u32,
    /// It begins no chunk.
    pub is_paused: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            rate_bps: None,
            weight: 10,
            is_paused: false,
        }
    }
}

/// The process's rate, which its sessions share.
#[derive(Debug)]
pub(crate) struct Pacer {
    is_limited: AtomicBool,
    start: Instant,
    shares: Mutex<Shares>,
}

impl Default for Pacer {
    fn default() -> Self {
        Self {
            is_limited: AtomicBool::new(false),
            start: Instant::now(),
            shares: Mutex::default(),
        }
    }
}

impl Pacer {
    /// Changes the rate, in bits per second; none: no limit.
    pub(crate) fn set_rate(&self, rate_bps: Option<u64>) {
        let mut shares = self.lock();
        shares.set_rate(rate_bps, self.now_ns());
        self.is_limited
            .store(shares.rate_bps().is_some(), Ordering::Relaxed);
    }

    pub(crate) fn rate_bps(&self) -> Option<u64> {
        self.lock().rate_bps()
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's way to what it may send.
#[derive(Debug)]
pub(crate) struct Gate {
    pacer: Arc<Pacer>,
    member: MemberId,
    meter: Meter,
    chunk_bytes: u64,
    /// Links that want to begin a chunk, in the order of their turns.
    line: VecDeque<LinkId>,
    /// Whose turn it is.
    turn: Option<LinkId>,
    /// When the first in line may be asked again.
    wait: Option<Duration>,
}

impl Gate {
    pub(crate) fn new(pacer: Arc<Pacer>, pace: Pace, chunk_bytes: u32) -> Self {
        let member = pacer.lock().join(pace.weight, pacer.now_ns());
        let mut meter = Meter::default();
        meter.set(pace.rate_bps, pace.is_paused, pacer.now_ns());
        Self {
            pacer,
            member,
            meter,
            chunk_bytes: u64::from(chunk_bytes),
            line: VecDeque::new(),
            turn: None,
            wait: None,
        }
    }

    pub(crate) fn set(&mut self, pace: Pace) {
        let now_ns = self.pacer.now_ns();
        self.meter.set(pace.rate_bps, pace.is_paused, now_ns);
        let mut shares = self.pacer.lock();
        shares.set_weight(self.member, pace.weight, now_ns);
        self.wait = None;
    }

    fn is_free(&self) -> bool {
        self.meter.is_free() && !self.pacer.is_limited.load(Ordering::Relaxed)
    }

    /// Whether a link may begin a chunk now; one that may not has to get in line.
    pub(crate) fn admits(&mut self, id: LinkId) -> bool {
        self.is_free() || self.turn.take() == Some(id)
    }

    /// Puts a link behind the others, or leaves it where it is.
    pub(crate) fn get_in_line(&mut self, id: LinkId) {
        if !self.line.contains(&id) {
            self.line.push_back(id);
        }
    }

    /// A chunk is begun.
    pub(crate) fn spend(&mut self, bytes: u32) {
        if !self.is_free() {
            self.meter.spend(u64::from(bytes));
        }
    }

    /// Gives the turn to the first in line, if the limits allow another chunk.
    pub(crate) fn call_next(&mut self) -> Option<LinkId> {
        self.turn = None;
        self.wait = None;
        if self.line.is_empty() {
            return None;
        }
        let (pacer, member, bytes) = (&self.pacer, self.member, self.chunk_bytes);
        let now_ns = pacer.now_ns();
        let borrow = |unspent| pacer.lock().borrow(member, unspent, bytes, now_ns);
        match self.meter.ask(bytes, now_ns, borrow) {
            Verdict::Go => self.turn = self.line.pop_front(),
            Verdict::Wait { wait_ns } => self.wait = Some(Duration::from_nanos(wait_ns)),
            // Whoever ends the pause wakes the session's thread.
            Verdict::Paused => self.wait = Some(Duration::MAX),
        }
        self.turn
    }

    /// The longest that the session's thread may sleep.
    pub(crate) fn timeout(&self) -> Duration {
        match self.wait {
            _ if self.line.is_empty() => Duration::MAX,
            Some(wait) => wait,
            None => Duration::ZERO,
        }
    }
}

/// The way of what belongs to no session: it shares the process's rate like one of usual weight.
#[derive(Debug)]
pub(crate) struct Toll {
    pacer: Arc<Pacer>,
    member: MemberId,
    meter: Meter,
}

impl Toll {
    pub(crate) fn new(pacer: &Arc<Pacer>) -> Self {
        let weight = Pace::default().weight;
        let member = pacer.lock().join(weight, pacer.now_ns());
        Self {
            pacer: Arc::clone(pacer),
            member,
            meter: Meter::default(),
        }
    }

    /// Pays for so many bytes, or says how long to wait before it is tried again.
    pub(crate) fn pay(&mut self, bytes: u64) -> Option<Duration> {
        let (pacer, member) = (&self.pacer, self.member);
        let now_ns = pacer.now_ns();
        let borrow = |unspent| pacer.lock().borrow(member, unspent, bytes, now_ns);
        match self.meter.ask(bytes, now_ns, borrow) {
            Verdict::Wait { wait_ns } => Some(Duration::from_nanos(wait_ns)),
            Verdict::Go | Verdict::Paused => {
                self.meter.spend(bytes);
                None
            }
        }
    }
}

impl Drop for Toll {
    fn drop(&mut self) {
        let now_ns = self.pacer.now_ns();
        self.pacer.lock().leave(self.member, now_ns);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let now_ns = self.pacer.now_ns();
        self.pacer.lock().leave(self.member, now_ns);
    }
}
