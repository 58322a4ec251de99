//! The assignment: the immutable package that carries one command to the nodes.
//!
//! ```text
//! Header | steps, zstd, steps_packed_bytes | (section header 32 | its bytes)* | Trailer
//!
//! Header                                  Section header
//! 0    magic "DSTASN01"     8             0   kind u8 (1 plain, 2 zstd, 3 delta, 4 whole)
//! 8    header_bytes         u32           1   reserved          3
//! 12   command              u8            4   first_step        u32
//! 13   site_bytes           u8            8   raw_bytes         u32
//! 14   reserved             u16           12  packed_bytes      u32
//! 16   serial               u64           16  base_offset       u64
//! 24   release              u64           24  base_bytes        u32
//! 32   base_release         u64           28  reserved          u32
//! 40   base_hash            32
//! 72   result_hash          32            Trailer
//! 104  steps_digest         32            0   magic "DSTEND01"  8
//! 136  steps_packed_bytes   u32           8   section_count     u32
//! 140  steps_raw_bytes      u32           12  reserved          u32
//! 144  step_count           u32           16  data_digest       32
//! 148  entry_count          u32           48  steps_digest      32
//! 152  content_bytes        u64           80  stream_bytes      u64
//! 160  disk_bytes           u64           88  BLAKE3 of 0..88   32
//! 168  created_ns           u64           120
//! 176  chunk_bytes          u32
//! 180  reserved             u32
//! 184  site, UTF-8          site_bytes
//! ```
//! Written by the coordinator in one pass; read by every node as it arrives. What is in it is
//! trusted only because each chunk of it was vouched for.

use crate::cursor::Reader;
use crate::error::{Fault, Part, WireError};
use crate::limits::{
    CONTENT_BYTES_MAX, ENTRY_COUNT_MAX, SITE_BYTES_MAX, STEP_COUNT_MAX, STEPS_RAW_BYTES_MAX,
    chunk_bytes_allowed, packed_bytes_max,
};
use crate::steps::{self, Step};
use crate::{AssignmentId, Digest, digest_of};

const HEADER_MAGIC: &[u8; 8] = b"DSTASN01";
const TRAILER_MAGIC: &[u8; 8] = b"DSTEND01";
/// Bytes of a header before its site name.
pub const HEADER_FIXED_BYTES: usize = 184;
/// Most bytes of a header: a reader that has so many can decode it.
pub const HEADER_BYTES_MAX: usize = HEADER_FIXED_BYTES + SITE_BYTES_MAX;
/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 120;
const TRAILER_HASHED_BYTES: usize = 88;

/// What the assignment asks of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// A new release, as the difference from the release before.
    Publish,
    /// A release that others have already, for a node that missed it.
    Replicate,
}

impl Command {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Publish => 1,
            Self::Replicate => 2,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Publish),
            2 => Some(Self::Replicate),
            _ => None,
        }
    }
}

/// All that is known of an assignment after the scan, before anything is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Number of the assignment, ascending over all assignments of a coordinator; from 1.
    pub serial: u64,
    /// What is asked.
    pub command: Command,
    /// Release that results; from 1.
    pub release: u64,
    /// Release that the steps start from; 0: from nothing.
    pub base_release: u64,
    /// Hash of the base release's tree; zeros without a base.
    pub base_hash: Digest,
    /// Hash of the tree that results: what is not this is not committed.
    pub result_hash: Digest,
    /// BLAKE3 of the unpacked steps.
    pub steps_digest: Digest,
    /// Bytes of the packed steps in the stream.
    pub steps_packed_bytes: u32,
    /// Bytes of the unpacked steps.
    pub steps_raw_bytes: u32,
    /// Number of steps.
    pub step_count: u32,
    /// Number of entries of the resulting tree, the root included; from 1.
    pub entry_count: u32,
    /// Unpacked bytes of all `WriteFile` steps together.
    pub content_bytes: u64,
    /// Free space that a node needs.
    pub disk_bytes: u64,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// Bytes of each chunk of the stream but the last.
    pub chunk_bytes: u32,
    /// The site: letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
    pub site: String,
}

