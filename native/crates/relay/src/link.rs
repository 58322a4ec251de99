//! One connection of a session: its socket, what is being read and written, how fast it is.

use mio::net::TcpStream;
use spread::{LinkId, Peer};
use wire::NodeId;
use wire::peer::MessageHeader;

use crate::addresses::Place;
use crate::limits::{FAST_BITS_PER_SECOND, FAST_WINDOW_MS};
use crate::reader::Reader;
use crate::socket::{self, Depth};
use crate::writer::Writer;

/// How far a link has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// We called; no answer yet.
    Connecting { peer: Peer, deadline_ms: u64 },
    /// Connected; the other side has not said who it is.
    Greeting { peer: Peer, deadline_ms: u64 },
    /// Both know each other.
    Up,
}

/// The chunk whose body is being received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arriving {
    pub(crate) index: u32,
    pub(crate) strand: u8,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) stream: TcpStream,
    pub(crate) node: NodeId,
    pub(crate) stage: Stage,
    /// The other side called: it may be served.
    pub(crate) incoming: bool,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    /// The message whose payload is being received.
    pub(crate) header: Option<MessageHeader>,
    pub(crate) arriving: Option<Arriving>,
    /// The socket took all it was given last; nothing is known to the contrary.
    pub(crate) writable: bool,
    /// Digests that the other side has, as far as it said or was told; none: it is not served.
    pub(crate) vouched: Option<u32>,
    /// We asked it for chunks, by ATTACH or PULL: only then may it send any.
    pub(crate) asked: bool,
    /// Bytes of chunks that were here already, less those of chunks that were not.
    pub(crate) useless_bytes: u64,
    depth: Depth,
    window: Window,
    _place: Option<Place>,
}

/// Bytes sent in the present span of time.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    start_ms: u64,
    bytes: u64,
    /// Rate of the last whole span.
    last_bps: u64,
}

impl Link {
    pub(crate) fn new(
        id: LinkId,
        stream: TcpStream,
        node: NodeId,
        stage: Stage,
        place: Option<Place>,
    ) -> Self {
        Self {
            id,
            stream,
            node,
            incoming: place.is_some(),
            writable: matches!(stage, Stage::Up),
            stage,
            reader: Reader::default(),
            writer: Writer::default(),
            header: None,
            arriving: None,
            vouched: None,
            asked: false,
            useless_bytes: 0,
            depth: Depth::Shallow,
            window: Window::default(),
            _place: place,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Up)
    }

    /// Tunes the socket, which is connected.
    pub(crate) fn tune(&mut self) {
        if let Ok(remote) = self.stream.peer_addr() {
            self.depth = socket::tune(&self.stream, remote.ip());
        }
    }

    /// Whether a new connection has a long way to go.
    pub(crate) fn is_far(&self) -> bool {
        self.depth == Depth::Deep
    }

    /// Counts what was sent; a link that has proven fast gets deep buffers.
    pub(crate) fn count_sent(&mut self, bytes: u64, now_ms: u64) {
        self.window.bytes += bytes;
        let span_ms = now_ms.saturating_sub(self.window.start_ms);
        if span_ms < FAST_WINDOW_MS {
            return;
        }
        let last_bps = self.window.bytes * 8000 / span_ms;
        self.window = Window {
            start_ms: now_ms,
            bytes: 0,
            last_bps,
        };
        if self.depth == Depth::Shallow && last_bps > FAST_BITS_PER_SECOND {
            socket::deepen(&self.stream);
            self.depth = Depth::Deep;
        }
    }

    /// A link that may turn out to be fast, if nobody rests.
    pub(crate) fn may_be_fast(&self, now_ms: u64) -> bool {
        self.depth == Depth::Shallow
            && self.window.last_bps > FAST_BITS_PER_SECOND / 2
            && now_ms.saturating_sub(self.window.start_ms) < 2 * FAST_WINDOW_MS
    }
}
