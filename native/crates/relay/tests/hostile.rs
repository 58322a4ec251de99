//! Goal: whatever peers send, in whatever order and cut wherever, a session goes on, takes only
//! what its source vouched for, writes nothing but its own files and keeps its memory.
//! Method: a parent and a child send scripts drawn from seeds, over real sockets, to a receiver
//! that completes from an honest source afterwards. `HOSTILE_SEEDS` asks for more of them.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use relay::{Relay, Session};
use support::{CHUNK, Content, FakePeer, chunk_bytes, node, open_relay, peer, plan, until};
use wire::peer::{MESSAGE_MAGIC, Message, PeerRole};

const SEEDS: u64 = 40;
const MESSAGES_MAX: u64 = 30;
/// More than any of it needs; what grows with hostile bytes would be far beyond it.
const GROWTH_BYTES_MAX: u64 = 96 << 20;

/// Numbers that a seed decides (xorshift).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// A number that counts little, nothing, or as much as there can be.
    fn number(&mut self) -> u32 {
        let small = u32::try_from(self.below(10)).unwrap();
        match self.below(4) {
            0 => u32::MAX - small,
            1 => u32::try_from(self.below(1 << 32)).unwrap(),
            _ => small,
        }
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }
}

/// A message of any kind, with a length that may lie.
fn framed(draw: &mut Draw, payload: &[u8]) -> Vec<u8> {
    let kind = u8::try_from(draw.below(12)).unwrap();
    let length = match draw.below(8) {
        0 => draw.number(),
        _ => u32::try_from(payload.len()).unwrap(),
    };
    let mut message = MESSAGE_MAGIC.to_le_bytes().to_vec();
    message.extend([1, kind]);
    for field in [length, draw.number(), draw.number()] {
        message.extend(field.to_le_bytes());
    }
    message.extend(payload);
    message
}

/// Ranges, not always in order.
fn ranges(draw: &mut Draw) -> Vec<u8> {
    let count = draw.below(5) * 2;
    (0..count)
        .flat_map(|_| draw.number().to_le_bytes())
        .collect()
}

fn attach(content: &Content, draw: &mut Draw) -> Vec<u8> {
    let strand = u8::try_from(draw.below(3)).unwrap();
    Message::Attach {
        assignment: content.assignment,
        strand: if draw.below(4) == 0 { 255 } else { strand },
        vouched_count: draw.number(),
        have: Vec::new(),
    }
    .encode()
}

fn status(draw: &mut Draw) -> Vec<u8> {
    let payload: Vec<u8> = (0..2 + draw.below(4))
        .flat_map(|_| draw.number().to_le_bytes())
        .collect();
    let mut message = framed(draw, &payload);
    message[3] = 9;
    message
}

/// A chunk that was asked for, or not; right, bent, or of another length than it says.
fn chunk(content: &Content, draw: &mut Draw) -> Vec<u8> {
    let index = u32::try_from(draw.below(u64::from(content.chunk_count()))).unwrap();
    let mut message = chunk_bytes(index, content.chunk(index));
    match draw.below(6) {
        0 => message[8..12].copy_from_slice(&draw.number().to_le_bytes()),
        1 => message[4..8].copy_from_slice(&draw.number().to_le_bytes()),
        2 => message[12..16].copy_from_slice(&draw.number().to_le_bytes()),
        3 => *message.last_mut().unwrap() ^= 1,
        4 => message.truncate(message.len() - 1),
        _ => {}
    }
    message
}

fn vouch(content: &Content, draw: &mut Draw) -> Vec<u8> {
    let at = usize::try_from(draw.below(content.vouches.len() as u64)).unwrap();
    let mut bytes = content.vouches[at].clone();
    if draw.below(3) == 0 {
        let bent = usize::try_from(draw.below(bytes.len() as u64)).unwrap();
        bytes[bent] ^= 1 << draw.below(8);
    }
    Message::Vouch { bytes }.encode()
}

/// All that one peer sends.
fn script(content: &Content, number: u8, seed: u64) -> Vec<u8> {
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let hello = Message::Hello {
        role: PeerRole::Node,
        node: node(number),
        name: "hostile".to_owned(),
        ticket: Vec::new(),
    };
    let mut sent = hello.encode();
    if draw.below(8) > 0 {
        sent.extend(attach_or_vouches(content, number, &mut draw));
    }
    for _ in 0..draw.below(MESSAGES_MAX) {
        let length = draw.below(200);
        let message = match draw.below(16) {
            0 => draw.bytes(length),
            1 => hello.encode(),
            2 => attach(content, &mut draw),
            3 | 4 => vouch(content, &mut draw),
            5..=8 => chunk(content, &mut draw),
            9 | 10 => status(&mut draw),
            11..=13 => {
                let payload = ranges(&mut draw);
                framed(&mut draw, &payload)
            }
            _ => {
                let payload = draw.bytes(length);
                framed(&mut draw, &payload)
            }
        };
        sent.extend(message);
        if draw.below(20) == 0 {
            let bent = usize::try_from(draw.below(sent.len() as u64)).unwrap();
            sent[bent] ^= 1 << draw.below(8);
        }
    }
    sent
}

/// What makes a peer be taken in: a child attaches, a parent vouches.
fn attach_or_vouches(content: &Content, number: u8, draw: &mut Draw) -> Vec<u8> {
    if number == CHILD {
        return attach(content, draw);
    }
    let all = content.vouches.iter().cloned();
    all.flat_map(|bytes| Message::Vouch { bytes }.encode())
        .collect()
}

