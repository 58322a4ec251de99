//! The thread of one session: waits for sockets, receives, checks, stores and forwards, all in
//! one place, so that a chunk on its way through meets no lock, no other thread and no allocation.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};
use spread::{Action, Core, LinkId, Plan, Role, Setup};
use wire::NodeId;
use wire::peer::{Message, Refusal};

use crate::door::Door;
use crate::error::{Failure, RelayError};
use crate::limits::{FLOWS_MS, LINKS_MAX, PREFIX_WAKE_MS, READ_TURN_BYTES, TICK_IDLE_MS, TICK_MS};
use crate::links::Links;
use crate::pace::{Gate, Pace, Pacer};
use crate::rest::Rest;
use crate::session::{Child, Command, Shared};
use crate::store::Store;
use crate::tally::count;
use crate::vouches::VouchBook;

pub(crate) const WAKER: Token = Token(usize::MAX);

/// What the session has moved, for its status.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) duplicate_chunks: u64,
    pub(crate) corrupt_chunks: u64,
    pub(crate) faulty_links: u64,
    pub(crate) last_fault: Option<&'static str>,
    pub(crate) last_close: Option<&'static str>,
}

/// What the loop needs to begin.
pub(crate) struct Start {
    pub(crate) shared: Arc<Shared>,
    pub(crate) poll: Poll,
    pub(crate) book: VouchBook,
    pub(crate) store: Store,
    pub(crate) node: NodeId,
    pub(crate) role: Role,
    pub(crate) plan: Plan,
    pub(crate) pacer: Arc<Pacer>,
    pub(crate) pace: Pace,
    pub(crate) door: Arc<Door>,
}

/// The thread's state.
pub(crate) struct SessionLoop {
    pub(crate) shared: Arc<Shared>,
    pub(crate) door: Arc<Door>,
    pub(crate) poll: Poll,
    pub(crate) core: Core,
    pub(crate) links: Links,
    pub(crate) gate: Gate,
    pub(crate) book: VouchBook,
    pub(crate) store: Store,
    pub(crate) role: Role,
    pub(crate) now_ms: u64,
    pub(crate) figures: Figures,
    /// Where dropped bytes would go.
    pub(crate) scratch: Vec<u8>,
    /// Links that may have something to read, without waiting for an event.
    pub(crate) to_read: Vec<LinkId>,
    /// Links that may have something to write.
    pub(crate) to_write: Vec<LinkId>,
    /// There are vouches that no child has yet been given.
    has_news: bool,
    /// Digests that were known a second or two ago.
    pub(crate) vouched_settled: u32,
    start: Instant,
    commands: Vec<Command>,
    spare_ids: Vec<LinkId>,
    tick_due_ms: u64,
    settle_due_ms: u64,
    flows_due_ms: u64,
    /// No link may be fast: after a round that moved little there is a rest.
    rests: bool,
    rest: Rest,
    prefix_chunks: u32,
    prefix_wake_due: bool,
    prefix_woken_ms: u64,
}

/// Runs a session until it is closed or fails, and tells its end.
pub(crate) fn run(start: Start) {
    let shared = Arc::clone(&start.shared);
    let ended = catch_unwind(AssertUnwindSafe(|| SessionLoop::new(start).run()));
    let failure = match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(Failure::from(&error)),
        Err(panic) => Some(Failure::from(&RelayError::Internal {
            reason: panic_text(&*panic),
        })),
    };
    shared.end(failure);
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").to_owned()
}

fn seed_of(node: &NodeId, assignment: &wire::AssignmentId) -> u64 {
    let mut seed = [0; 8];
    for (at, byte) in node.iter().chain(assignment).enumerate() {
        seed[at % 8] ^= byte.rotate_left(u32::from(at >= 16));
    }
    u64::from_le_bytes(seed)
}

impl SessionLoop {
    fn new(start: Start) -> Self {
        let Start {
            shared,
            poll,
            book,
            store,
            node,
            role,
            plan,
            pacer,
            pace,
            door,
        } = start;
        let assignment = shared.terms.assignment;
        let setup = Setup {
            assignment,
            node,
            role,
            plan,
            seed: seed_of(&node, &assignment),
        };
        Self {
            core: Core::new(setup, 0),
            links: Links::default(),
            gate: Gate::new(pacer, pace, shared.terms.chunk_bytes),
            poll,
            book,
            store,
            role,
            now_ms: 0,
            figures: Figures::default(),
            scratch: vec![0; READ_TURN_BYTES],
            to_read: Vec::with_capacity(LINKS_MAX),
            to_write: Vec::with_capacity(LINKS_MAX),
            has_news: false,
            vouched_settled: 0,
            start: Instant::now(),
            commands: Vec::new(),
            spare_ids: Vec::with_capacity(LINKS_MAX),
            tick_due_ms: 0,
            settle_due_ms: 0,
            flows_due_ms: 0,
            rests: true,
            rest: Rest::new(0),
            prefix_chunks: 0,
            prefix_wake_due: false,
            prefix_woken_ms: 0,
            shared,
            door,
        }
    }

