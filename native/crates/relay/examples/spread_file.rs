//! One end of spreading a file, as a program of its own, for benches and experiments.
//!
//! ```text
//! spread_file source  --file F [--listen IP:PORT] [--node HEX] [--strands N] [--chunk BYTES]
//!                     [--hold yes]
//! spread_file receive --out DIR [--listen IP:PORT] [--node HEX] [--chunk BYTES]
//!                     [--parents HEX@IP:PORT,… once for each strand] [--plan JSON | @FILE]
//!                     [--hold yes]
//! spread_file feed    --file F [--node HEX] [--chunk BYTES] [--hold yes]
//! spread_file sink    --parent IP:PORT [--node HEX] [--strands N]
//! ```
//! Each prints lines of JSON: `listening` with the address, `attached` (a sink), `complete` with
//! seconds since the first byte and CPU seconds, `end` when its standard input closes (a sink
//! ends at completion). Who holds only listens until a line comes in. A plan is `{strandCount,
//! parents: [[{nodeId, host, port}]], peers}`. A feed speaks the protocol and writes to one child
//! from memory, as iperf3 does: what comes over a real network is not in cold pages of the
//! sender's file either. A sink speaks it and throws the bytes away in the kernel: it loads a
//! relay and little else.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use relay::{ListenLimits, Options, ReceiverSpec, Relay, Session, SourceSpec, Waited};
use serde_json::{Value, json};
use spread::{Peer, Plan};
use wire::peer::{MESSAGE_HEADER_BYTES, Message, MessageHeader, MessageType, PeerRole};
use wire::vouch::{StreamEnd, Vouch};
use wire::{AssignmentId, NodeId};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The assignment and the key that every end of this program agrees on.
const ASSIGNMENT: AssignmentId = [0x5f; 16];
const KEY_SEED: [u8; 32] = [0x17; 32];
const VOUCH_DIGESTS: usize = 256;
const CHUNK_BYTES: u32 = 256 << 10;
const SINK_REST: Duration = Duration::from_micros(50);

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let flags = Flags::read(words)?;
    match command.as_str() {
        "source" => source(&flags),
        "receive" => receive(&flags),
        "feed" => feed(&flags),
        "sink" => sink(&flags),
        _ => Err("say source, receive, feed or sink".into()),
    }
}

/// Flags by name; a name may come more than once.
struct Flags(HashMap<String, Vec<String>>);

impl Flags {
    fn read(mut words: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut flags: HashMap<String, Vec<String>> = HashMap::new();
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or_else(|| format!("what is {word}?"))?;
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value"))?;
            flags.entry(name.to_owned()).or_default().push(value);
        }
        Ok(Self(flags))
    }

    fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last().map(String::as_str)
    }

    fn number(&self, name: &str, default: u32) -> Outcome<u32> {
        Ok(self
            .get(name)
            .map(str::parse)
            .transpose()?
            .unwrap_or(default))
    }

    fn path(&self, name: &str) -> Outcome<PathBuf> {
        Ok(self
            .get(name)
            .ok_or_else(|| format!("--{name} is missing"))?
            .into())
    }

    fn node(&self) -> Outcome<NodeId> {
        node_of(
            self.get("node")
                .unwrap_or("00000000000000000000000000000001"),
        )
    }

    fn strand_count(&self) -> Outcome<u8> {
        Ok(u8::try_from(self.number("strands", 1)?)?)
    }

    fn plan(&self) -> Outcome<Plan> {
        if let Some(text) = self.get("plan") {
            let text = match text.strip_prefix('@') {
                Some(path) => std::fs::read_to_string(path)?,
                None => text.to_owned(),
            };
            return plan_of(&serde_json::from_str(&text)?);
        }
        let strands = self.all("parents").iter();
        let parents = strands
            .map(|list| list.split(',').map(peer_of).collect::<Outcome<Vec<Peer>>>())
            .collect::<Outcome<Vec<Vec<Peer>>>>()?;
        let strand_count = u8::try_from(parents.len())?.max(self.strand_count()?);
        Ok(Plan {
            strand_count,
            parents,
            peers: Vec::new(),
            slow: false,
        })
    }

    fn hold(&self) -> Outcome<()> {
        if self.get("hold").is_some() {
            io::stdin().read_line(&mut String::new())?;
        }
        Ok(())
    }

    fn relay(&self) -> Outcome<Relay> {
        Ok(Relay::open(Options {
            listen: self.get("listen").unwrap_or("127.0.0.1:0").parse()?,
            node: self.node()?,
            name: "spread_file".to_owned(),
            role: PeerRole::Node,
            limits: ListenLimits::default(),
        })?)
    }
}

