//! What precedes each message: its type, length and two arguments.

use super::Refusal;
use crate::cursor::Reader;
use crate::error::{Fault, Part, WireError};
use crate::limits::{
    CHUNK_BYTES_MAX, CHUNK_COUNT_MAX, HAVE_RANGE_COUNT_MAX, NAME_BYTES_MAX, PEER_VERSION,
    PROBE_ARRIVAL_COUNT_MAX, PROBE_BYTES_MAX, PULL_RANGE_COUNT_MAX, REFUSE_TEXT_BYTES_MAX,
    STRAND_COUNT_MAX, STRAND_PULLED, TICKET_BYTES_MAX,
};
use crate::vouch::VOUCH_BYTES_MAX;

/// First two bytes of each message, as a little-endian number.
pub const MESSAGE_MAGIC: u16 = u16::from_le_bytes(*b"DS");
/// Bytes of a message header.
pub const MESSAGE_HEADER_BYTES: usize = 16;
pub(super) const FLAG_COMPLETE: u32 = 1;
pub(super) const FLAG_SLOW: u32 = 2;
const HELLO_FIXED_BYTES: usize = 24;
const ASSIGNMENT_BYTES: usize = 16;
pub(super) const RANGE_BYTES: usize = 8;
const STATUS_FIXED_BYTES: usize = 8;
pub(super) const ARRIVAL_BYTES: usize = 16;

/// Table of the message types: number, name, most bytes of payload.
macro_rules! message_types {
    ($($name:ident = $number:literal, $payload_max:expr, $doc:literal;)*) => {
        /// The type of a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum MessageType {
            $(#[doc = $doc] $name = $number,)*
        }

        impl MessageType {
            /// All types, ascending.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its number on the wire.
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)* }
            }

            /// The type with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Most bytes of its payload.
            pub const fn payload_bytes_max(self) -> usize {
                match self { $(Self::$name => $payload_max,)* }
            }
        }
    };
}

message_types! {
    Hello = 1, HELLO_FIXED_BYTES + NAME_BYTES_MAX + TICKET_BYTES_MAX, "Who is there.";
    Attach = 2, ASSIGNMENT_BYTES + RANGE_BYTES * HAVE_RANGE_COUNT_MAX, "A child asks to be served.";
    Detach = 3, 0, "A child no longer wants a strand.";
    Refuse = 4, REFUSE_TEXT_BYTES_MAX, "A parent will not serve.";
    Vouch = 5, VOUCH_BYTES_MAX, "Digests of chunks, signed.";
    Chunk = 6, CHUNK_BYTES_MAX as usize, "A chunk.";
    Pull = 7, RANGE_BYTES * PULL_RANGE_COUNT_MAX, "Chunks that are wanted.";
    Have = 8, RANGE_BYTES * HAVE_RANGE_COUNT_MAX, "Chunks that are there.";
    Status = 9, STATUS_FIXED_BYTES + 4 * STRAND_COUNT_MAX as usize, "How far a peer is.";
    Talk = 10, 0, "Whoever connected wants to speak of commands.";
    Probe = 11, 0, "Bytes follow that are there to be timed.";
    Probed = 12, ARRIVAL_BYTES * PROBE_ARRIVAL_COUNT_MAX, "When the bytes of a probe arrived.";
}

/// What precedes each message's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHeader {
    /// The type.
    pub kind: MessageType,
    /// Bytes of the payload.
    pub length: u32,
    /// First argument, by type.
    pub a: u32,
    /// Second argument, by type.
    pub b: u32,
}

impl MessageHeader {
    /// The header of a chunk: what a sender writes before it sends the chunk from a file.
    pub const fn chunk(index: u32, strand: u8, bytes: u32) -> Self {
        Self {
            kind: MessageType::Chunk,
            length: bytes,
            a: index,
            b: strand as u32,
        }
    }

    /// The header as bytes, without allocating.
    pub fn to_bytes(&self) -> [u8; MESSAGE_HEADER_BYTES] {
        let mut out = [0; MESSAGE_HEADER_BYTES];
        out[..2].copy_from_slice(&MESSAGE_MAGIC.to_le_bytes());
        out[2] = PEER_VERSION;
        out[3] = self.kind.number();
        out[4..8].copy_from_slice(&self.length.to_le_bytes());
        out[8..12].copy_from_slice(&self.a.to_le_bytes());
        out[12..].copy_from_slice(&self.b.to_le_bytes());
        out
    }

    /// The header as bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.to_bytes().to_vec()
    }

    /// Reads the first [`MESSAGE_HEADER_BYTES`] bytes and checks type, length and arguments.
    ///
    /// # Errors
    /// Of [`Part::Message`]; [`WireError::is_truncated`] when more bytes are needed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Part::Message, bytes);
        reader.magic(&MESSAGE_MAGIC.to_le_bytes())?;
        let version = reader.u8()?;
        if version != PEER_VERSION {
            return Err(reader.fail(Fault::Version(version)));
        }
        let number = reader.u8()?;
        let kind = MessageType::from_number(number);
        let kind = kind.ok_or(reader.fail(Fault::Type(u32::from(number))))?;
        let header = Self {
            kind,
            length: reader.u32()?,
            a: reader.u32()?,
            b: reader.u32()?,
        };
        header.check().map_err(|fault| reader.fail(fault))?;
        Ok(header)
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.length as usize > self.kind.payload_bytes_max() {
            return Err(Fault::Limit("payload size"));
        }
        match self.kind {
            MessageType::Hello
            | MessageType::Vouch
            | MessageType::Pull
            | MessageType::Have
            | MessageType::Talk
            | MessageType::Probed => {
                if self.a == 0 && self.b == 0 {
                    Ok(())
                } else {
                    Err(Fault::Reserved)
                }
            }
            MessageType::Attach => {
                strand_of(self.a)?;
                chunk_count(self.b)
            }
            MessageType::Detach => {
                strand_of(self.a)?;
                if self.b == 0 {
                    Ok(())
                } else {
                    Err(Fault::Reserved)
                }
            }
            MessageType::Refuse => {
                Refusal::from_number(self.a).ok_or(Fault::Type(self.a))?;
                strand_of(self.b).map(|_| ())
            }
            MessageType::Chunk => {
                strand_of(self.b)?;
                if self.length == 0 {
                    return Err(Fault::Value("chunk length"));
                }
                if self.a < CHUNK_COUNT_MAX {
                    Ok(())
                } else {
                    Err(Fault::Limit("chunk count"))
                }
            }
            MessageType::Probe => {
                if self.b != 0 {
                    return Err(Fault::Reserved);
                }
                match self.a {
                    0 => Err(Fault::Value("probe size")),
                    bytes if bytes > PROBE_BYTES_MAX => Err(Fault::Limit("probe size")),
                    _ => Ok(()),
                }
            }
            MessageType::Status => {
                chunk_count(self.a)?;
                if self.b & !(FLAG_COMPLETE | FLAG_SLOW) == 0 {
                    Ok(())
                } else {
                    Err(Fault::Reserved)
                }
            }
        }
    }
}

pub(super) fn strand_of(number: u32) -> Result<u8, Fault> {
    match u8::try_from(number) {
        Ok(strand) if strand < STRAND_COUNT_MAX || strand == STRAND_PULLED => Ok(strand),
        _ => Err(Fault::Value("strand")),
    }
}

pub(super) const fn chunk_count(count: u32) -> Result<(), Fault> {
    if count <= CHUNK_COUNT_MAX {
        Ok(())
    } else {
        Err(Fault::Limit("chunk count"))
    }
}
