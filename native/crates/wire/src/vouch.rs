//! The vouch: the coordinator's signed word for the digests of a run of chunks.
//!
//! ```text
//! 0    magic "DSTVCH01"   8
//! 8    assignment         16
//! 24   first              u32   index of the first chunk vouched for
//! 28   count              u16   1..=1024
//! 30   flags              u8    bit 0: the end is known
//! 31   reserved           u8
//! 32   chunk_count        u32   of the whole stream; 0 while the end is not known
//! 36   reserved           u32
//! 40   stream_bytes       u64   of the whole stream; 0 while the end is not known
//! 48   digests            32 * count
//! n    ed25519 signature of all before   64
//! ```
//! Made by the coordinator as it packs, relayed unchanged from node to node. A chunk is stored or
//! forwarded only when it matches a vouch. Vouches follow each other without gaps from chunk 0;
//! the last one says the end.

pub use ed25519_dalek::SigningKey;
use ed25519_dalek::{Signature, Signer, VerifyingKey};

use crate::cursor::Reader;
use crate::error::{Fault, Part, WireError};
use crate::limits::{CHUNK_COUNT_MAX, VOUCH_DIGEST_COUNT_MAX, chunk_bytes_allowed};
use crate::{AssignmentId, Digest};

const MAGIC: &[u8; 8] = b"DSTVCH01";
const FIXED_BYTES: usize = 48;
const SIGNATURE_BYTES: usize = 64;
const FLAG_END: u8 = 1;
/// Most bytes of one encoded vouch.
pub const VOUCH_BYTES_MAX: usize = FIXED_BYTES + 32 * VOUCH_DIGEST_COUNT_MAX + SIGNATURE_BYTES;

/// Where the stream ends. Known when all is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnd {
    /// Number of chunks of the whole stream.
    pub chunk_count: u32,
    /// Bytes of the whole stream.
    pub stream_bytes: u64,
}

impl StreamEnd {
    /// Whether a stream of this length has this many chunks of `chunk_bytes`.
    pub const fn fits(&self, chunk_bytes: u32) -> bool {
        chunk_bytes_allowed(chunk_bytes)
            && self.stream_bytes.div_ceil(chunk_bytes as u64) == self.chunk_count as u64
    }

    /// Length of chunk `index`: `chunk_bytes`, or what is left for the last one. Call it when
    /// [`StreamEnd::fits`] and `index` is below the count.
    pub fn chunk_length(&self, index: u32, chunk_bytes: u32) -> u32 {
        let start = u64::from(index) * u64::from(chunk_bytes);
        let left = self.stream_bytes.saturating_sub(start);
        u32::try_from(left).map_or(chunk_bytes, |left| left.min(chunk_bytes))
    }
}