fn node_of(hex: &str) -> Outcome<NodeId> {
    Ok(u128::from_str_radix(hex, 16)?.to_be_bytes())
}

fn peer_of(text: &str) -> Outcome<Peer> {
    let (node, address) = text.split_once('@').ok_or("a parent is HEX@IP:PORT")?;
    Ok(Peer {
        node: node_of(node)?,
        address: address.parse()?,
    })
}

fn plan_of(value: &Value) -> Outcome<Plan> {
    let peers_of = |list: &Value| -> Outcome<Vec<Peer>> {
        list.as_array()
            .into_iter()
            .flatten()
            .map(json_peer_of)
            .collect()
    };
    let strands = value["parents"].as_array().into_iter().flatten();
    Ok(Plan {
        strand_count: u8::try_from(value["strandCount"].as_u64().unwrap_or(1))?,
        parents: strands.map(peers_of).collect::<Outcome<_>>()?,
        peers: peers_of(&value["peers"])?,
        slow: false,
    })
}

fn json_peer_of(value: &Value) -> Outcome<Peer> {
    let node = value["nodeId"].as_str().ok_or("a peer needs a nodeId")?;
    let host = value["host"].as_str().ok_or("a peer needs a host")?;
    let port = u16::try_from(value["port"].as_u64().ok_or("a peer needs a port")?)?;
    Ok(Peer {
        node: node_of(node)?,
        address: SocketAddr::new(host.parse()?, port),
    })
}

