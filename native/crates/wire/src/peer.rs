//! Messages between peers, over TCP.
//!
//! ```text
//! 0   magic   u16   0x5344, "DS"
//! 2   version u8    1
//! 3   type    u8
//! 4   length  u32   bytes of the payload that follows
//! 8   a       u32   by type
//! 12  b       u32   by type
//!
//! type       a           b              payload
//! 1 HELLO    0           0              role u8 | reserved 3 | node 16 | name_bytes u16 | name
//!                                       | ticket_bytes u16 | ticket
//! 2 ATTACH   strand      vouched_count  assignment 16 | (start u32 | end u32)*
//! 3 DETACH   strand      0
//! 4 REFUSE   reason      strand         text, UTF-8
//! 5 VOUCH    0           0              one vouch, see `vouch`
//! 6 CHUNK    index       strand         the chunk
//! 7 PULL     0           0              (start u32 | end u32)*, at least one
//! 8 HAVE     0           0              (start u32 | end u32)*
//! 9 STATUS   have_count  flags          vouched_count u32 | backlog u32 | log_length u32 *
//! 10 TALK    0           0
//! 11 PROBE   bytes       0
//! 12 PROBED  0           0              (bytes u64 | at_ns u64)*
//! ```
//! Both ends send HELLO first; the child, who connected, then sends ATTACH. A connection serves
//! the assignment of its first ATTACH and no other. One that sends TALK instead is no child: what
//! follows on the connection is no message; nor is what follows a PROBE, up to so many bytes, until
//! its sender shuts its end and is answered by PROBED. Ranges are half-open, ascend and do not
//! overlap. Whatever breaks these rules ends the connection.

use std::ops::Range;

use crate::cursor::{Reader, count32, put_bytes16};
use crate::error::{Fault, Part, WireError};
use crate::limits::{
    HAVE_RANGE_COUNT_MAX, NAME_BYTES_MAX, PROBE_ARRIVAL_COUNT_MAX, PROBE_BYTES_MAX,
    PULL_RANGE_COUNT_MAX, REFUSE_TEXT_BYTES_MAX, STRAND_COUNT_MAX, TICKET_BYTES_MAX,
};
use crate::vouch::VOUCH_BYTES_MAX;
use crate::{AssignmentId, NodeId};

mod header;

use header::{ARRIVAL_BYTES, FLAG_COMPLETE, FLAG_SLOW, RANGE_BYTES, chunk_count, strand_of};
pub use header::{MESSAGE_HEADER_BYTES, MESSAGE_MAGIC, MessageHeader, MessageType};

/// What the process at the other end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerRole {
    /// The coordinator: the source.
    Coordinator,
    /// A node.
    Node,
}

/// Why a peer does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has no session for the assignment: try again later or elsewhere.
    UnknownAssignment,
    /// It serves as many as it can.
    Full,
    /// It does not know the version, type or form of what was sent.
    Malformed,
    /// The ticket does not allow it.
    Ticket,
    /// It is being closed.
    Closing,
    /// Serving would close a circle.
    Circle,
    /// It does not have what was pulled.
    NotHeld,
}

impl Refusal {
    const ALL: [Self; 7] = [
        Self::UnknownAssignment,
        Self::Full,
        Self::Malformed,
        Self::Ticket,
        Self::Closing,
        Self::Circle,
        Self::NotHeld,
    ];

    /// Its number on the wire.
    pub const fn number(self) -> u32 {
        match self {
            Self::UnknownAssignment => 1,
            Self::Full => 2,
            Self::Malformed => 3,
            Self::Ticket => 4,
            Self::Closing => 5,
            Self::Circle => 6,
            Self::NotHeld => 7,
        }
    }

    /// The reason with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|refusal| refusal.number() == number)
    }
}

/// So many bytes of a probe had arrived by a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeArrival {
    /// Since the first.
    pub bytes: u64,
    /// By the receiver's clock, since the probe began.
    pub at_ns: u64,
}