    fn run(&mut self) -> Result<(), RelayError> {
        self.restore()?;
        let mut events = Events::with_capacity(256);
        while !self.shared.is_closing() {
            self.round(&mut events)?;
        }
        self.publish();
        Ok(())
    }

    /// Takes over what an earlier session left.
    fn restore(&mut self) -> Result<(), RelayError> {
        self.take_over_vouches()?;
        if self.role == Role::Receiver {
            self.shared.publish(|status| status.restoring = true);
            let shared = &self.shared;
            let mut go_on = || !shared.is_closing();
            let ranges = self.store.verified(&self.book, &mut go_on)?;
            self.core.restored(ranges);
            self.shared.publish(|status| status.restoring = false);
        }
        self.shared.begin();
        self.door.call_waiting();
        self.advance_clock();
        Ok(())
    }

    /// Tells the core, the file and the children what the book now holds.
    pub(crate) fn take_over_vouches(&mut self) -> Result<(), RelayError> {
        let (known, end) = (self.book.known(), self.book.end());
        self.core
            .vouched(known, end.map(|end| end.chunk_count), self.now_ms);
        if self.role == Role::Source {
            self.store.find_parcels()?;
            self.core.produced(known);
        } else if let Some(end) = end {
            self.store.fix_length(end.stream_bytes)?;
        }
        self.has_news = true;
        Ok(())
    }

    fn round(&mut self, events: &mut Events) -> Result<(), RelayError> {
        match self.poll.poll(events, Some(self.timeout())) {
            Err(source) if source.kind() != std::io::ErrorKind::Interrupted => {
                return Err(RelayError::System {
                    what: "to wait for sockets",
                    source,
                });
            }
            _ => {}
        }
        self.advance_clock();
        for event in &*events {
            self.note_event(event);
        }
        self.obey()?;
        let mut reading = std::mem::replace(&mut self.to_read, std::mem::take(&mut self.spare_ids));
        for id in reading.drain(..) {
            self.read(id)?;
        }
        self.spare_ids = reading;
        if self.now_ms >= self.tick_due_ms {
            self.tick();
        }
        self.act();
        self.write_all()?;
        self.act();
        self.tell_prefix();
        self.rest();
        Ok(())
    }

    fn timeout(&self) -> Duration {
        if !self.to_read.is_empty() || !self.to_write.is_empty() {
            return Duration::ZERO;
        }
        let tick_ms = self.tick_due_ms.saturating_sub(self.now_ms);
        let due_ms = if self.prefix_wake_due {
            tick_ms.min(PREFIX_WAKE_MS)
        } else {
            tick_ms
        };
        Duration::from_millis(due_ms).min(self.gate.timeout())
    }

    fn advance_clock(&mut self) {
        self.now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
    }

    fn note_event(&mut self, event: &Event) {
        if event.token() == WAKER {
            return;
        }
        let Ok(id) = LinkId::try_from(event.token().0) else {
            return;
        };
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let is_over = event.is_read_closed() || event.is_error();
        if is_over {
            link.reader.read_to_the_end();
        }
        if event.is_readable() || is_over {
            self.to_read.push(id);
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            link.writable = true;
            self.to_write.push(id);
        }
    }

    /// Does what the owner and the listener ask for.
    fn obey(&mut self) -> Result<(), RelayError> {
        let mut commands = std::mem::take(&mut self.commands);
        self.shared.take_commands(&mut commands);
        for command in commands.drain(..) {
            match command {
                Command::Vouch { vouch, bytes } => self.add_own_vouch(&vouch, &bytes)?,
                Command::Pace(pace) => self.gate.set(pace),
                Command::Plan(plan) => self.core.set_plan(plan, self.now_ms),
                Command::Incoming(incoming) => self.take_in(*incoming),
                Command::KeepApart { range, reply } => self.keep_apart(&range, &reply)?,
                Command::Seal { range, reply } => {
                    self.store.seal(&range)?;
                    let _ = reply.send(());
                }
            }
            self.tick_due_ms = self.tick_due_ms.min(self.now_ms + TICK_MS);
        }
        self.commands = commands;
        Ok(())
    }

    /// Keeps a stretch of a stream that is received in a parcel of its own.
    fn keep_apart(
        &mut self,
        range: &Range<u64>,
        reply: &SyncSender<Vec<Range<u64>>>,
    ) -> Result<(), RelayError> {
        let core = &self.core;
        let kept = match self.role {
            Role::Source => Vec::new(),
            Role::Receiver => {
                let known = self.book.known();
                self.store
                    .keep_apart(range, known, |index| core.has(index))?
            }
        };
        // Who asked may have given up.
        let _ = reply.send(kept);
        Ok(())
    }

