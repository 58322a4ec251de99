//! What carrying a message costs beside its own bytes.

/// Payload of a full packet: 1,500 bytes less IPv4 (20), TCP (20) and its timestamps (12).
const SEGMENT_BYTES: u64 = 1448;
/// What is around a packet's payload: Ethernet (14), IPv4, TCP and its timestamps.
const HEADER_BYTES: u64 = 66;
/// Segments that one acknowledgement answers. Every second one has to be (RFC 5681, section 4.2),
/// but Linux waits for its reader where the window would not grow, and a relay reads every 2 ms: at
/// 100 Mbit/s its acknowledgements came to 0.5 percent of what it received.
const SEGMENTS_PER_ACK: u64 = 8;
/// Segments that a new connection may have under way (RFC 6928).
const FIRST_WINDOW_SEGMENTS: u64 = 10;

/// How messages are carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// As they are: what links allow, and nothing else.
    #[default]
    Fluid,
    /// In packets with headers, acknowledged by packets that share the way back, and by a
    /// connection that may have twice as much under way after each round trip, up to what its
    /// sockets hold. A congestion control that paces at the rate of the narrowest link, as BBR
    /// does, then loses nothing and leaves queues short: neither is modelled.
    Tcp,
}

impl Transport {
    /// What a message takes up on a link.
    pub(crate) fn wire_bytes(self, bytes: u64) -> u64 {
        match self {
            Self::Fluid => bytes,
            Self::Tcp => bytes + bytes.div_ceil(SEGMENT_BYTES).max(1) * HEADER_BYTES,
        }
    }

    /// What acknowledging a message takes up on the way back.
    pub(crate) fn ack_bytes(self, wire_bytes: u64) -> u64 {
        let full = (SEGMENT_BYTES + HEADER_BYTES) * SEGMENTS_PER_ACK;
        match self {
            Self::Fluid => 0,
            Self::Tcp => wire_bytes.div_ceil(full) * HEADER_BYTES,
        }
    }

    /// What a new connection may have under way.
    pub(crate) fn first_window_bytes(self) -> u64 {
        match self {
            Self::Fluid => u64::MAX,
            Self::Tcp => FIRST_WINDOW_SEGMENTS * (SEGMENT_BYTES + HEADER_BYTES),
        }
    }
}

/// Round trips, beside the last one, that a message takes over a window which doubles in each.
pub(crate) fn waits_for_window(bytes: u64, window_bytes: u64) -> u64 {
    let mut waits = 0;
    let mut allowed = window_bytes.max(1);
    let mut left = bytes;
    while left > allowed {
        left -= allowed;
        allowed = allowed.saturating_mul(2);
        waits += 1;
    }
    waits
}