/// The coordinator's word that chunks `first..first + digests.len()` have these digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouch {
    /// The assignment whose stream it is.
    pub assignment: AssignmentId,
    /// Index of the first chunk.
    pub first: u32,
    /// BLAKE3 of each chunk, 1 to [`VOUCH_DIGEST_COUNT_MAX`].
    pub digests: Vec<Digest>,
    /// The end of the stream, in the last vouch alone: its chunks are then the last ones.
    pub end: Option<StreamEnd>,
    /// ed25519 over all before.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Vouch {
    /// Makes and signs a vouch.
    ///
    /// # Errors
    /// Of [`Part::Vouch`] when there are no or too many digests, or the end is not theirs.
    pub fn sign(
        assignment: AssignmentId,
        first: u32,
        digests: Vec<Digest>,
        end: Option<StreamEnd>,
        key: &SigningKey,
    ) -> Result<Self, WireError> {
        let signature = [0; SIGNATURE_BYTES];
        let mut vouch = Self {
            assignment,
            first,
            digests,
            end,
            signature,
        };
        vouch.check()?;
        vouch.signature = key.sign(&vouch.encode_signed()).to_bytes();
        Ok(vouch)
    }

    /// Index after the last chunk vouched for.
    pub fn next(&self) -> u32 {
        self.first
            .saturating_add(crate::cursor::count32(self.digests.len()))
    }

    /// Checks the signature with the coordinator's public key.
    ///
    /// # Errors
    /// [`Fault::Signature`] when another key made it, or the key is none.
    pub fn verify(&self, public_key: &[u8; 32]) -> Result<(), WireError> {
        let refuse = |_| WireError::new(Part::Vouch, Fault::Signature);
        let key = VerifyingKey::from_bytes(public_key).map_err(refuse)?;
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&self.encode_signed(), &signature)
            .map_err(refuse)
    }

    /// The vouch as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_signed();
        out.extend_from_slice(&self.signature);
        out
    }

    fn encode_signed(&self) -> Vec<u8> {
        let digests = self
            .digests
            .get(..VOUCH_DIGEST_COUNT_MAX)
            .unwrap_or(&self.digests);
        let count = u16::try_from(digests.len()).unwrap_or(u16::MAX);
        let end = self.end.unwrap_or(StreamEnd {
            chunk_count: 0,
            stream_bytes: 0,
        });
        let flags = if self.end.is_some() { FLAG_END } else { 0 };
        let mut out = Vec::with_capacity(FIXED_BYTES + 32 * digests.len() + SIGNATURE_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.assignment);
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&[flags, 0]);
        out.extend_from_slice(&end.chunk_count.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&end.stream_bytes.to_le_bytes());
        for digest in digests {
            out.extend_from_slice(digest);
        }
        out
    }

    /// Reads one vouch that is all of `bytes`. The signature is not checked: see
    /// [`Vouch::verify`].
    ///
    /// # Errors
    /// Of [`Part::Vouch`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (vouch, used) = Self::decode_first(bytes)?;
        if used == bytes.len() {
            Ok(vouch)
        } else {
            Err(WireError::new(Part::Vouch, Fault::Trailing))
        }
    }

    /// Reads the first vouch of many that stand one after the other, as in a vouch file; the
    /// second value is its length.
    ///
    /// # Errors
    /// Of [`Part::Vouch`]; [`WireError::is_truncated`] when the last one was not written whole.
    pub fn decode_first(bytes: &[u8]) -> Result<(Self, usize), WireError> {
        let mut reader = Reader::new(Part::Vouch, bytes);
        reader.magic(MAGIC)?;
        let assignment = reader.array()?;
        let first = reader.u32()?;
        let count = usize::from(reader.u16()?);
        let flags = reader.u8()?;
        reader.reserved(1)?;
        let chunk_count = reader.u32()?;
        reader.reserved(4)?;
        let stream_bytes = reader.u64()?;
        let end = match (flags, chunk_count, stream_bytes) {
            (0, 0, 0) => None,
            (0, _, _) => return Err(reader.fail(Fault::Value("end"))),
            (FLAG_END, _, _) => Some(StreamEnd {
                chunk_count,
                stream_bytes,
            }),
            _ => return Err(reader.fail(Fault::Reserved)),
        };
        if count > VOUCH_DIGEST_COUNT_MAX {
            return Err(reader.fail(Fault::Limit("digest count")));
        }
        let mut digests = Vec::with_capacity(count.min(reader.left() / 32));
        for _ in 0..count {
            digests.push(reader.array()?);
        }
        let signature = reader.array()?;
        let vouch = Self {
            assignment,
            first,
            digests,
            end,
            signature,
        };
        vouch.check()?;
        Ok((vouch, reader.used()))
    }

    fn check(&self) -> Result<(), WireError> {
        let end_fits = self.end.is_none_or(|end| {
            end.chunk_count == self.next() && end.stream_bytes >= u64::from(end.chunk_count)
        });
        let rules = [
            (!self.digests.is_empty(), Fault::Value("digest count")),
            (
                self.digests.len() <= VOUCH_DIGEST_COUNT_MAX,
                Fault::Limit("digest count"),
            ),
            (self.next() <= CHUNK_COUNT_MAX, Fault::Limit("chunk count")),
            (end_fits, Fault::Value("end")),
        ];
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, fault)| Err(WireError::new(Part::Vouch, fault)))
    }
}

/// The public key of a signing key's 32 secret bytes.
pub fn public_key_of(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}
