//! The steps of an assignment: how a node makes the result out of the base.
//!
//! ```text
//! kind u8 | path_bytes u16 | path | then
//! 1 MakeDirectory   mode u16 | mtime_ns i64
//! 2 WriteFile       mode u16 | mtime_ns i64 | size_bytes u64 | digest 32
//! 3 CopyFile        mode u16 | mtime_ns i64 | from_bytes u16 | from
//! 4 MakeLink        mtime_ns i64 | target_bytes u16 | target
//! 5 SetAttributes   mode u16 | mtime_ns i64
//! 6 Delete
//! ```
//! One after the other, without gaps. Order is part of the format: first the `Delete` steps,
//! strictly descending by path (children before their directory), then all others, strictly
//! ascending (a directory before its children). So a path occurs at most twice, and content
//! follows in the order of the paths.

use crate::Digest;
use crate::cursor::{Reader, put_bytes16};
use crate::error::{Fault, Part, WireError};
use crate::limits::{
    CONTENT_BYTES_MAX, LINK_TARGET_BYTES_MAX, MODE_MASK, PATH_BYTES_MAX, STEP_COUNT_MAX,
    STEPS_RAW_BYTES_MAX,
};
use crate::path::check_path;
use crate::tree::{check_target, put_mode};

/// One thing a node does to the copy of its base.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    /// Makes a directory where nothing is. With the path `""`: the root of a first release.
    MakeDirectory {
        path: Vec<u8>,
        mode: u32,
        mtime_ns: i64,
    },
    /// Writes a file whose content the assignment brings, where nothing or another file is.
    WriteFile {
        path: Vec<u8>,
        mode: u32,
        mtime_ns: i64,
        size_bytes: u64,
        digest: Digest,
    },
    /// Writes a file with the content that `from` has in the base release, whatever becomes of
    /// `from`: a rename costs no content.
    CopyFile {
        path: Vec<u8>,
        from: Vec<u8>,
        mode: u32,
        mtime_ns: i64,
    },
    /// Makes a symbolic link where nothing or another link is.
    MakeLink {
        path: Vec<u8>,
        mtime_ns: i64,
        target: Vec<u8>,
    },
    /// Sets mode and time of a directory or file that stays.
    SetAttributes {
        path: Vec<u8>,
        mode: u32,
        mtime_ns: i64,
    },
    /// Removes a file, a link or a directory that is empty by then.
    Delete { path: Vec<u8> },
}

impl Step {
    /// The path that the step makes, changes or removes.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::MakeDirectory { path, .. }
            | Self::WriteFile { path, .. }
            | Self::CopyFile { path, .. }
            | Self::MakeLink { path, .. }
            | Self::SetAttributes { path, .. }
            | Self::Delete { path } => path,
        }
    }

    /// Whether it is a `Delete`.
    pub const fn is_delete(&self) -> bool {
        matches!(self, Self::Delete { .. })
    }

    /// The permission bits that the step sets, if it sets any.
    pub fn mode(&self) -> Option<u32> {
        match self {
            Self::MakeDirectory { mode, .. }
            | Self::WriteFile { mode, .. }
            | Self::CopyFile { mode, .. }
            | Self::SetAttributes { mode, .. } => Some(*mode),
            Self::MakeLink { .. } | Self::Delete { .. } => None,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        check_path(self.path())?;
        if self.mode().is_some_and(|mode| mode & !MODE_MASK != 0) {
            return Err(Fault::Value("mode"));
        }
        match self {
            Self::WriteFile { size_bytes, .. } if *size_bytes > CONTENT_BYTES_MAX => {
                Err(Fault::Limit("file size"))
            }
            Self::CopyFile { from, .. } => check_path(from).and(non_root(from)),
            Self::MakeLink { target, .. } => check_target(target),
            _ => Ok(()),
        }?;
        match self {
            Self::MakeDirectory { .. } | Self::SetAttributes { .. } => Ok(()),
            _ => non_root(self.path()),
        }
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        out.push(self.kind());
        put_bytes16(out, self.path(), PATH_BYTES_MAX);
        if let Some(mode) = self.mode() {
            put_mode(out, mode);
        }
        match self {
            Self::MakeDirectory { mtime_ns, .. } | Self::SetAttributes { mtime_ns, .. } => {
                out.extend_from_slice(&mtime_ns.to_le_bytes());
            }
            Self::WriteFile {
                mtime_ns,
                size_bytes,
                digest,
                ..
            } => {
                out.extend_from_slice(&mtime_ns.to_le_bytes());
                out.extend_from_slice(&size_bytes.to_le_bytes());
                out.extend_from_slice(digest);
            }
            Self::CopyFile { mtime_ns, from, .. } => {
                out.extend_from_slice(&mtime_ns.to_le_bytes());
                put_bytes16(out, from, PATH_BYTES_MAX);
            }
            Self::MakeLink {
                mtime_ns, target, ..
            } => {
                out.extend_from_slice(&mtime_ns.to_le_bytes());
                put_bytes16(out, target, LINK_TARGET_BYTES_MAX);
            }
            Self::Delete { .. } => {}
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::MakeDirectory { .. } => 1,
            Self::WriteFile { .. } => 2,
            Self::CopyFile { .. } => 3,
            Self::MakeLink { .. } => 4,
            Self::SetAttributes { .. } => 5,
            Self::Delete { .. } => 6,
        }
    }

    fn decode_from(reader: &mut Reader) -> Result<Self, WireError> {
        let kind = reader.u8()?;
        let path = reader.bytes16(PATH_BYTES_MAX, "path")?.to_vec();
        Ok(match kind {
            1 => Self::MakeDirectory {
                path,
                mode: mode(reader)?,
                mtime_ns: reader.i64()?,
            },
            2 => Self::WriteFile {
                path,
                mode: mode(reader)?,
                mtime_ns: reader.i64()?,
                size_bytes: reader.u64()?,
                digest: reader.array()?,
            },
            3 => Self::CopyFile {
                path,
                mode: mode(reader)?,
                mtime_ns: reader.i64()?,
                from: reader.bytes16(PATH_BYTES_MAX, "path")?.to_vec(),
            },
            4 => Self::MakeLink {
                path,
                mtime_ns: reader.i64()?,
                target: reader
                    .bytes16(LINK_TARGET_BYTES_MAX, "link target")?
                    .to_vec(),
            },
            5 => Self::SetAttributes {
                path,
                mode: mode(reader)?,
                mtime_ns: reader.i64()?,
            },
            6 => Self::Delete { path },
            other => return Err(reader.fail(Fault::Type(u32::from(other)))),
        })
    }
}