/// One message. Texts and lists beyond their limits are cut when it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Who is there; the first message in each direction.
    Hello {
        /// What the sender is.
        role: PeerRole,
        /// The sender.
        node: NodeId,
        /// The sender's name, for logs.
        name: String,
        /// What allows it; empty until identities exist.
        ticket: Vec<u8>,
    },
    /// A child asks its parent for a strand, or, with [`crate::limits::STRAND_PULLED`], to pull.
    Attach {
        /// Of which assignment.
        assignment: AssignmentId,
        /// Which strand.
        strand: u8,
        /// Chunks whose digests the child has: vouches are wanted from there on.
        vouched_count: u32,
        /// Chunks that the child has; it may say more by HAVE.
        have: Vec<Range<u32>>,
    },
    /// A child no longer wants a strand.
    Detach {
        /// Which strand.
        strand: u8,
    },
    /// A parent will not serve.
    Refuse {
        /// Why.
        reason: Refusal,
        /// Which strand; [`crate::limits::STRAND_PULLED`] when it is about none.
        strand: u8,
        /// One line for a log.
        text: String,
    },
    /// A vouch as the coordinator made it, see [`crate::vouch::Vouch`].
    Vouch {
        /// One encoded vouch.
        bytes: Vec<u8>,
    },
    /// A chunk follows. Its bytes are not part of the message: they are received where they are
    /// to be stored.
    Chunk {
        /// Which chunk.
        index: u32,
        /// By which strand it goes; [`crate::limits::STRAND_PULLED`]: who sends it does not know.
        strand: u8,
        /// Length of the chunk.
        bytes: u32,
    },
    /// Exactly these chunks are wanted.
    Pull {
        /// At least one range, at most [`PULL_RANGE_COUNT_MAX`].
        ranges: Vec<Range<u32>>,
    },
    /// The sender has these chunks, beside those it named before.
    Have {
        /// At most [`HAVE_RANGE_COUNT_MAX`] ranges.
        ranges: Vec<Range<u32>>,
    },
    /// How far the sender is.
    Status {
        /// Chunks it has.
        have_count: u32,
        /// Chunks it has digests of.
        vouched_count: u32,
        /// Longest queue to a healthy child, its own or one that its children report, in chunks.
        backlog: u32,
        /// Whether it has everything.
        complete: bool,
        /// Whether its own link is known to be slow, so that nobody waits for it.
        slow: bool,
        /// For each strand, how many chunks came by it.
        log_lengths: Vec<u32>,
    },
    /// Whoever connected wants to speak of commands: the last message of its connection.
    Talk,
    /// Whoever connected sends bytes to be timed, shuts its end, and waits for the answer: the last
    /// message of the caller.
    Probe {
        /// At most so many follow, from 1 to [`crate::limits::PROBE_BYTES_MAX`].
        bytes: u32,
    },
    /// When the bytes of a probe arrived: the last message of the connection.
    Probed {
        /// Ascending, at most [`PROBE_ARRIVAL_COUNT_MAX`]; none where nothing came.
        arrivals: Vec<ProbeArrival>,
    },
}

