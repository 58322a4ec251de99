//! Streams with vouches, relays on this machine, and peers that do not keep to the rules.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relay::{ListenLimits, Options, Pace, ReceiverSpec, Relay, Session, SourceSpec};
use spread::{Peer, Plan};
use tempfile::TempDir;
use wire::peer::{MESSAGE_HEADER_BYTES, Message, MessageHeader, PeerRole};
use wire::vouch::{SigningKey, StreamEnd, Vouch};
use wire::{AssignmentId, NodeId};

pub(crate) const CHUNK: u32 = 16 << 10;
/// Far beyond what any of it takes on a busy machine; only a bug gets there.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn node(number: u8) -> NodeId {
    [number; 16]
}

/// A stream, its source's key and its vouches of `batch` chunks each.
pub(crate) struct Content {
    pub(crate) assignment: AssignmentId,
    pub(crate) key: SigningKey,
    pub(crate) bytes: Vec<u8>,
    pub(crate) vouches: Vec<Vec<u8>>,
    pub(crate) directory: TempDir,
}

impl Content {
    /// Bytes that no compressor and no accident makes twice, told apart by `name`.
    pub(crate) fn new(name: &str, length: usize, batch: u32) -> Self {
        let mut bytes = vec![0; length];
        blake3::Hasher::new()
            .update(name.as_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        let assignment = *wire::digest_of(name.as_bytes()).first_chunk().unwrap();
        let key = SigningKey::from_bytes(&[0x33; 32]);
        let vouches = vouches_of(assignment, &bytes, batch, &key);
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("source"), &bytes).unwrap();
        Self {
            assignment,
            key,
            bytes,
            vouches,
            directory,
        }
    }

    pub(crate) fn chunk_count(&self) -> u32 {
        u32::try_from(self.bytes.len().div_ceil(CHUNK as usize)).unwrap()
    }