fn mode(reader: &mut Reader) -> Result<u32, WireError> {
    Ok(u32::from(reader.u16()?))
}

const fn non_root(path: &[u8]) -> Result<(), Fault> {
    if path.is_empty() {
        Err(Fault::Value("step on the root"))
    } else {
        Ok(())
    }
}

/// What is wrong with steps that do not keep their order.
const OUT_OF_ORDER: Fault = Fault::Order("deletes descend, the rest ascends");

/// Whether `next` may come after a step of which is known if it was a `Delete`, and its path.
fn follows(last: Option<(bool, &[u8])>, next: &Step) -> bool {
    match (last, next.is_delete()) {
        (None | Some((true, _)), false) | (None, true) => true,
        (Some((true, path)), true) => next.path() < path,
        (Some((false, _)), true) => false,
        (Some((false, path)), false) => next.path() > path,
    }
}

/// Checks the order of all steps.
pub(crate) fn check_order(steps: &[Step]) -> Result<(), Fault> {
    let in_order = steps
        .iter()
        .zip(steps.iter().skip(1))
        .all(|(step, next)| follows(Some((step.is_delete(), step.path())), next));
    if in_order { Ok(()) } else { Err(OUT_OF_ORDER) }
}

/// The steps as bytes, in their order. Their BLAKE3 digest is the header's `steps_digest`.
pub fn encode(steps: &[Step]) -> Vec<u8> {
    let mut out = Vec::new();
    for step in steps {
        step.encode_into(&mut out);
    }
    out
}

/// Bytes of the files that the `WriteFile` steps write: the header's `content_bytes`.
pub fn content_bytes(steps: &[Step]) -> u64 {
    let sizes = steps.iter().map(|step| match step {
        Step::WriteFile { size_bytes, .. } => *size_bytes,
        _ => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

/// Reads steps one by one, checking each and their order; ends after the first error.
pub struct StepReader<'a> {
    reader: Reader<'a>,
    /// Whether the step before was a `Delete`, and its path.
    last: Option<(bool, Vec<u8>)>,
    failed: bool,
}

impl<'a> StepReader<'a> {
    /// Starts at the front of the unpacked steps.
    ///
    /// # Errors
    /// Of [`Part::Steps`] when there are more bytes than steps may have.
    pub fn new(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len() > STEPS_RAW_BYTES_MAX as usize {
            return Err(WireError::new(Part::Steps, Fault::Limit("steps size")));
        }
        let reader = Reader::new(Part::Steps, bytes);
        Ok(Self {
            reader,
            last: None,
            failed: false,
        })
    }

    fn read(&mut self) -> Result<Step, WireError> {
        let step = Step::decode_from(&mut self.reader)?;
        step.check().map_err(|fault| self.reader.fail(fault))?;
        let last = self
            .last
            .as_ref()
            .map(|(is_delete, path)| (*is_delete, path.as_slice()));
        if !follows(last, &step) {
            return Err(self.reader.fail(OUT_OF_ORDER));
        }
        self.last = Some((step.is_delete(), step.path().to_vec()));
        Ok(step)
    }
}

impl Iterator for StepReader<'_> {
    type Item = Result<Step, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.reader.left() == 0 {
            return None;
        }
        let step = self.read();
        self.failed = step.is_err();
        Some(step)
    }
}

/// Reads all steps.
///
/// # Errors
/// Of [`Part::Steps`]: too many or too large, a path that leads out of the root, wrong order.
pub fn decode(bytes: &[u8]) -> Result<Vec<Step>, WireError> {
    let mut steps = Vec::new();
    for step in StepReader::new(bytes)? {
        if steps.len() >= STEP_COUNT_MAX as usize {
            return Err(WireError::new(Part::Steps, Fault::Limit("step count")));
        }
        steps.push(step?);
    }
    Ok(steps)
}