impl Message {
    /// The message's type.
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Hello { .. } => MessageType::Hello,
            Self::Attach { .. } => MessageType::Attach,
            Self::Detach { .. } => MessageType::Detach,
            Self::Refuse { .. } => MessageType::Refuse,
            Self::Vouch { .. } => MessageType::Vouch,
            Self::Chunk { .. } => MessageType::Chunk,
            Self::Pull { .. } => MessageType::Pull,
            Self::Have { .. } => MessageType::Have,
            Self::Status { .. } => MessageType::Status,
            Self::Talk => MessageType::Talk,
            Self::Probe { .. } => MessageType::Probe,
            Self::Probed { .. } => MessageType::Probed,
        }
    }

    /// Header and payload as bytes; of a chunk the header alone.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; MESSAGE_HEADER_BYTES];
        let (a, b) = self.arguments();
        self.encode_payload(&mut out);
        let length = match self {
            Self::Chunk { bytes, .. } => *bytes,
            _ => count32(out.len() - MESSAGE_HEADER_BYTES),
        };
        let header = MessageHeader {
            kind: self.kind(),
            length,
            a,
            b,
        };
        out[..MESSAGE_HEADER_BYTES].copy_from_slice(&header.to_bytes());
        out
    }

    fn arguments(&self) -> (u32, u32) {
        match self {
            Self::Attach {
                strand,
                vouched_count,
                ..
            } => (u32::from(*strand), *vouched_count),
            Self::Detach { strand } => (u32::from(*strand), 0),
            Self::Refuse { reason, strand, .. } => (reason.number(), u32::from(*strand)),
            Self::Chunk { index, strand, .. } => (*index, u32::from(*strand)),
            Self::Probe { bytes } => (*bytes, 0),
            Self::Status {
                have_count,
                complete,
                slow,
                ..
            } => {
                let flags = [(*complete, FLAG_COMPLETE), (*slow, FLAG_SLOW)];
                let set = flags.iter().filter(|(is_set, _)| *is_set);
                (*have_count, set.fold(0, |all, (_, flag)| all | flag))
            }
            _ => (0, 0),
        }
    }

    fn encode_payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello {
                role,
                node,
                name,
                ticket,
            } => {
                let role = match role {
                    PeerRole::Coordinator => 1,
                    PeerRole::Node => 2,
                };
                out.extend_from_slice(&[role, 0, 0, 0]);
                out.extend_from_slice(node);
                put_bytes16(out, cut_text(name, NAME_BYTES_MAX), NAME_BYTES_MAX);
                put_bytes16(out, ticket, TICKET_BYTES_MAX);
            }
            Self::Attach {
                assignment, have, ..
            } => {
                out.extend_from_slice(assignment);
                put_ranges(out, have, HAVE_RANGE_COUNT_MAX);
            }
            Self::Refuse { text, .. } => {
                out.extend_from_slice(cut_text(text, REFUSE_TEXT_BYTES_MAX));
            }
            Self::Vouch { bytes } => {
                out.extend_from_slice(bytes.get(..VOUCH_BYTES_MAX).unwrap_or(bytes));
            }
            Self::Pull { ranges } => put_ranges(out, ranges, PULL_RANGE_COUNT_MAX),
            Self::Have { ranges } => put_ranges(out, ranges, HAVE_RANGE_COUNT_MAX),
            Self::Status {
                vouched_count,
                backlog,
                log_lengths,
                ..
            } => {
                out.extend_from_slice(&vouched_count.to_le_bytes());
                out.extend_from_slice(&backlog.to_le_bytes());
                for length in log_lengths.iter().take(usize::from(STRAND_COUNT_MAX)) {
                    out.extend_from_slice(&length.to_le_bytes());
                }
            }
            Self::Probed { arrivals } => {
                for arrival in arrivals.iter().take(PROBE_ARRIVAL_COUNT_MAX) {
                    out.extend_from_slice(&arrival.bytes.to_le_bytes());
                    out.extend_from_slice(&arrival.at_ns.to_le_bytes());
                }
            }
            Self::Detach { .. } | Self::Chunk { .. } | Self::Talk | Self::Probe { .. } => {}
        }
    }

    /// Reads one message that is all of `bytes`; of a chunk the header alone.
    ///
    /// # Errors
    /// Of [`Part::Message`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let header = MessageHeader::decode(bytes)?;
        let payload = bytes.get(MESSAGE_HEADER_BYTES..).unwrap_or_default();
        Self::from_parts(&header, payload)
    }

    /// Makes a message of a decoded header and its payload: `header.length` bytes, or none for a
    /// chunk. This is what an incremental reader calls.
    ///
    /// # Errors
    /// Of [`Part::Message`].
    pub fn from_parts(header: &MessageHeader, payload: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Part::Message, payload);
        header.check().map_err(|fault| reader.fail(fault))?;
        if header.kind != MessageType::Chunk && payload.len() < header.length as usize {
            return Err(reader.fail(Fault::Truncated));
        }
        if header.kind != MessageType::Chunk && payload.len() > header.length as usize {
            return Err(reader.fail(Fault::Trailing));
        }
        let message = Self::read(header, &mut reader)?;
        reader.end()?;
        Ok(message)
    }

    fn read(header: &MessageHeader, reader: &mut Reader) -> Result<Self, WireError> {
        let MessageHeader { a, b, length, .. } = *header;
        let strand = |number| strand_of(number).map_err(|f| WireError::new(Part::Message, f));
        Ok(match header.kind {
            MessageType::Hello => read_hello(reader)?,
            MessageType::Attach => Self::Attach {
                assignment: reader.array()?,
                strand: strand(a)?,
                vouched_count: b,
                have: read_ranges(reader)?,
            },
            MessageType::Detach => Self::Detach { strand: strand(a)? },
            MessageType::Refuse => Self::Refuse {
                reason: Refusal::from_number(a).ok_or(reader.fail(Fault::Type(a)))?,
                strand: strand(b)?,
                text: read_text(reader, length as usize)?,
            },
            MessageType::Vouch => Self::Vouch {
                bytes: reader.take(length as usize)?.to_vec(),
            },
            MessageType::Chunk => Self::Chunk {
                index: a,
                strand: strand(b)?,
                bytes: length,
            },
            MessageType::Pull => match read_ranges(reader)? {
                ranges if ranges.is_empty() => return Err(reader.fail(Fault::Value("ranges"))),
                ranges => Self::Pull { ranges },
            },
            MessageType::Have => Self::Have {
                ranges: read_ranges(reader)?,
            },
            MessageType::Status => read_status(header, reader)?,
            MessageType::Talk => Self::Talk,
            MessageType::Probe => Self::Probe { bytes: a },
            MessageType::Probed => read_probed(reader)?,
        })
    }
}

