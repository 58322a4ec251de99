//! What can be wrong with bytes that claim to be one of the formats.

use thiserror::Error;

/// The format in which something was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum Part {
    #[error("assignment header")]
    Header,
    #[error("list of steps")]
    Steps,
    #[error("section header")]
    Section,
    #[error("assignment trailer")]
    Trailer,
    #[error("tree")]
    Tree,
    #[error("vouch")]
    Vouch,
    #[error("peer message")]
    Message,
}

/// What was wrong. Text parts are names of fields, constant and safe for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes end before the format does. A reader of a stream may wait for more.
    #[error("ends too early")]
    Truncated,
    /// The format ends before the bytes do.
    #[error("has bytes after its end")]
    Trailing,
    /// The first bytes are those of something else.
    #[error("does not begin with its mark")]
    Magic,
    /// A version that this program does not know.
    #[error("has the unknown version {0}")]
    Version(u8),
    /// A type, kind or code that this program does not know.
    #[error("has the unknown type {0}")]
    Type(u32),
    /// Reserved bits or bytes that are not zero.
    #[error("has reserved bits set")]
    Reserved,
    /// A field beyond its limit.
    #[error("is beyond the limit of {0}")]
    Limit(&'static str),
    /// A field whose value can not be, alone or beside another.
    #[error("has an impossible {0}")]
    Value(&'static str),
    /// A path that would lead out of the root, or is not in its one normal form.
    #[error("has a path that is absolute, not normal or leads out of the root")]
    PathEscapes,
    /// Things that must ascend or descend do not.
    #[error("is not in order: {0}")]
    Order(&'static str),
    /// A step that can not be done in the tree it was given.
    #[error("does not fit its base: {0}")]
    Misfit(&'static str),
    /// A digest over the bytes that does not match them.
    #[error("does not match its digest")]
    Digest,
    /// A signature that the given key did not make over these bytes.
    #[error("is not signed by the coordinator")]
    Signature,
}

/// Bytes were refused: which format, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{part} {fault}")]
pub struct WireError {
    /// The format that was read.
    pub part: Part,
    /// What was wrong with it.
    pub fault: Fault,
}

impl WireError {
    /// Names a fault of a format.
    pub const fn new(part: Part, fault: Fault) -> Self {
        Self { part, fault }
    }

    /// Whether more bytes could make it right: a reader of a growing stream waits for them.
    pub const fn is_truncated(&self) -> bool {
        matches!(self.fault, Fault::Truncated)
    }

    /// The stable code of the error table.
    pub const fn code(&self) -> &'static str {
        match (self.part, self.fault) {
            (Part::Header | Part::Steps | Part::Tree, Fault::PathEscapes) => {
                "ENGINE_ERR_PATH_ESCAPES"
            }
            (Part::Header | Part::Steps | Part::Section | Part::Trailer, _) => {
                "ENGINE_ERR_ASSIGNMENT_CORRUPT"
            }
            (Part::Tree, _) => "ENGINE_ERR_TREE_CORRUPT",
            (Part::Vouch, _) => "ENGINE_ERR_VOUCH_INVALID",
            (Part::Message, _) => "ENGINE_ERR_PEER_MESSAGE",
        }
    }
}