fn say(line: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// CPU seconds of this process, user and kernel.
fn cpu_seconds() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills the struct, which is valid when zeroed.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    // Figures for people: 52 bits are more than they read.
    #[allow(clippy::cast_precision_loss)]
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Said when the session is open, so that whoever calls now is not turned away.
fn say_listening(relay: &Relay) -> io::Result<()> {
    say(&json!({ "event": "listening", "address": relay.address().to_string() }))
}

fn until_input_closes() -> io::Result<()> {
    let mut rest = Vec::new();
    io::stdin().lock().read_to_end(&mut rest).map(|_| ())
}

fn figures(event: &str, begin: Instant, cpu_begin: f64, session: &Session) -> Value {
    let status = session.status();
    json!({
        "event": event,
        "seconds": begin.elapsed().as_secs_f64(),
        "cpuSeconds": cpu_seconds() - cpu_begin,
        "cpuTotal": cpu_seconds(),
        "bytesHave": status.bytes_have,
        "bytesReceived": status.bytes_received,
        "bytesSent": status.bytes_sent,
        "duplicateChunks": status.duplicate_chunks,
        "corruptChunks": status.corrupt_chunks,
        "faultyLinks": status.faulty_links,
        "lastFault": status.last_fault,
        "lastClose": status.last_close,
        "failure": status.failure.map(|failure| failure.message),
    })
}

fn source(flags: &Flags) -> Outcome<()> {
    let path = flags.path("file")?;
    let chunk_bytes = flags.number("chunk", CHUNK_BYTES)?;
    let vouches = vouches_of(&path, chunk_bytes)?;
    let relay = flags.relay()?;
    let (begin, cpu_begin) = (Instant::now(), cpu_seconds());
    let session = relay.open_source(SourceSpec {
        assignment: ASSIGNMENT,
        path,
        vouch_path: None,
        chunk_bytes,
        public_key: wire::vouch::public_key_of(&KEY_SEED),
        plan: flags.plan()?,
        pace: relay::Pace::default(),
    })?;
    say_listening(&relay)?;
    flags.hold()?;
    for vouch in vouches {
        session.vouch(vouch)?;
    }
    until_input_closes()?;
    say(&figures("end", begin, cpu_begin, &session))?;
    relay.close();
    Ok(())
}

fn vouches_of(path: &Path, chunk_bytes: u32) -> Outcome<Vec<Vec<u8>>> {
    let file = File::open(path)?;
    let stream_bytes = file.metadata()?.len();
    let chunk_count = u32::try_from(stream_bytes.div_ceil(u64::from(chunk_bytes)))?;
    let end = StreamEnd {
        chunk_count,
        stream_bytes,
    };
    let key = SigningKey::from_bytes(&KEY_SEED);
    let mut buffer = vec![0; chunk_bytes as usize];
    let (mut first, mut digests, mut vouches) = (0, Vec::new(), Vec::new());
    for index in 0..chunk_count {
        let bytes = end.chunk_length(index, chunk_bytes) as usize;
        file.read_exact_at(
            &mut buffer[..bytes],
            u64::from(index) * u64::from(chunk_bytes),
        )?;
        digests.push(wire::digest_of(&buffer[..bytes]));
        let is_last = index + 1 == chunk_count;
        if digests.len() == VOUCH_DIGESTS || is_last {
            let digests = std::mem::take(&mut digests);
            let vouch = Vouch::sign(ASSIGNMENT, first, digests, is_last.then_some(end), &key)?;
            vouches.push(vouch.encode());
            first = index + 1;
        }
    }
    Ok(vouches)
}

fn receive(flags: &Flags) -> Outcome<()> {
    let directory = flags.path("out")?;
    let relay = flags.relay()?;
    let holds = flags.get("hold").is_some();
    if holds {
        say_listening(&relay)?;
        flags.hold()?;
    }
    let cpu_open = cpu_seconds();
    let session = relay.open_receiver(ReceiverSpec {
        assignment: ASSIGNMENT,
        path: directory.join("content.bin"),
        vouch_path: directory.join("content.vouch"),
        chunk_bytes: flags.number("chunk", CHUNK_BYTES)?,
        public_key: wire::vouch::public_key_of(&KEY_SEED),
        plan: flags.plan()?,
        pace: relay::Pace::default(),
    })?;
    if !holds {
        say_listening(&relay)?;
    }
    let begin = wait_for(&session, 1)?;
    wait_for(&session, u64::MAX)?;
    say(&figures("complete", begin, cpu_open, &session))?;
    until_input_closes()?;
    say(&figures("end", begin, cpu_open, &session))?;
    relay.close();
    Ok(())
}

/// Waits for bytes from the start, or for the end of the stream.
fn wait_for(session: &Arc<Session>, bytes: u64) -> Outcome<Instant> {
    loop {
        match session.prefix().wait(bytes, Duration::from_secs(1)) {
            Waited::Ready(_) | Waited::Complete(_) => return Ok(Instant::now()),
            Waited::TimedOut(_) => {}
            Waited::Closed(failure) => return Err(format!("{failure:?}").into()),
        }
    }
}

fn hello(flags: &Flags) -> Outcome<Vec<u8>> {
    let (role, node, name) = (PeerRole::Node, flags.node()?, "plain".to_owned());
    Ok(Message::Hello {
        role,
        node,
        name,
        ticket: Vec::new(),
    }
    .encode())
}

fn feed(flags: &Flags) -> Outcome<()> {
    let path = flags.path("file")?;
    let chunk_bytes = flags.number("chunk", CHUNK_BYTES)?;
    let vouches = vouches_of(&path, chunk_bytes)?;
    let file = File::open(&path)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(&json!({ "event": "listening", "address": listener.local_addr()?.to_string() }))?;
    let mut stream = listener.accept()?.0;
    stream.write_all(&hello(flags)?)?;
    flags.hold()?;
    for bytes in vouches {
        stream.write_all(&Message::Vouch { bytes }.encode())?;
    }
    let cpu_begin = cpu_seconds();
    let stream_bytes = file.metadata()?.len();
    let mut buffer = vec![0; MESSAGE_HEADER_BYTES + chunk_bytes as usize];
    let (mut index, mut offset) = (0, 0);
    while offset < stream_bytes {
        let bytes =
            u32::try_from(stream_bytes - offset).map_or(chunk_bytes, |b| b.min(chunk_bytes));
        let end = MESSAGE_HEADER_BYTES + bytes as usize;
        let header = MessageHeader::chunk(index, 0, bytes).to_bytes();
        buffer[..MESSAGE_HEADER_BYTES].copy_from_slice(&header);
        file.read_exact_at(&mut buffer[MESSAGE_HEADER_BYTES..end], offset)?;
        stream.write_all(&buffer[..end])?;
        offset += u64::from(bytes);
        index += 1;
    }
    let cpu_sent = cpu_seconds() - cpu_begin;
    until_input_closes()?;
    say(&json!({ "event": "end", "cpuSeconds": cpu_sent, "cpuTotal": cpu_seconds() }))?;
    Ok(())
}

fn sink(flags: &Flags) -> Outcome<()> {
    let address = flags.get("parent").ok_or("--parent is missing")?;
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&hello(flags)?)?;
    for strand in 0..flags.strand_count()? {
        let attach = Message::Attach {
            assignment: ASSIGNMENT,
            strand,
            vouched_count: 0,
            have: Vec::new(),
        };
        stream.write_all(&attach.encode())?;
    }
    say(&json!({ "event": "attached" }))?;
    let mut scratch = vec![0; 4 << 20];
    let (mut chunks, mut bytes, mut chunk_count) = (0_u32, 0_u64, None);
    let (mut begin, mut cpu_begin) = (Instant::now(), cpu_seconds());
    while chunk_count != Some(chunks) {
        let mut header = [0; MESSAGE_HEADER_BYTES];
        stream.read_exact(&mut header)?;
        let header = MessageHeader::decode(&header)?;
        let length = header.length as usize;
        if header.kind == MessageType::Chunk {
            if chunks == 0 {
                (begin, cpu_begin) = (Instant::now(), cpu_seconds());
            }
            drop_bytes(&stream, &mut scratch, length)?;
            chunks += 1;
            bytes += length as u64;
            continue;
        }
        stream.read_exact(&mut scratch[..length])?;
        if let Message::Vouch { bytes } = Message::from_parts(&header, &scratch[..length])? {
            chunk_count = Vouch::decode(&bytes)?.end.map(|end| end.chunk_count);
        }
    }
    say(&json!({
        "event": "complete",
        "seconds": begin.elapsed().as_secs_f64(),
        "cpuSeconds": cpu_seconds() - cpu_begin,
        "cpuTotal": cpu_seconds(),
        "bytesHave": bytes,
    }))?;
    Ok(())
}

/// Throws away so many bytes without copying them out of the kernel. It looks again after a short
/// rest instead of sleeping in the socket: waking a sleeper would be work of the sender's, which a
/// reader on another machine does not cause, and with long rests the sender would do its
/// acknowledgements too.
fn drop_bytes(stream: &TcpStream, scratch: &mut [u8], mut bytes: usize) -> io::Result<()> {
    let flags = rustix::net::RecvFlags::TRUNC | rustix::net::RecvFlags::DONTWAIT;
    while bytes > 0 {
        let most = bytes.min(scratch.len());
        match rustix::net::recv(stream, &mut scratch[..most], flags) {
            Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((_, dropped)) => bytes -= dropped.min(bytes),
            Err(rustix::io::Errno::AGAIN) => std::thread::sleep(SINK_REST),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