impl Header {
    /// The header as bytes. Encode what [`Header::check`] accepts; nothing else is read back.
    pub fn encode(&self) -> Vec<u8> {
        let site = self.site.as_bytes();
        let site = site.get(..SITE_BYTES_MAX).unwrap_or(site);
        let site_bytes = u8::try_from(site.len()).unwrap_or(u8::MAX);
        let header_bytes = crate::cursor::count32(HEADER_FIXED_BYTES + site.len());
        let mut out = Vec::with_capacity(HEADER_BYTES_MAX);
        out.extend_from_slice(HEADER_MAGIC);
        out.extend_from_slice(&header_bytes.to_le_bytes());
        out.extend_from_slice(&[self.command.to_byte(), site_bytes, 0, 0]);
        for number in [self.serial, self.release, self.base_release] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for digest in [&self.base_hash, &self.result_hash, &self.steps_digest] {
            out.extend_from_slice(digest);
        }
        let counts = [
            self.steps_packed_bytes,
            self.steps_raw_bytes,
            self.step_count,
            self.entry_count,
        ];
        for count in counts {
            out.extend_from_slice(&count.to_le_bytes());
        }
        for number in [self.content_bytes, self.disk_bytes, self.created_ns] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.chunk_bytes.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(site);
        out
    }

    /// Reads a header from the front of a stream; the second value is its length.
    ///
    /// # Errors
    /// Of [`Part::Header`]; [`WireError::is_truncated`] when more bytes are needed.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), WireError> {
        let mut reader = Reader::new(Part::Header, bytes);
        reader.magic(HEADER_MAGIC)?;
        let header_bytes = reader.u32()? as usize;
        let command = reader.u8()?;
        let command =
            Command::from_byte(command).ok_or(reader.fail(Fault::Type(u32::from(command))))?;
        let site_bytes = usize::from(reader.u8()?);
        reader.reserved(2)?;
        if header_bytes != HEADER_FIXED_BYTES + site_bytes {
            return Err(reader.fail(Fault::Value("header length")));
        }
        let mut header = Self {
            serial: reader.u64()?,
            command,
            release: reader.u64()?,
            base_release: reader.u64()?,
            base_hash: reader.array()?,
            result_hash: reader.array()?,
            steps_digest: reader.array()?,
            steps_packed_bytes: reader.u32()?,
            steps_raw_bytes: reader.u32()?,
            step_count: reader.u32()?,
            entry_count: reader.u32()?,
            content_bytes: reader.u64()?,
            disk_bytes: reader.u64()?,
            created_ns: reader.u64()?,
            chunk_bytes: reader.u32()?,
            site: String::new(),
        };
        reader.reserved(4)?;
        let site = std::str::from_utf8(reader.take(site_bytes)?);
        site.map_err(|_| reader.fail(Fault::Value("site")))?
            .clone_into(&mut header.site);
        header.check()?;
        Ok((header, header_bytes))
    }

    /// Checks every field against its limits and against the others.
    ///
    /// # Errors
    /// Of [`Part::Header`], naming the field.
    pub fn check(&self) -> Result<(), WireError> {
        let no_base = self.base_release == 0;
        let steps_packed_max = packed_bytes_max(self.steps_raw_bytes);
        let rules = [
            (self.serial > 0, Fault::Value("serial")),
            (self.release > 0, Fault::Value("release")),
            (
                self.base_release != self.release,
                Fault::Value("base release"),
            ),
            (
                no_base == (self.base_hash == [0; 32]),
                Fault::Value("base hash"),
            ),
            (
                self.steps_raw_bytes <= STEPS_RAW_BYTES_MAX,
                Fault::Limit("steps size"),
            ),
            (
                self.steps_packed_bytes <= steps_packed_max,
                Fault::Limit("packed steps size"),
            ),
            (
                self.step_count <= STEP_COUNT_MAX,
                Fault::Limit("step count"),
            ),
            (self.entry_count > 0, Fault::Value("entry count")),
            (
                self.entry_count <= ENTRY_COUNT_MAX,
                Fault::Limit("entry count"),
            ),
            (
                self.content_bytes <= CONTENT_BYTES_MAX,
                Fault::Limit("content size"),
            ),
            (
                chunk_bytes_allowed(self.chunk_bytes),
                Fault::Value("chunk size"),
            ),
            (site_allowed(&self.site), Fault::Value("site")),
        ];
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, fault)| {
            Err(WireError::new(Part::Header, fault))
        })
    }

    /// Reads the unpacked steps and checks them against all that the header says of them.
    ///
    /// # Errors
    /// Of [`Part::Steps`]: another length, digest or count, content of another size, or whatever
    /// [`steps::decode`] refuses.
    pub fn read_steps(&self, raw: &[u8]) -> Result<Vec<Step>, WireError> {
        let fail = |fault| Err(WireError::new(Part::Steps, fault));
        if raw.len() != self.steps_raw_bytes as usize {
            return fail(Fault::Value("length"));
        }
        if digest_of(raw) != self.steps_digest {
            return fail(Fault::Digest);
        }
        let steps = steps::decode(raw)?;
        if steps.len() != self.step_count as usize {
            return fail(Fault::Value("count"));
        }
        if steps::content_bytes(&steps) != self.content_bytes {
            return fail(Fault::Value("content size"));
        }
        Ok(steps)
    }

    /// The assignment's name: the first 16 bytes of the digest of the encoded header.
    pub fn id(&self) -> AssignmentId {
        assignment_id(&self.encode())
    }
}