/// Bytes of what is here already that are more than a link may bring.
const USELESS_BYTES_MAX: u64 = 128 << 20;
const PARENT: u8 = 9;
const CHILD: u8 = 8;

/// Sends a script in pieces of any size, reads what comes meanwhile, and goes.
fn tell(mut stream: TcpStream, script: &[u8], seed: u64) {
    let mut draw = Draw(seed | 1);
    stream
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let mut rest = script;
    let mut heard = vec![0; 64 << 10];
    while !rest.is_empty() {
        let most = if draw.below(3) == 0 { 40 } else { 20_000 };
        let piece = usize::try_from(1 + draw.below(most))
            .unwrap()
            .min(rest.len());
        // Who is cut off has been found out.
        if stream.write_all(&rest[..piece]).is_err() {
            return;
        }
        rest = &rest[piece..];
        if draw.below(4) == 0 {
            let _ = stream.read(&mut heard);
        }
    }
    if draw.below(2) == 0 {
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read(&mut heard);
    }
}

fn resident_bytes() -> u64 {
    let about = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = about.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// One receiver among a hostile parent and a hostile child, then an honest source.
fn play(seed: u64, receiving: &Relay, serving: &Relay) {
    let content = Content::new(&format!("hostile {seed}"), 5 * CHUNK as usize + 123, 2);
    let source = content.open_source(serving, 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hostile = peer(PARENT, listener.local_addr().unwrap());
    let receiver = content.open_receiver(receiving, "b", plan(&[hostile]));
    let child = TcpStream::connect(receiving.address()).unwrap();
    let (parent, _) = listener.accept().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| tell(parent, &script(&content, PARENT, seed), seed));
        scope.spawn(|| tell(child, &script(&content, CHILD, seed + 1_000_003), seed + 7));
    });
    assert_eq!(receiver.status().failure, None, "seed {seed}");
    assert!(receiver.status().bytes_have <= content.bytes.len() as u64);
    receiver.set_plan(plan(&[peer(1, serving.address())]));
    content.completes(&receiver, "b");
    let mut names: Vec<_> = std::fs::read_dir(content.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["b", "b.vouch", "source"], "seed {seed}");
    assert_eq!(
        std::fs::read(content.path("source")).unwrap(),
        content.bytes
    );
    receiver.close();
    source.close();
}

#[test]
fn a_session_among_hostile_peers_takes_what_is_right_and_nothing_else() {
    let more = std::env::var("HOSTILE_SEEDS").ok();
    let seeds = more.and_then(|count| count.parse().ok()).unwrap_or(SEEDS);
    let (receiving, serving) = (open_relay(2), open_relay(1));
    let mut before = None;
    for seed in 1..=seeds {
        play(seed, &receiving, &serving);
        // What is used once and kept is there after a few.
        if seed == SEEDS / 4 {
            before = Some(resident_bytes());
        }
    }
    let grown = resident_bytes().saturating_sub(before.unwrap_or(0));
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes");
    // It is open to who keeps to the rules.
    until("the door is open", || {
        TcpStream::connect(receiving.address()).is_ok()
    });
}

/// A first parent that does what a test has it do once it is asked, before an honest source.
fn with_first_parent(
    name: &str,
    does: impl FnOnce(&mut FakePeer, &Content) + Send,
    then: impl FnOnce(&Session, &Content),
) {
    let content = Content::new(name, 5 * CHUNK as usize, 2);
    let (receiving, serving) = (open_relay(2), open_relay(1));
    let source = content.open_source(&serving, 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = peer(PARENT, listener.local_addr().unwrap());
    let line = plan(&[first, peer(1, serving.address())]);
    let receiver = content.open_receiver(&receiving, "b", line);
    let content = &content;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut fake = FakePeer::of(listener.accept().unwrap().0);
            fake.hello(PARENT);
            for bytes in content.vouches.iter().cloned() {
                fake.send(&Message::Vouch { bytes });
            }
            fake.expect("an ATTACH", |message| {
                matches!(message, Message::Attach { .. })
            });
            does(&mut fake, content);
        });
        then(&receiver, content);
    });
    receiver.close();
    source.close();
}

#[test]
fn a_parent_whose_chunk_trickles_is_left_long_before_it_is_whole() {
    let trickle = |fake: &mut FakePeer, content: &Content| {
        let chunk = chunk_bytes(0, content.chunk(0));
        fake.send(&Message::Status {
            have_count: 5,
            vouched_count: 5,
            backlog: 0,
            complete: true,
            slow: false,
            log_lengths: vec![5],
        });
        for byte in chunk.chunks(1).take(800) {
            if fake.stream.write_all(byte).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    with_first_parent("trickle", trickle, |receiver, content| {
        let begun = Instant::now();
        content.completes(receiver, "b");
        assert!(begun.elapsed() < Duration::from_secs(20));
        receiver.close();
    });
}

#[test]
fn who_goes_on_sending_what_is_here_already_is_cut_off() {
    let repeat = |fake: &mut FakePeer, content: &Content| {
        let chunk = chunk_bytes(0, content.chunk(0));
        for _ in 0..2 * USELESS_BYTES_MAX / u64::from(CHUNK) {
            if fake.stream.write_all(&chunk).is_err() {
                return;
            }
        }
    };
    with_first_parent("again and again", repeat, |receiver, content| {
        let reason = Some("chunks that are here already");
        until("it is cut off", || receiver.status().last_fault == reason);
        content.completes(receiver, "b");
        let useless = receiver.status().duplicate_chunks * u64::from(CHUNK);
        let most = USELESS_BYTES_MAX + USELESS_BYTES_MAX / 16;
        assert!(useless < most, "{useless}");
        receiver.close();
    });
}
