//! The listening thread: accepts, lets each caller say who it is and what it wants within a
//! deadline, and hands the socket to the session it wants. Callers are strangers until then.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use wire::limits::STRAND_PULLED;
use wire::peer::{Message, MessageHeader, MessageType, Refusal};
use wire::{AssignmentId, NodeId};

use crate::addresses::{Addresses, Place};
use crate::door::Door;
use crate::limits::{
    CONNECTIONS_FROM_LOOPBACK_MAX, CONNECTIONS_PER_ADDRESS_MAX, HANDSHAKE_DEADLINE, HANDSHAKES_MAX,
    TALKS_MAX, UNKNOWN_WAIT,
};
use crate::probing;
use crate::reader::{Reader, Step};
use crate::session::{Command, Incoming};
use crate::socket;
use crate::tally::count;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// Rest after an accept that failed for want of descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Bounds of the listening side. The defaults are those of `limits`; tests take smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct ListenLimits {
    /// Connections from one address that is not this machine.
    pub connections_per_address_max: usize,
    /// Connections from this machine.
    pub connections_from_loopback_max: usize,
    /// Callers that have not yet said what they want.
    pub handshakes_max: usize,
    /// Time they have for it.
    pub handshake_deadline: Duration,
    /// Time that they wait for an assignment that has no session here.
    pub unknown_wait: Duration,
    /// Talks that wait or are under way.
    pub talks_max: usize,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            connections_per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
            connections_from_loopback_max: CONNECTIONS_FROM_LOOPBACK_MAX,
            handshakes_max: HANDSHAKES_MAX,
            handshake_deadline: HANDSHAKE_DEADLINE,
            unknown_wait: UNKNOWN_WAIT,
            talks_max: TALKS_MAX,
        }
    }
}

#[derive(Debug)]
enum Stage {
    Hello,
    /// It has said who it is; it may attach, or talk.
    Greeted {
        node: NodeId,
        name: String,
    },
    /// It wants an assignment that has no session here yet, and is not read from.
    Waiting {
        node: NodeId,
        attach: Box<Message>,
    },
    /// Refused; read on, so that what we said is not lost with what we did not read.
    Refused,
}

#[derive(Debug)]
struct Caller {
    stream: TcpStream,
    reader: Reader,
    stage: Stage,
    deadline: Instant,
    place: Place,
}

/// What becomes of a caller after it was read from.
enum Verdict {
    Wait,
    Admit { node: NodeId, attach: Message },
    Talk { node: NodeId, name: String },
    Probe { bytes: u32 },
    Refuse(Refusal),
    Drop,
}

/// The thread's state.
pub(crate) struct Listener {
    poll: Poll,
    socket: TcpListener,
    door: Arc<Door>,
    limits: ListenLimits,
    hello: Vec<u8>,
    addresses: Arc<Addresses>,
    callers: Vec<Option<Caller>>,
    scratch: Vec<u8>,
}

