//! A section: what stands before a stretch of content, and how that is packed. Its place in the
//! stream is in [`crate::assignment`].

use crate::cursor::Reader;
use crate::error::{Fault, Part, WireError};
use crate::limits::{
    CONTENT_BYTES_MAX, DELTA_BASE_BYTES_MAX, DELTA_RAW_BYTES_MAX, SECTION_RAW_BYTES_MAX,
    STEP_COUNT_MAX, WHOLE_ALIGNMENT_BYTES, packed_bytes_max,
};

/// Bytes of a section header.
pub const SECTION_HEADER_BYTES: usize = 32;

/// How the bytes of a section are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionKind {
    /// As they are.
    Plain,
    /// One zstd frame.
    Zstd,
    /// One zstd frame whose prefix is a window of the base file at the same path.
    Delta {
        /// Where the window begins in the base file.
        base_offset: u64,
        /// Length of the window.
        base_bytes: u32,
    },
    /// All of one large file, as it is: a reader can keep it where it arrives. Its own length
    /// stands in the place of `base_offset`, its padding in that of `base_bytes`; `raw_bytes` and
    /// `packed_bytes` are 0.
    Whole {
        /// Bytes of the file.
        file_bytes: u64,
        /// Zeros before it, so that it begins at a multiple of [`WHOLE_ALIGNMENT_BYTES`].
        padding_bytes: u32,
    },
}

/// What stands before the bytes of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionHeader {
    /// How the bytes are packed.
    pub kind: SectionKind,
    /// Index in the steps of the `WriteFile` whose content the first byte belongs to.
    pub first_step: u32,
    /// Unpacked length; from 1, but 0 of a whole file.
    pub raw_bytes: u32,
    /// Length in the stream; from 1, but 0 of a whole file.
    pub packed_bytes: u32,
}

impl SectionHeader {
    /// The header of a section that is all of one file.
    pub const fn whole(first_step: u32, file_bytes: u64, padding_bytes: u32) -> Self {
        Self {
            kind: SectionKind::Whole {
                file_bytes,
                padding_bytes,
            },
            first_step,
            raw_bytes: 0,
            packed_bytes: 0,
        }
    }

    /// Bytes between this header and what follows its section.
    pub const fn stream_bytes(&self) -> u64 {
        match self.kind {
            SectionKind::Whole {
                file_bytes,
                padding_bytes,
            } => padding_bytes as u64 + file_bytes,
            _ => self.packed_bytes as u64,
        }
    }

    /// The section header as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, base_offset, base_bytes) = match self.kind {
            SectionKind::Plain => (1, 0, 0),
            SectionKind::Zstd => (2, 0, 0),
            SectionKind::Delta {
                base_offset,
                base_bytes,
            } => (3, base_offset, base_bytes),
            SectionKind::Whole {
                file_bytes,
                padding_bytes,
            } => (4, file_bytes, padding_bytes),
        };
        let mut out = Vec::with_capacity(SECTION_HEADER_BYTES);
        out.extend_from_slice(&[kind, 0, 0, 0]);
        for number in [self.first_step, self.raw_bytes, self.packed_bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&base_offset.to_le_bytes());
        out.extend_from_slice(&base_bytes.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out
    }

    /// Reads the first [`SECTION_HEADER_BYTES`] bytes.
    ///
    /// # Errors
    /// Of [`Part::Section`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Part::Section, bytes);
        let kind = reader.u8()?;
        reader.reserved(3)?;
        let first_step = reader.u32()?;
        let raw_bytes = reader.u32()?;
        let packed_bytes = reader.u32()?;
        let base_offset = reader.u64()?;
        let base_bytes = reader.u32()?;
        reader.reserved(4)?;
        let kind = match (kind, base_offset, base_bytes) {
            (1, 0, 0) => SectionKind::Plain,
            (2, 0, 0) => SectionKind::Zstd,
            (3, _, _) => SectionKind::Delta {
                base_offset,
                base_bytes,
            },
            (4, file_bytes, padding_bytes) => SectionKind::Whole {
                file_bytes,
                padding_bytes,
            },
            (1 | 2, _, _) => return Err(reader.fail(Fault::Value("base window"))),
            (other, _, _) => return Err(reader.fail(Fault::Type(u32::from(other)))),
        };
        let header = Self {
            kind,
            first_step,
            raw_bytes,
            packed_bytes,
        };
        header.check()?;
        Ok(header)
    }

    /// Checks every field against its limits and against the others.
    ///
    /// # Errors
    /// Of [`Part::Section`], naming the field.
    pub fn check(&self) -> Result<(), WireError> {
        let raw_fits = match self.kind {
            SectionKind::Delta { .. } => (1..=DELTA_RAW_BYTES_MAX).contains(&self.raw_bytes),
            SectionKind::Plain | SectionKind::Zstd => {
                (1..=SECTION_RAW_BYTES_MAX).contains(&self.raw_bytes)
            }
            SectionKind::Whole { file_bytes, .. } => {
                self.raw_bytes == 0 && (1..=CONTENT_BYTES_MAX).contains(&file_bytes)
            }
        };
        let packed_fits = match self.kind {
            SectionKind::Plain | SectionKind::Whole { .. } => self.packed_bytes == self.raw_bytes,
            _ => self.packed_bytes > 0 && self.packed_bytes <= packed_bytes_max(self.raw_bytes),
        };
        let window_fits = match self.kind {
            SectionKind::Delta {
                base_offset,
                base_bytes,
            } => {
                let end = base_offset.saturating_add(u64::from(base_bytes));
                (1..=DELTA_BASE_BYTES_MAX).contains(&base_bytes) && end <= CONTENT_BYTES_MAX
            }
            _ => true,
        };
        let padding_fits = match self.kind {
            SectionKind::Whole { padding_bytes, .. } => padding_bytes < WHOLE_ALIGNMENT_BYTES,
            _ => true,
        };
        let rules = [
            (raw_fits, Fault::Limit("section size")),
            (packed_fits, Fault::Value("packed section size")),
            (window_fits, Fault::Value("base window")),
            (padding_fits, Fault::Value("padding")),
            (self.first_step < STEP_COUNT_MAX, Fault::Limit("step count")),
        ];
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, fault)| {
            Err(WireError::new(Part::Section, fault))
        })
    }
}
