//! Measuring a link by bytes that are sent for this alone: a short train, or a bulk of bounded
//! size. They travel over TCP, as chunks do, and what is told is when they arrived.
//!
//! The receiver is timed, not the sender: what a sender has given to its system may be anywhere.
//! Both ends block on a thread of their own; neither is on the way of a transfer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rate::{Arrival, How, Seen, rate_of};
use wire::NodeId;
use wire::limits::PROBE_ARRIVAL_COUNT_MAX;
use wire::peer::{MESSAGE_HEADER_BYTES, Message, MessageHeader, ProbeArrival};

use crate::error::RelayError;
use crate::limits::{
    BULK_BYTES, BULK_TIME, CONNECT_DEADLINE_MS, FAST_BITS_PER_SECOND, FAST_WINDOW_MS,
    PROBE_ANSWER_TIME, PROBE_LOOK, PROBE_RECEIVE_TIME, PROBE_STEP_BYTES, PROBE_STEP_BYTES_MIN,
    PROBE_STEP_TIME, TRAIN_BYTES, TRAIN_TIME,
};
use crate::pace::{Pacer, Toll};
use crate::socket;

/// What is to be measured.
#[derive(Debug, Clone, Copy)]
pub struct ProbeSpec {
    /// Who has to be at the other end.
    pub node: NodeId,
    /// Where its relay listens.
    pub address: SocketAddr,
    /// By many bytes instead of a short train.
    pub is_bulk: bool,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// The rate, and how long it was seen.
    pub seen: Seen,
    /// How it was measured.
    pub how: How,
    /// Bytes that arrived.
    pub bytes: u64,
}