    pub(crate) fn chunk(&self, index: u32) -> &[u8] {
        self.bytes
            .chunks(CHUNK as usize)
            .nth(index as usize)
            .unwrap()
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn source_spec(&self, strand_count: u8) -> SourceSpec {
        SourceSpec {
            assignment: self.assignment,
            path: self.path("source"),
            vouch_path: None,
            chunk_bytes: CHUNK,
            public_key: self.public_key(),
            plan: Plan {
                strand_count,
                ..Plan::default()
            },
            pace: Pace::default(),
        }
    }

    /// A source that has vouched for everything.
    pub(crate) fn open_source(&self, relay: &Relay, strand_count: u8) -> Arc<Session> {
        let session = relay.open_source(self.source_spec(strand_count)).unwrap();
        self.vouch_all(&session);
        session
    }

    pub(crate) fn vouch_all(&self, session: &Session) {
        for vouch in &self.vouches {
            session.vouch(vouch.clone()).unwrap();
        }
    }

    pub(crate) fn receiver_spec(&self, name: &str, plan: Plan) -> ReceiverSpec {
        ReceiverSpec {
            assignment: self.assignment,
            path: self.path(name),
            vouch_path: self.path(&format!("{name}.vouch")),
            chunk_bytes: CHUNK,
            public_key: self.public_key(),
            plan,
            pace: Pace::default(),
        }
    }

    pub(crate) fn open_receiver(&self, relay: &Relay, name: &str, plan: Plan) -> Arc<Session> {
        relay.open_receiver(self.receiver_spec(name, plan)).unwrap()
    }

    /// Waits for a receiver to have everything and compares its file.
    pub(crate) fn completes(&self, session: &Session, name: &str) {
        until(&format!("{name} complete"), || {
            let status = session.status();
            assert_eq!(status.failure, None, "{name}");
            status.complete
        });
        assert_eq!(session.prefix().bytes(), self.bytes.len() as u64);
        assert!(
            std::fs::read(self.path(name)).unwrap() == self.bytes,
            "{name} differs"
        );
        assert_eq!(session.status().bytes_have, self.bytes.len() as u64);
    }
}

pub(crate) fn vouches_of(
    assignment: AssignmentId,
    bytes: &[u8],
    batch: u32,
    key: &SigningKey,
) -> Vec<Vec<u8>> {
    let digests: Vec<_> = bytes.chunks(CHUNK as usize).map(wire::digest_of).collect();
    let chunk_count = u32::try_from(digests.len()).unwrap();
    let stream_bytes = bytes.len() as u64;
    let mut first = 0;
    let mut vouches = Vec::new();
    for run in digests.chunks(batch as usize) {
        let next = first + u32::try_from(run.len()).unwrap();
        let end = (next == chunk_count).then_some(StreamEnd {
            chunk_count,
            stream_bytes,
        });
        let vouch = Vouch::sign(assignment, first, run.to_vec(), end, key).unwrap();
        vouches.push(vouch.encode());
        first = next;
    }
    vouches
}

pub(crate) fn open_relay(number: u8) -> Relay {
    open_relay_within(number, ListenLimits::default())
}

pub(crate) fn open_relay_within(number: u8, limits: ListenLimits) -> Relay {
    open_relay_at("127.0.0.1:0", number, limits)
}

pub(crate) fn open_relay_at(listen: &str, number: u8, limits: ListenLimits) -> Relay {
    Relay::open(Options {
        listen: listen.parse().unwrap(),
        node: node(number),
        name: format!("n{number}"),
        role: PeerRole::Node,
        limits,
    })
    .unwrap()
}

pub(crate) fn peer(number: u8, address: SocketAddr) -> Peer {
    Peer {
        node: node(number),
        address,
    }
}

/// One strand with these parents, nearest first.
pub(crate) fn plan(parents: &[Peer]) -> Plan {
    Plan {
        strand_count: 1,
        parents: vec![parents.to_vec()],
        peers: Vec::new(),
        slow: false,
    }
}

/// A chunk's message in strand 0.
pub(crate) fn chunk_bytes(index: u32, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    let header = MessageHeader::chunk(index, 0, length).to_bytes();
    [&header[..], bytes].concat()
}

/// A false parent: tells each who calls on `listener` its HELLO and `vouches` at once, then `lie`
/// when it has read ATTACH, until the lie is `caught`. Gives how often it was told.
///
/// A caller that has lost patience with a machine that stands still calls again, and is told again.
pub(crate) fn lie_until(
    listener: &TcpListener,
    number: u8,
    vouches: &[Vec<u8>],
    lie: &[u8],
    caught: impl Fn() -> bool,
) -> u64 {
    let mut first = hello_of(number).encode();
    for bytes in vouches.iter().cloned() {
        first.extend(Message::Vouch { bytes }.encode());
    }
    listener.set_nonblocking(true).unwrap();
    let mut told = 0;
    until("the lie is caught", || {
        if let Ok((stream, _)) = listener.accept() {
            let mut fake = FakePeer::of(stream);
            let is_attach = |message: &Message| matches!(message, Message::Attach { .. });
            if fake.stream.write_all(&first).is_ok()
                && std::iter::from_fn(|| fake.next()).any(|message| is_attach(&message))
            {
                // Whoever is gone hears nothing.
                let _ = fake.stream.write_all(lie);
                told += 1;
            }
            fake.expect_close();
        }
        caught()
    });
    told
}

fn hello_of(number: u8) -> Message {
    Message::Hello {
        role: PeerRole::Node,
        node: node(number),
        name: "fake".to_owned(),
        ticket: Vec::new(),
    }
}

/// A peer that does what a test tells it to.
pub(crate) struct FakePeer {
    pub(crate) stream: TcpStream,
}

impl FakePeer {
    pub(crate) fn call(address: SocketAddr, number: u8) -> Self {
        let mut fake = Self::of(TcpStream::connect(address).unwrap());
        fake.hello(number);
        fake
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    pub(crate) fn hello(&mut self, number: u8) {
        self.send(&hello_of(number));
    }

    pub(crate) fn attach(&mut self, assignment: AssignmentId) {
        self.send(&Message::Attach {
            assignment,
            strand: 0,
            vouched_count: 0,
            have: Vec::new(),
        });
    }

    pub(crate) fn send(&mut self, message: &Message) {
        self.stream.write_all(&message.encode()).unwrap();
    }

    pub(crate) fn send_chunk(&mut self, index: u32, bytes: &[u8]) {
        self.stream.write_all(&chunk_bytes(index, bytes)).unwrap();
    }

    /// The next message; none when the other side has closed.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let mut header = [0; MESSAGE_HEADER_BYTES];
        self.stream.read_exact(&mut header).ok()?;
        let header = MessageHeader::decode(&header).unwrap();
        let mut payload = vec![0; header.length as usize];
        self.stream.read_exact(&mut payload).ok()?;
        let is_chunk = header.kind == wire::peer::MessageType::Chunk;
        let payload = if is_chunk { &[][..] } else { &payload };
        Some(Message::from_parts(&header, payload).unwrap())
    }

    /// Reads until a message of this kind comes.
    pub(crate) fn expect(&mut self, what: &str, is_it: impl Fn(&Message) -> bool) -> Message {
        loop {
            let message = self
                .next()
                .unwrap_or_else(|| panic!("closed before {what}"));
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Reads until the other side closes.
    pub(crate) fn expect_close(&mut self) {
        let mut rest = Vec::new();
        // A reset is a close too.
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            let kind = error.kind();
            assert_ne!(kind, std::io::ErrorKind::WouldBlock, "still open");
            assert_ne!(kind, std::io::ErrorKind::TimedOut, "still open");
        }
    }
}