impl Listener {
    /// Listens on `address`. `hello` is what each caller is told first.
    pub(crate) fn bind(
        address: SocketAddr,
        hello: Vec<u8>,
        limits: ListenLimits,
    ) -> io::Result<(Self, SocketAddr, Arc<Door>)> {
        let mut socket = TcpListener::bind(address)?;
        let address = socket.local_addr()?;
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut socket, LISTENER, Interest::READABLE)?;
        let door = Arc::new(Door::new(Waker::new(poll.registry(), WAKER)?));
        let listener = Self {
            poll,
            socket,
            door: Arc::clone(&door),
            limits,
            hello,
            addresses: Arc::default(),
            callers: Vec::new(),
            scratch: vec![0; 64 << 10],
        };
        Ok((listener, address, door))
    }

    /// Runs until the door is closed.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        while !self.door.is_closing() {
            match self.poll.poll(&mut events, self.until_next_deadline()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => self.call_waiting(),
                    Token(slot) => {
                        if event.is_read_closed()
                            && let Some(Some(caller)) = self.callers.get_mut(slot)
                        {
                            caller.reader.read_to_the_end();
                        }
                        self.serve(slot);
                    }
                }
            }
            self.cut_off_late();
        }
        Ok(())
    }

    fn until_next_deadline(&self) -> Option<Duration> {
        let next = self
            .callers
            .iter()
            .flatten()
            .map(|caller| caller.deadline)
            .min()?;
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    /// Hands those over whose session has opened.
    fn call_waiting(&mut self) {
        for slot in 0..self.callers.len() {
            let opened = |caller: &mut Caller| match &caller.stage {
                Stage::Waiting { attach, .. } => wanted(attach)
                    .is_some_and(|(assignment, _)| self.door.session(&assignment).is_some()),
                _ => false,
            };
            if let Some(caller) = self.callers[slot].take_if(opened) {
                self.end_wait(slot, caller);
            }
        }
    }

    /// Hands a caller over that has waited, or refuses it.
    fn end_wait(&mut self, slot: usize, mut caller: Caller) {
        caller.deadline = Instant::now() + self.limits.handshake_deadline;
        if let Stage::Waiting { node, attach } =
            std::mem::replace(&mut caller.stage, Stage::Refused)
        {
            self.hand_over(slot, caller, node, *attach);
        }
    }

    fn cut_off_late(&mut self) {
        let now = Instant::now();
        for slot in 0..self.callers.len() {
            let waits = |caller: &mut Caller| {
                caller.deadline <= now && matches!(caller.stage, Stage::Waiting { .. })
            };
            if let Some(caller) = self.callers[slot].take_if(waits) {
                self.end_wait(slot, caller);
            }
        }
        for slot in &mut self.callers {
            if let Some(caller) = slot.take_if(|caller| caller.deadline <= now)
                && !matches!(caller.stage, Stage::Refused)
            {
                count(&self.door.tally.too_slow);
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match self.socket.accept() {
                Ok((stream, remote)) => self.welcome(stream, remote.ip()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    count(&self.door.tally.accept_errors);
                    // Who is late may hold the descriptor that is wanting.
                    self.cut_off_late();
                    // The edge is used up: without this the queue would wait for the next caller.
                    std::thread::sleep(ACCEPT_REST);
                    if self.door.is_closing() {
                        return;
                    }
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream, remote: IpAddr) {
        let most = if remote.to_canonical().is_loopback() {
            self.limits.connections_from_loopback_max
        } else {
            self.limits.connections_per_address_max
        };
        let place = self.addresses.take(remote, most);
        let (Some(place), Some(slot)) = (place, self.free_slot()) else {
            count(&self.door.tally.refused_full);
            return;
        };
        let token = Token(slot);
        let greeted = socket::send(&stream, &self.hello, false)
            == socket::Moved::Bytes(self.hello.len())
            && self
                .poll
                .registry()
                .register(&mut stream, token, Interest::READABLE)
                .is_ok();
        if !greeted {
            count(&self.door.tally.malformed);
            return;
        }
        self.callers[slot] = Some(Caller {
            stream,
            reader: Reader::default(),
            stage: Stage::Hello,
            deadline: Instant::now() + self.limits.handshake_deadline,
            place,
        });
        self.serve(slot);
    }

    fn free_slot(&mut self) -> Option<usize> {
        if let Some(slot) = self.callers.iter().position(Option::is_none) {
            return Some(slot);
        }
        if self.callers.len() >= self.limits.handshakes_max {
            return None;
        }
        self.callers.push(None);
        Some(self.callers.len() - 1)
    }

    fn serve(&mut self, slot: usize) {
        let Some(mut caller) = self.callers.get_mut(slot).and_then(Option::take) else {
            return;
        };
        match listen(&mut caller, &mut self.scratch) {
            Verdict::Wait => self.callers[slot] = Some(caller),
            Verdict::Admit { node, attach } => self.hand_over(slot, caller, node, attach),
            Verdict::Talk { node, name } => self.let_talk(slot, caller, node, name),
            Verdict::Probe { bytes } => self.time(slot, caller, bytes),
            Verdict::Refuse(reason) => {
                count(&self.door.tally.malformed);
                self.refuse(slot, caller, reason, 0);
            }
            Verdict::Drop => {
                if !matches!(caller.stage, Stage::Refused) {
                    count(&self.door.tally.malformed);
                }
            }
        }
    }

    fn hand_over(&mut self, slot: usize, mut caller: Caller, node: NodeId, attach: Message) {
        let Some((assignment, strand)) = wanted(&attach) else {
            return;
        };
        let Some(session) = self.door.session(&assignment) else {
            if matches!(caller.stage, Stage::Refused) || self.limits.unknown_wait.is_zero() {
                count(&self.door.tally.refused_unknown);
                return self.refuse(slot, caller, Refusal::UnknownAssignment, strand);
            }
            let attach = Box::new(attach);
            caller.stage = Stage::Waiting { node, attach };
            caller.deadline = Instant::now() + self.limits.unknown_wait;
            self.callers[slot] = Some(caller);
            return;
        };
        if self.poll.registry().deregister(&mut caller.stream).is_err() {
            return;
        }
        let Caller { stream, place, .. } = caller;
        let incoming = Box::new(Incoming {
            stream,
            node,
            attach,
            place,
        });
        if session.post(Command::Incoming(incoming)) {
            count(&self.door.tally.admitted);
        }
    }

    fn let_talk(&mut self, slot: usize, mut caller: Caller, node: NodeId, name: String) {
        if !self.door.talks.has_room(self.limits.talks_max) {
            count(&self.door.tally.refused_full);
            return self.refuse(slot, caller, Refusal::Full, STRAND_PULLED);
        }
        if self.poll.registry().deregister(&mut caller.stream).is_err() {
            return;
        }
        let Caller { stream, place, .. } = caller;
        count(&self.door.tally.talks);
        self.door.talks.put(node, name, stream.into(), place);
    }

    /// Times what the caller sends, on a thread of its own; one at a time, since two would measure
    /// each other.
    fn time(&mut self, slot: usize, mut caller: Caller, bytes: u32) {
        if !self.door.probing.begin() {
            count(&self.door.tally.refused_full);
            return self.refuse(slot, caller, Refusal::Full, STRAND_PULLED);
        }
        if self.poll.registry().deregister(&mut caller.stream).is_err() {
            return self.door.probing.end();
        }
        count(&self.door.tally.probes);
        let Caller { stream, place, .. } = caller;
        let door = Arc::clone(&self.door);
        self.door.probing.run(move || {
            let _ = probing::receive(stream.into(), bytes, &|| door.is_closing());
            drop(place);
            door.probing.end();
        });
    }

    /// Says why, then reads on until the caller closes or its time is over.
    fn refuse(&mut self, slot: usize, mut caller: Caller, reason: Refusal, strand: u8) {
        let message = Message::Refuse {
            reason,
            strand,
            text: String::new(),
        };
        let _ = socket::send(&caller.stream, &message.encode(), false);
        let _ = caller.stream.shutdown(std::net::Shutdown::Write);
        caller.stage = Stage::Refused;
        self.callers[slot] = Some(caller);
        self.serve_refused(slot);
    }

    fn serve_refused(&mut self, slot: usize) {
        let Some(Some(caller)) = self.callers.get_mut(slot) else {
            return;
        };
        if matches!(listen(caller, &mut self.scratch), Verdict::Drop) {
            self.callers[slot] = None;
        }
    }
}

/// What an ATTACH is about.
fn wanted(attach: &Message) -> Option<(AssignmentId, u8)> {
    match attach {
        Message::Attach {
            assignment, strand, ..
        } => Some((*assignment, *strand)),
        _ => None,
    }
}

/// Reads what a caller has said so far.
fn listen(caller: &mut Caller, scratch: &mut [u8]) -> Verdict {
    if matches!(caller.stage, Stage::Waiting { .. }) {
        return Verdict::Wait;
    }
    if matches!(caller.stage, Stage::Refused) {
        return drain(caller, scratch);
    }
    let mut turn = usize::MAX;
    loop {
        match caller.reader.step(&caller.stream, &mut turn, scratch) {
            Step::Header => {
                let Ok(header) = MessageHeader::decode(caller.reader.header()) else {
                    return Verdict::Refuse(Refusal::Malformed);
                };
                let is_hello = header.kind == MessageType::Hello;
                let is_wanted = match caller.stage {
                    Stage::Hello => is_hello,
                    _ => matches!(
                        header.kind,
                        MessageType::Attach | MessageType::Talk | MessageType::Probe
                    ),
                };
                if !is_wanted {
                    return Verdict::Refuse(Refusal::Malformed);
                }
                caller.reader.expect_payload(header.length as usize);
            }
            Step::Payload => match understand(caller) {
                Verdict::Wait => {}
                verdict => return verdict,
            },
            Step::Blocked | Step::TurnOver => return Verdict::Wait,
            Step::Gone | Step::Body | Step::Dropped => return Verdict::Drop,
        }
    }
}

/// What follows from the message that is whole now.
fn understand(caller: &mut Caller) -> Verdict {
    let message = MessageHeader::decode(caller.reader.header())
        .and_then(|header| Message::from_parts(&header, caller.reader.payload()));
    let Ok(message) = message else {
        return Verdict::Refuse(Refusal::Malformed);
    };
    match (message, &mut caller.stage) {
        (Message::Hello { node, name, .. }, stage @ Stage::Hello) => {
            *stage = Stage::Greeted { node, name };
            Verdict::Wait
        }
        (Message::Talk, Stage::Greeted { node, name }) => Verdict::Talk {
            node: *node,
            name: std::mem::take(name),
        },
        (Message::Probe { bytes }, Stage::Greeted { .. }) => Verdict::Probe { bytes },
        (attach @ Message::Attach { .. }, Stage::Greeted { node, .. }) => Verdict::Admit {
            node: *node,
            attach,
        },
        _ => Verdict::Refuse(Refusal::Malformed),
    }
}

fn drain(caller: &Caller, scratch: &mut [u8]) -> Verdict {
    loop {
        match socket::discard(&caller.stream, scratch) {
            socket::Moved::Bytes(_) => {}
            socket::Moved::Blocked => return Verdict::Wait,
            socket::Moved::Gone => return Verdict::Drop,
        }
    }
}
