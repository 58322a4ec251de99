//! One connection of a session: its socket, what is being read and written, how fast it is.

use mio::net::TcpStream;
use spread::{LinkId, Peer};
use wire::NodeId;
use wire::peer::MessageHeader;

use crate::addresses::Place;
use crate::control::Control;
use crate::limits::{
    CARRIED_SPANS, FAST_BITS_PER_SECOND, FAST_WINDOW_MS, FED_SPANS, PACE_PARTS, PACE_RATIO,
    PACE_SPANS, PACED_BITS_PER_SECOND, PACED_BITS_PER_SECOND_MIN, UNSENT_FIRST_BYTES,
    UNSENT_LONG_BYTES_MAX, UNSENT_LONG_MS,
};
use crate::reader::Reader;
use crate::socket::{self, Depth, Flow};
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
    /// What the socket is held to; None: nothing.
    pace_bps: Option<u64>,
    control: Control,
    _place: Option<Place>,
}

/// Bytes sent in the present span of time.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// None: nothing was sent yet.
    start_ms: Option<u64>,
    bytes: u64,
    /// Rate of the last whole span.
    last_bps: u64,
    /// The most of late: with nothing to send it falls by a part each span.
    most_bps: u64,
    /// Whole spans in which it carried something worth pacing.
    spans: u32,
    /// There was room for more than there was to send, in the present span.
    waits: bool,
    /// Spans in a row in which it was so; below 0: in which it was not.
    waited_spans: i32,
}

impl Window {
    /// Counts; true at the end of a span.
    fn add(&mut self, bytes: u64, now_ms: u64) -> bool {
        let start_ms = *self.start_ms.get_or_insert(now_ms);
        self.bytes += bytes;
        let span_ms = now_ms.saturating_sub(start_ms);
        if span_ms < FAST_WINDOW_MS {
            return false;
        }
        let last_bps = self.bytes * 8000 / span_ms;
        *self = Self {
            start_ms: Some(now_ms),
            bytes: 0,
            last_bps,
            most_bps: last_bps.max(self.most_bps - self.most_bps / CARRIED_SPANS),
            spans: self.spans
                + u32::from(self.spans < PACE_SPANS && last_bps >= PACED_BITS_PER_SECOND_MIN / 2),
            waits: false,
            waited_spans: if self.waits {
                self.waited_spans.max(0) + 1
            } else {
                self.waited_spans.min(0) - 1
            },
        };
        true
    }

    /// What the socket of a long link may hold unsent.
    fn unsent_bytes(&self) -> u32 {
        let bytes = u32::try_from(self.most_bps / 8000 * UNSENT_LONG_MS).unwrap_or(u32::MAX);
        bytes.clamp(UNSENT_FIRST_BYTES, UNSENT_LONG_BYTES_MAX)
    }

    /// Nobody knows yet whether it is slow.
    fn is_new(&self) -> bool {
        self.spans < PACE_SPANS
    }

    fn is_slow(&self) -> bool {
        !self.is_new() && self.most_bps < PACED_BITS_PER_SECOND
    }

    /// It has carried all that there is for it for a while.
    fn is_fed(&self) -> bool {
        self.waited_spans >= FED_SPANS && !self.is_new() && !self.is_slow()
    }

    /// There has been more for it than it carries for as long.
    fn is_behind(&self) -> bool {
        self.waited_spans <= -FED_SPANS
    }