fn read_hello(reader: &mut Reader) -> Result<Message, WireError> {
    let role = match reader.u8()? {
        1 => PeerRole::Coordinator,
        2 => PeerRole::Node,
        other => return Err(reader.fail(Fault::Type(u32::from(other)))),
    };
    reader.reserved(3)?;
    let node = reader.array()?;
    let name_bytes = usize::from(reader.u16()?);
    if name_bytes > NAME_BYTES_MAX {
        return Err(reader.fail(Fault::Limit("name")));
    }
    let name = read_text(reader, name_bytes)?;
    let ticket = reader.bytes16(TICKET_BYTES_MAX, "ticket")?.to_vec();
    Ok(Message::Hello {
        role,
        node,
        name,
        ticket,
    })
}

fn read_status(header: &MessageHeader, reader: &mut Reader) -> Result<Message, WireError> {
    let vouched_count = reader.u32()?;
    chunk_count(vouched_count).map_err(|fault| reader.fail(fault))?;
    let backlog = reader.u32()?;
    let mut log_lengths = Vec::with_capacity(reader.left() / 4);
    while reader.left() > 0 {
        log_lengths.push(reader.u32()?);
    }
    Ok(Message::Status {
        have_count: header.a,
        vouched_count,
        backlog,
        complete: header.b & FLAG_COMPLETE != 0,
        slow: header.b & FLAG_SLOW != 0,
        log_lengths,
    })
}

/// Reads arrivals to the end of the payload, whose length bounds them.
fn read_probed(reader: &mut Reader) -> Result<Message, WireError> {
    let mut arrivals: Vec<ProbeArrival> = Vec::with_capacity(reader.left() / ARRIVAL_BYTES);
    while reader.left() > 0 {
        let (bytes, at_ns) = (reader.u64()?, reader.u64()?);
        let is_next = |last: &ProbeArrival| bytes > last.bytes && at_ns >= last.at_ns;
        if !arrivals.last().is_none_or(is_next) {
            return Err(reader.fail(Fault::Order("arrivals")));
        }
        if bytes > u64::from(PROBE_BYTES_MAX) {
            return Err(reader.fail(Fault::Limit("probe size")));
        }
        arrivals.push(ProbeArrival { bytes, at_ns });
    }
    Ok(Message::Probed { arrivals })
}

fn read_text(reader: &mut Reader, count: usize) -> Result<String, WireError> {
    let text = std::str::from_utf8(reader.take(count)?);
    Ok(text
        .map_err(|_| reader.fail(Fault::Value("text")))?
        .to_owned())
}

/// Reads ranges to the end of the payload, whose length bounds them.
fn read_ranges(reader: &mut Reader) -> Result<Vec<Range<u32>>, WireError> {
    let mut ranges = Vec::with_capacity(reader.left() / RANGE_BYTES);
    let mut last = 0;
    while reader.left() > 0 {
        let (start, end) = (reader.u32()?, reader.u32()?);
        if start < last {
            return Err(reader.fail(Fault::Order("ranges")));
        }
        if start >= end {
            return Err(reader.fail(Fault::Value("range")));
        }
        chunk_count(end).map_err(|fault| reader.fail(fault))?;
        last = end;
        ranges.push(start..end);
    }
    Ok(ranges)
}

fn put_ranges(out: &mut Vec<u8>, ranges: &[Range<u32>], max: usize) {
    for range in ranges.iter().take(max) {
        out.extend_from_slice(&range.start.to_le_bytes());
        out.extend_from_slice(&range.end.to_le_bytes());
    }
}

/// The longest beginning of a text that is whole characters and at most `max` bytes.
fn cut_text(text: &str, max: usize) -> &[u8] {
    let whole = (0..=max.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    text.as_bytes()
        .get(..whole.unwrap_or(0))
        .unwrap_or_default()
}
