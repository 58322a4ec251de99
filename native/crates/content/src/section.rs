//! Packing and unpacking one section: plain, zstd, or zstd after a window of the base file.

use crate::Outcome;
use crate::error::ContentError;
use crate::limits::{
    DELTA_LDM_FROM_BYTES, SAMPLE_BYTES, SAMPLE_GAIN_PARTS, ZSTD_LEVEL, ZSTD_SAMPLE_LEVEL,
};
use wire::section::{SectionHeader, SectionKind};
use zstd_safe::{CCtx, CParameter, DCtx, compress_bound};

/// A section to be packed.
pub(crate) struct RawSection {
    /// Step that the first byte belongs to.
    pub(crate) first_step: u32,
    /// Unpacked bytes.
    pub(crate) raw: Vec<u8>,
    /// Window of the base file, for a delta.
    pub(crate) window: Option<Window>,
    /// Files whose last byte is in this section.
    pub(crate) files_ended: u64,
}

/// A stretch of a base file.
pub(crate) struct Window {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A section ready to be written.
pub(crate) struct PackedSection {
    pub(crate) header: SectionHeader,
    pub(crate) bytes: Vec<u8>,
    pub(crate) files_ended: u64,
}

/// Compresses sections; one for each thread.
pub(crate) struct Packer {
    context: CCtx<'static>,
}

impl Packer {
    pub(crate) fn new() -> Option<Self> {
        Some(Self {
            context: CCtx::try_create()?,
        })
    }

    /// Packs a section in the way that suits it: a delta where a window is given, else zstd, and
    /// plain bytes where neither gains anything.
    pub(crate) fn pack(&mut self, section: RawSection) -> Outcome<PackedSection> {
        let raw_bytes = length32(&section.raw)?;
        let packed = match &section.window {
            Some(window) => delta(&section.raw, window)?,
            None if self.compressible(&section.raw) => {
                let mut packed = Vec::with_capacity(compress_bound(section.raw.len()));
                self.context
                    .compress(&mut packed, &section.raw, ZSTD_LEVEL)
                    .map_err(|_| ContentError::Internal {
                        why: "compression failed",
                    })?;
                Some((SectionKind::Zstd, packed))
            }
            None => None,
        };
        // Plain sections are smaller than deltas may be: a large delta stays one in any case.
        let plain_fits = raw_bytes <= wire::limits::SECTION_RAW_BYTES_MAX;
        let (kind, bytes) = match packed {
            Some((kind, packed)) if packed.len() < section.raw.len() || !plain_fits => {
                (kind, packed)
            }
            _ => (SectionKind::Plain, section.raw),
        };
        let packed_bytes = length32(&bytes)?;
        let first_step = section.first_step;
        let header = SectionHeader {
            kind,
            first_step,
            raw_bytes,
            packed_bytes,
        };
        Ok(PackedSection {
            header,
            bytes,
            files_ended: section.files_ended,
        })
    }

    /// Whether a sample from the middle shrinks at all.
    fn compressible(&mut self, raw: &[u8]) -> bool {
        if raw.len() <= SAMPLE_BYTES {
            return true;
        }
        let start = (raw.len() - SAMPLE_BYTES) / 2;
        self.shrinks(&raw[start..start + SAMPLE_BYTES])
    }

    /// Whether a sample is worth compressing.
    pub(crate) fn shrinks(&mut self, sample: &[u8]) -> bool {
        let mut packed = Vec::with_capacity(compress_bound(SAMPLE_BYTES));
        match self
            .context
            .compress(&mut packed, sample, ZSTD_SAMPLE_LEVEL)
        {
            Ok(packed_bytes) => packed_bytes < SAMPLE_BYTES - SAMPLE_BYTES / SAMPLE_GAIN_PARTS,
            Err(_) => false,
        }
    }
}

fn delta(raw: &[u8], window: &Window) -> Outcome<Option<(SectionKind, Vec<u8>)>> {
    let failed = |_| ContentError::Internal {
        why: "compression of a delta failed",
    };
    let mut context = CCtx::try_create().ok_or(ContentError::Internal {
        why: "no memory for a delta",
    })?;
    let span = window.bytes.len() + raw.len();
    let window_log = usize::BITS - (span - 1).leading_zeros();
    let parameters = [
        CParameter::CompressionLevel(ZSTD_LEVEL),
        CParameter::WindowLog(window_log.clamp(10, 27)),
        CParameter::EnableLongDistanceMatching(span >= DELTA_LDM_FROM_BYTES),
    ];
    for parameter in parameters {
        context.set_parameter(parameter).map_err(failed)?;
    }
    context.ref_prefix(&window.bytes).map_err(failed)?;
    let mut packed = Vec::with_capacity(compress_bound(raw.len()));
    context.compress2(&mut packed, raw).map_err(failed)?;
    let base_bytes = length32(&window.bytes)?;
    Ok(Some((
        SectionKind::Delta {
            base_offset: window.offset,
            base_bytes,
        },
        packed,
    )))
}

/// Unpacks a section; `window` is what a delta's header asked for.
pub(crate) fn unpack(
    header: &SectionHeader,
    packed: Vec<u8>,
    window: Option<&[u8]>,
) -> Outcome<Vec<u8>> {
    let corrupt = |_| ContentError::AssignmentCorrupt {
        why: "a section does not unpack",
    };
    let mut raw = Vec::new();
    let size = match (header.kind, window) {
        (SectionKind::Plain, _) => return Ok(packed),
        (SectionKind::Zstd, _) => {
            raw.reserve_exact(header.raw_bytes as usize);
            zstd_safe::decompress(&mut raw, &packed).map_err(corrupt)?
        }
        (SectionKind::Delta { .. }, Some(window)) => {
            raw.reserve_exact(header.raw_bytes as usize);
            let mut context = DCtx::try_create().ok_or(ContentError::Internal {
                why: "no memory for a delta",
            })?;
            context.ref_prefix(window).map_err(corrupt)?;
            context.decompress(&mut raw, &packed).map_err(corrupt)?
        }
        (SectionKind::Delta { .. }, None) | (SectionKind::Whole { .. }, _) => {
            return Err(corrupt(0));
        }
    };
    if size == header.raw_bytes as usize && raw.len() == size {
        Ok(raw)
    } else {
        Err(corrupt(0))
    }
}

/// Compresses the steps.
pub(crate) fn pack_steps(raw: &[u8]) -> Outcome<Vec<u8>> {
    let mut packed = Vec::with_capacity(compress_bound(raw.len()));
    zstd_safe::compress(&mut packed, raw, ZSTD_LEVEL).map_err(|_| ContentError::Internal {
        why: "compression of the steps failed",
    })?;
    Ok(packed)
}

/// Unpacks the steps, at most as many bytes as the header said.
pub(crate) fn unpack_steps(packed: &[u8], raw_bytes: u32) -> Outcome<Vec<u8>> {
    let mut raw = Vec::new();
    raw.reserve_exact(raw_bytes as usize);
    match zstd_safe::decompress(&mut raw, packed) {
        Ok(size) if size == raw_bytes as usize => Ok(raw),
        _ => Err(ContentError::AssignmentCorrupt {
            why: "the steps do not unpack",
        }),
    }
}

fn length32(bytes: &[u8]) -> Outcome<u32> {
    u32::try_from(bytes.len()).map_err(|_| ContentError::Internal {
        why: "a section is too large",
    })
}