/// Whether somebody is timed, and the thread that does it.
#[derive(Debug, Default)]
pub(crate) struct Probing {
    is_busy: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Probing {
    /// False where somebody is timed already.
    pub(crate) fn begin(&self) -> bool {
        !self.is_busy.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn end(&self) {
        self.is_busy.store(false, Ordering::Release);
    }

    /// Between `begin` and `end`, which the work itself has to call. Without a thread nobody is
    /// timed, and the caller finds its connection closed.
    pub(crate) fn run(&self, work: impl FnOnce() + Send + 'static) {
        let spawned = std::thread::Builder::new()
            .name("relay-probe".to_owned())
            .spawn(work);
        match spawned {
            // Another that was here has ended, or is about to: it has called `end`.
            Ok(thread) => *self.lock() = Some(thread),
            Err(_) => self.end(),
        }
    }

    pub(crate) fn join(&self) {
        let thread = self.lock().take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the relay closes.
type IsClosing<'a> = &'a dyn Fn() -> bool;

/// Receives up to so many bytes and answers when they arrived.
///
/// # Errors
/// More came, or no end, or the caller did not wait for the answer: it is told nothing.
pub(crate) fn receive(stream: OwnedFd, bytes_max: u32, is_closing: IsClosing) -> io::Result<()> {
    let (mut stream, bytes_max) = (TcpStream::from(stream), u64::from(bytes_max));
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PROBE_LOOK))?;
    stream.set_write_timeout(Some(PROBE_LOOK))?;
    let start = Instant::now();
    let mut log = ArrivalLog::new(bytes_max);
    let mut scratch = vec![0; usize::try_from(PROBE_STEP_BYTES).unwrap_or(usize::MAX)];
    loop {
        match stream.read(&mut scratch) {
            Ok(0) => break,
            Ok(bytes) => log.note(bytes as u64, start.elapsed()),
            Err(error) if is_a_wait(&error) => {}
            Err(error) => return Err(error),
        }
        let is_late = start.elapsed() > PROBE_RECEIVE_TIME;
        if log.bytes > bytes_max || is_late || is_closing() {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let arrivals = log.end();
    stream.write_all(&Message::Probed { arrivals }.encode())
}

/// What is kept of a probe: arrivals far enough apart that all find room.
struct ArrivalLog {
    bytes: u64,
    at: Duration,
    step_bytes: u64,
    arrivals: Vec<ProbeArrival>,
}

impl ArrivalLog {
    fn new(bytes_max: u64) -> Self {
        Self {
            bytes: 0,
            at: Duration::ZERO,
            step_bytes: bytes_max.div_ceil(PROBE_ARRIVAL_COUNT_MAX as u64),
            arrivals: Vec::new(),
        }
    }

    fn note(&mut self, bytes: u64, at: Duration) {
        self.bytes += bytes;
        self.at = at;
        if self.unlogged() >= self.step_bytes {
            self.log();
        }
    }

    /// All that was kept, the last bytes with it, however few they are.
    fn end(mut self) -> Vec<ProbeArrival> {
        if self.unlogged() > 0 {
            self.log();
        }
        self.arrivals
    }

    fn unlogged(&self) -> u64 {
        self.bytes - self.arrivals.last().map_or(0, |last| last.bytes)
    }

    fn log(&mut self) {
        if self.arrivals.len() < PROBE_ARRIVAL_COUNT_MAX {
            self.arrivals.push(ProbeArrival {
                bytes: self.bytes,
                at_ns: u64::try_from(self.at.as_nanos()).unwrap_or(u64::MAX),
            });
        }
    }
}

/// Sends bytes to a peer and makes a rate of its answer.
pub(crate) fn send(
    spec: &ProbeSpec,
    hello: &[u8],
    pacer: &Arc<Pacer>,
    is_closing: IsClosing,
) -> Result<Probed, RelayError> {
    let failed = |why: String| RelayError::Probe {
        address: spec.address,
        why,
    };
    let mut exchange = Exchange::open(spec, hello, is_closing).map_err(failed)?;
    let sent = exchange.send_bytes(spec.is_bulk, pacer);
    if is_closing() {
        return Err(RelayError::Closed);
    }
    // What went wrong there is told best by what the other end has said meanwhile.
    let answer = exchange.answer();
    let arrivals = match (answer, sent) {
        (Ok(arrivals), _) => arrivals,
        (Err(_), _) if is_closing() => return Err(RelayError::Closed),
        (Err(why), Ok(())) => return Err(failed(why)),
        (Err(why), Err(error)) => return Err(failed(format!("{why}; {error}"))),
    };
    let bytes = arrivals.last().map_or(0, |last| last.bytes);
    let seen = rate_of(&arrivals);
    let seen = seen.ok_or_else(|| failed("too little of it arrived to tell a rate".to_owned()))?;
    let how = if spec.is_bulk { How::Bulk } else { How::Train };
    Ok(Probed { seen, how, bytes })
}

/// A connection on which one probe goes out.
struct Exchange<'a> {
    stream: TcpStream,
    is_closing: IsClosing<'a>,
    is_long: bool,
}

impl<'a> Exchange<'a> {
    /// Connects, and makes sure of who is there.
    fn open(spec: &ProbeSpec, hello: &[u8], is_closing: IsClosing<'a>) -> Result<Self, String> {
        let limit = Duration::from_millis(CONNECT_DEADLINE_MS);
        let text = |error: io::Error| error.to_string();
        let stream = TcpStream::connect_timeout(&spec.address, limit).map_err(text)?;
        let depth = socket::tune(&stream, spec.address.ip());
        stream.set_read_timeout(Some(PROBE_LOOK)).map_err(text)?;
        stream.set_write_timeout(Some(PROBE_LOOK)).map_err(text)?;
        let mut exchange = Self {
            stream,
            is_closing,
            is_long: depth == socket::Depth::Long,
        };
        let bytes = if spec.is_bulk {
            BULK_BYTES
        } else {
            TRAIN_BYTES
        };
        let mut opening = hello.to_vec();
        opening.extend_from_slice(&Message::Probe { bytes }.encode());
        exchange
            .write(&opening, Instant::now() + limit)
            .map_err(text)?;
        match exchange.read(Instant::now() + limit)? {
            Message::Hello { node, .. } if node == spec.node => Ok(exchange),
            Message::Hello { .. } => Err("another node answers there".to_owned()),
            other => Err(refusal(&other)),
        }
    }

    fn send_bytes(&mut self, is_bulk: bool, pacer: &Arc<Pacer>) -> io::Result<()> {
        let (bytes, time) = if is_bulk {
            (BULK_BYTES, BULK_TIME)
        } else {
            (TRAIN_BYTES, TRAIN_TIME)
        };
        let start = Instant::now();
        let step = step_bytes(pacer.rate_bps());
        // Not zeros: what compresses on the way would be told to be faster than it is.
        let junk = junk(usize::try_from(step).unwrap_or_default());
        let mut toll = Toll::new(pacer);
        let (mut left, mut is_deep) = (u64::from(bytes), self.is_long);
        while left > 0 && start.elapsed() < time && !(self.is_closing)() {
            let next = step.min(left);
            if let Some(wait) = toll.pay(next) {
                std::thread::sleep(wait);
                continue;
            }
            let part = junk.get(..usize::try_from(next).unwrap_or_default());
            self.write(part.unwrap_or_default(), start + time)?;
            left -= next;
            if !is_deep && is_bulk && is_fast(u64::from(bytes) - left, start.elapsed()) {
                socket::deepen(&self.stream);
                is_deep = true;
            }
        }
        self.stream.shutdown(Shutdown::Write)
    }

    fn answer(&mut self) -> Result<Vec<Arrival>, String> {
        match self.read(Instant::now() + PROBE_ANSWER_TIME)? {
            Message::Probed { arrivals } => Ok(arrivals
                .iter()
                .map(|&ProbeArrival { bytes, at_ns }| Arrival { bytes, at_ns })
                .collect()),
            other => Err(refusal(&other)),
        }
    }

    /// Writes all of it, or as much as goes until then: a probe that is cut short is one, too.
    fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() && Instant::now() < deadline && !(self.is_closing)() {
            match self.stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if is_a_wait(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads one message; its length is bounded by its type.
    fn read(&mut self, deadline: Instant) -> Result<Message, String> {
        let mut header = [0; MESSAGE_HEADER_BYTES];
        self.fill(&mut header, deadline)?;
        let header = MessageHeader::decode(&header).map_err(|error| error.to_string())?;
        let mut payload = vec![0; header.length as usize];
        self.fill(&mut payload, deadline)?;
        Message::from_parts(&header, &payload).map_err(|error| error.to_string())
    }

    fn fill(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<(), String> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest) {
                Ok(0) => return Err("it closed the connection".to_owned()),
                Ok(bytes) => filled += bytes,
                Err(error) if is_a_wait(&error) => {}
                Err(error) => return Err(error.to_string()),
            }
            if Instant::now() >= deadline || (self.is_closing)() {
                return Err("it did not answer in time".to_owned());
            }
        }
        Ok(())
    }
}

fn refusal(message: &Message) -> String {
    match message {
        Message::Refuse {
            reason: wire::peer::Refusal::Full,
            ..
        } => "it is being measured by somebody else".to_owned(),
        Message::Refuse { reason, .. } => format!("it refuses ({reason:?})"),
        other => format!("it answers {:?}", other.kind()),
    }
}

fn step_bytes(rate_bps: Option<u64>) -> u64 {
    let step_ms = u64::try_from(PROBE_STEP_TIME.as_millis()).unwrap_or(u64::MAX);
    rate_bps.map_or(PROBE_STEP_BYTES, |bps| {
        (bps / 8 * step_ms / 1000).clamp(PROBE_STEP_BYTES_MIN, PROBE_STEP_BYTES)
    })
}

/// Bytes that no compressor makes smaller.
fn junk(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn is_fast(bytes: u64, elapsed: Duration) -> bool {
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    elapsed_ms >= FAST_WINDOW_MS && bytes * 8 * 1000 / elapsed_ms.max(1) >= FAST_BITS_PER_SECOND
}

fn is_a_wait(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_told_to_its_last_byte_in_few_enough_arrivals() {
        let most = PROBE_ARRIVAL_COUNT_MAX as u64;
        for bytes_max in [1, most - 1, 1 << 20, (1 << 20) + 1, 100 * most + 7] {
            for step in [1, 7, 1448, 4096, 1 << 18] {
                let mut log = ArrivalLog::new(bytes_max);
                let mut left = bytes_max;
                while left > 0 {
                    let next = step.min(left);
                    log.note(next, Duration::from_nanos(bytes_max - left));
                    left -= next;
                }
                let arrivals = log.end();
                assert!(arrivals.len() <= PROBE_ARRIVAL_COUNT_MAX);
                assert_eq!(arrivals.last().unwrap().bytes, bytes_max);
            }
        }
    }
}
