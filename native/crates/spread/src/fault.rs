//! What a peer can do wrong in a message that decodes.

use thiserror::Error;

/// Nonsense from a peer. The core has changed nothing; whoever drives it closes the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// A message on a link that the core does not know.
    #[error("the link is not known")]
    UnknownLink,
    /// An ATTACH for another assignment than this session's.
    #[error("another assignment is served here")]
    OtherAssignment,
    /// A strand beyond the limit of the protocol.
    #[error("strand {0} can not be")]
    Strand(u8),
    /// Ranges that are empty, descend, overlap or lie beyond the assignment's end.
    #[error("a range ends at {end} of {chunk_count} chunks, or is out of order")]
    Range {
        /// Where the range ends.
        end: u32,
        /// How many chunks there are.
        chunk_count: u32,
    },
    /// A count beyond the assignment's end.
    #[error("a count of {count} of {chunk_count} chunks")]
    Count {
        /// The count.
        count: u32,
        /// How many chunks there are.
        chunk_count: u32,
    },
    /// The same request over and over.
    #[error("asks for the same too often")]
    Flood,
    /// A message that has no place here: HELLO, VOUCH and CHUNK are the relay's.
    #[error("a message out of place")]
    OutOfPlace,
}

impl Fault {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownLink => "ENGINE_ERR_PEER_LINK",
            Self::OtherAssignment => "ENGINE_ERR_PEER_ASSIGNMENT",
            Self::Strand(_) => "ENGINE_ERR_PEER_STRAND",
            Self::Range { .. } | Self::Count { .. } => "ENGINE_ERR_PEER_RANGE",
            Self::Flood => "ENGINE_ERR_PEER_FLOOD",
            Self::OutOfPlace => "ENGINE_ERR_PEER_MESSAGE",
        }
    }
}