    /// Performs what the core wants done.
    pub(crate) fn act(&mut self) {
        while let Some(action) = self.core.next_action() {
            match action {
                Action::Connect { peer } => self.connect(peer),
                Action::Send { link, message } => {
                    if matches!(message, Message::Attach { .. } | Message::Pull { .. })
                        && let Some(asked) = self.links.get_mut(link)
                    {
                        asked.asked = true;
                    }
                    if let Message::Refuse {
                        reason: Refusal::Full,
                        ..
                    } = message
                    {
                        count(&self.door.tally.refused_full);
                    }
                    self.queue(link, &message.encode());
                }
                Action::Close { link, reason } => {
                    self.figures.last_close = Some(reason);
                    self.close_after_queue(link);
                }
                Action::Complete => {
                    self.publish();
                    self.tell_prefix();
                    self.shared.prefix.complete();
                }
            }
        }
    }

    fn write_all(&mut self) -> Result<(), RelayError> {
        while let Some(id) = self.core.next_ready() {
            self.to_write.push(id);
        }
        if std::mem::take(&mut self.has_news) {
            let served = self.links.iter().filter(|link| link.vouched.is_some());
            self.to_write.extend(served.map(|link| link.id));
        }
        let mut writing =
            std::mem::replace(&mut self.to_write, std::mem::take(&mut self.spare_ids));
        writing.sort_unstable();
        writing.dedup();
        for id in writing.drain(..) {
            self.write(id)?;
        }
        self.spare_ids = writing;
        self.write_line()
    }

    fn tick(&mut self) {
        self.core.tick(self.now_ms);
        self.give_up_late_links();
        self.rests = !self.links.iter().any(|link| link.may_be_fast(self.now_ms));
        let (received, sent) = (self.figures.bytes_received, self.figures.bytes_sent);
        self.rest.measure(self.now_ms, received, sent);
        if self.now_ms >= self.settle_due_ms {
            self.vouched_settled = self.book.known();
            self.settle_due_ms = self.now_ms + 1000;
        }
        self.publish();
        if self.now_ms >= self.flows_due_ms {
            self.publish_flows();
            self.flows_due_ms = self.now_ms + FLOWS_MS;
        }
        let is_idle =
            self.links.is_empty() && (self.role == Role::Source || self.core.progress().complete);
        self.tick_due_ms = self.now_ms + if is_idle { TICK_IDLE_MS } else { TICK_MS };
    }

    /// Publishes what went to each child; a question to the system for each of them.
    fn publish_flows(&mut self) {
        let links = &mut self.links;
        let children = self.core.children().filter_map(|(id, node)| {
            let flow = links.get_mut(id)?.flow();
            Some(Child {
                node,
                sent_bytes: flow.acked_bytes,
                busy_ms: flow.busy_us / 1000,
                asked_ms: self.now_ms,
            })
        });
        self.shared.publish(|status| {
            status.children.clear();
            status.children.extend(children);
        });
    }

    /// Publishes the figures; between two ticks nobody sees them change.
    pub(crate) fn publish(&mut self) {
        let progress = self.core.progress();
        let have_bytes = self.have_bytes();
        let (figures, links) = (self.figures, &self.links);
        self.shared.publish(|status| {
            status.bytes_have = have_bytes;
            status.chunks_have = progress.have_count;
            status.chunk_count = progress.chunk_count;
            status.complete = progress.complete;
            status.bytes_received = figures.bytes_received;
            status.bytes_sent = figures.bytes_sent;
            status.duplicate_chunks = figures.duplicate_chunks;
            status.corrupt_chunks = figures.corrupt_chunks;
            status.faulty_links = figures.faulty_links;
            status.last_fault = figures.last_fault;
            status.last_close = figures.last_close;
            status.parents.clear();
            let parents = links.iter().filter(|link| link.is_up() && !link.incoming);
            status.parents.extend(parents.map(|link| link.node));
        });
    }

    fn have_bytes(&self) -> u64 {
        let (count, known) = (self.core.have().count(), self.book.known());
        let whole = u64::from(count) * u64::from(self.shared.terms.chunk_bytes);
        let Some(end) = self.book.end() else {
            return whole;
        };
        let has_last = known.checked_sub(1).is_some_and(|last| self.core.has(last));
        let all = u64::from(end.chunk_count) * u64::from(self.shared.terms.chunk_bytes);
        if has_last {
            whole - (all - end.stream_bytes)
        } else {
            whole
        }
    }

    /// Publishes the verified prefix; wakes who waits for it, but not for each chunk.
    fn tell_prefix(&mut self) {
        let chunks = self.core.have().prefix();
        if chunks != self.prefix_chunks {
            self.prefix_chunks = chunks;
            self.prefix_wake_due |= self.shared.prefix.advance(self.book.bytes_of(chunks));
        }
        if self.prefix_wake_due && self.now_ms >= self.prefix_woken_ms + PREFIX_WAKE_MS {
            self.prefix_wake_due = false;
            self.prefix_woken_ms = self.now_ms;
            self.shared.prefix.wake();
        }
    }

    /// After a round that moved little, waits a moment for more to come together: fewer wake-ups
    /// and acknowledgements. Not while a link may still prove to be fast.
    fn rest(&mut self) {
        let (received, sent) = (self.figures.bytes_received, self.figures.bytes_sent);
        let span = self.rest.after_round(received, sent);
        if let Some(span) = span.filter(|_| self.rests) {
            std::thread::sleep(span);
        }
    }
}