    /// What a slow link is paced at; None: it is not slow, or nobody knows yet.
    fn pace_bps(&self) -> Option<u64> {
        let pace_bps = (self.most_bps * PACE_RATIO).max(PACED_BITS_PER_SECOND_MIN);
        self.is_slow().then_some(pace_bps)
    }
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
            pace_bps: None,
            control: Control::default(),
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
        self.depth == Depth::Long
    }

    /// There is room for more than there is to send.
    pub(crate) fn note_waiting(&mut self) {
        self.window.waits = true;
    }

    /// Counts what was sent: a link that proves fast gets deep buffers, a long one what it needs.
    pub(crate) fn count_sent(&mut self, bytes: u64, now_ms: u64) {
        if !self.window.add(bytes, now_ms) {
            return;
        }
        match self.depth {
            Depth::Shallow | Depth::Fed if self.window.last_bps > FAST_BITS_PER_SECOND => {
                socket::deepen(&self.stream);
                self.depth = Depth::Deep;
            }
            Depth::Shallow if self.window.is_fed() => {
                self.limit_held(Depth::Fed);
            }
            Depth::Fed if self.window.is_behind() => {
                self.limit_held(Depth::Shallow);
            }
            Depth::Long => socket::limit_unsent(&self.stream, self.window.unsent_bytes()),
            Depth::Shallow | Depth::Fed | Depth::Deep => {}
        }
        self.pace();
        self.control.keep_going(&self.stream, now_ms);
    }

    fn limit_held(&mut self, depth: Depth) {
        socket::limit_held(&self.stream, depth);
        self.depth = depth;
    }

    /// What went out by it, and how long it was busy with that.
    pub(crate) fn flow(&mut self) -> Flow {
        self.control.look(&self.stream)
    }

    /// Holds the socket of a slow link to some times what it carries: after a pause a shaper lets a
    /// burst through at once, and who takes that for its rate sends far more than it queues.
    fn pace(&mut self) {
        let pace_bps = self.window.pace_bps();
        let is_near = |(own, new): (u64, u64)| own.abs_diff(new) < own / PACE_PARTS;
        if pace_bps == self.pace_bps || self.pace_bps.zip(pace_bps).is_some_and(is_near) {
            return;
        }
        self.pace_bps = pace_bps;
        socket::limit_pace(&self.stream, pace_bps);
    }

    /// A link that may turn out to be fast, if nobody rests.
    pub(crate) fn may_be_fast(&self, now_ms: u64) -> bool {
        matches!(self.depth, Depth::Shallow | Depth::Fed)
            && self.window.last_bps > FAST_BITS_PER_SECOND / 2
            && now_ms.saturating_sub(self.window.start_ms.unwrap_or(now_ms)) < 2 * FAST_WINDOW_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window after a second of sending at a rate.
    fn after_a_second_of(mbit: u64) -> Window {
        let mut window = Window::default();
        window.add(0, 0);
        for span in 1..=10 {
            window.add(mbit * 12_500, span * FAST_WINDOW_MS);
        }
        window
    }

    #[test]
    fn a_long_link_holds_unsent_what_it_carries_in_a_tenth_of_a_second() {
        assert_eq!(after_a_second_of(0).unsent_bytes(), UNSENT_FIRST_BYTES);
        assert_eq!(after_a_second_of(2).unsent_bytes(), 25_000);
        assert_eq!(after_a_second_of(20).unsent_bytes(), 250_000);
        let fast = after_a_second_of(10_000);
        assert_eq!(fast.unsent_bytes(), UNSENT_LONG_BYTES_MAX);
    }

    #[test]
    fn a_slow_link_is_paced_at_twice_what_it_carries_and_no_other() {
        assert_eq!(after_a_second_of(0).pace_bps(), None);
        assert_eq!(
            after_a_second_of(1).pace_bps(),
            Some(PACED_BITS_PER_SECOND_MIN)
        );
        assert_eq!(after_a_second_of(4).pace_bps(), Some(8_000_000));
        assert_eq!(after_a_second_of(20).pace_bps(), None);
        let mut new = Window::default();
        new.add(0, 0);
        new.add(50_000, FAST_WINDOW_MS);
        assert_eq!(new.pace_bps(), None);
    }

    #[test]
    fn a_link_is_fed_when_it_waits_and_is_known_not_to_be_slow() {
        let fed = |mbit: u64, spans: i32, waits| {
            let mut window = after_a_second_of(mbit);
            for span in 1..=u64::from(spans.unsigned_abs()) {
                window.waits = waits;
                window.add(mbit * 12_500, (10 + span) * FAST_WINDOW_MS);
            }
            window
        };
        assert!(fed(100, FED_SPANS, true).is_fed());
        assert!(!fed(100, FED_SPANS - 1, true).is_fed(), "for a moment");
        assert!(!fed(4, FED_SPANS, true).is_fed());
        assert!(!fed(100, FED_SPANS, false).is_fed());
        assert!(
            fed(100, FED_SPANS, false).is_behind(),
            "there is always more for it"
        );
        let mut slack = fed(100, FED_SPANS, true);
        slack.add(0, 1000 * FAST_WINDOW_MS);
        assert!(!slack.is_behind(), "for a moment");
    }

    #[test]
    fn a_pause_of_a_span_leaves_a_long_link_most_of_what_it_may_hold() {
        let mut window = after_a_second_of(20);
        window.add(0, 11 * FAST_WINDOW_MS);
        let unsent_bytes = window.unsent_bytes();
        assert!(unsent_bytes > 200_000, "{unsent_bytes}");
        for span in 12..=40 {
            window.add(0, span * FAST_WINDOW_MS);
        }
        assert_eq!(window.unsent_bytes(), UNSENT_FIRST_BYTES);
    }
}