/// The name of the assignment with these header bytes.
pub fn assignment_id(header: &[u8]) -> AssignmentId {
    let digest = digest_of(header);
    let mut id = AssignmentId::default();
    id.copy_from_slice(&digest[..16]);
    id
}

/// Whether a site may have this name: it becomes the name of a folder.
pub fn site_allowed(site: &str) -> bool {
    let bytes = site.as_bytes();
    bytes.len() <= SITE_BYTES_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// What ends the stream. It begins with a mark that no section header can begin with, so a reader
/// knows it from a section by [`Trailer::begins`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// Number of sections.
    pub section_count: u32,
    /// BLAKE3 of all sections, headers and bytes, as they are in the stream.
    pub data_digest: Digest,
    /// The header's digest of the steps again.
    pub steps_digest: Digest,
    /// Length of the whole stream with this trailer.
    pub stream_bytes: u64,
}

impl Trailer {
    /// Whether the next bytes of a stream, at least one, begin a trailer and not a section.
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.first() == TRAILER_MAGIC.first()
    }

    /// The trailer as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(TRAILER_BYTES);
        out.extend_from_slice(TRAILER_MAGIC);
        out.extend_from_slice(&self.section_count.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.data_digest);
        out.extend_from_slice(&self.steps_digest);
        out.extend_from_slice(&self.stream_bytes.to_le_bytes());
        let digest = digest_of(&out);
        out.extend_from_slice(&digest);
        out
    }

    /// Reads the last bytes of a stream: exactly [`TRAILER_BYTES`].
    ///
    /// # Errors
    /// Of [`Part::Trailer`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Part::Trailer, bytes);
        reader.magic(TRAILER_MAGIC)?;
        let section_count = reader.u32()?;
        reader.reserved(4)?;
        let data_digest = reader.array()?;
        let steps_digest = reader.array()?;
        let stream_bytes = reader.u64()?;
        let hashed = bytes.get(..TRAILER_HASHED_BYTES).unwrap_or_default();
        if reader.array()? != digest_of(hashed) {
            return Err(reader.fail(Fault::Digest));
        }
        reader.end()?;
        if stream_bytes > CONTENT_BYTES_MAX {
            return Err(reader.fail(Fault::Limit("stream size")));
        }
        Ok(Self {
            section_count,
            data_digest,
            steps_digest,
            stream_bytes,
        })
    }
}
