//! Reading and writing little-endian fields. The reader never panics and never allocates more
//! than the bytes it was given.

use crate::error::{Fault, Part, WireError};

/// Reads fields from the front of `bytes`.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    part: Part,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(part: Part, bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, part }
    }

    pub(crate) const fn fail(&self, fault: Fault) -> WireError {
        WireError::new(self.part, fault)
    }

    /// Bytes read so far.
    pub(crate) const fn used(&self) -> usize {
        self.at
    }

    /// Bytes not yet read.
    pub(crate) const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(self.fail(Fault::Truncated))?;
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, WireError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// Bytes with their u16 length before them, at most `max`.
    pub(crate) fn bytes16(
        &mut self,
        max: usize,
        name: &'static str,
    ) -> Result<&'a [u8], WireError> {
        let count = usize::from(self.u16()?);
        if count > max {
            return Err(self.fail(Fault::Limit(name)));
        }
        self.take(count)
    }

    pub(crate) fn magic(&mut self, magic: &[u8]) -> Result<(), WireError> {
        if self.take(magic.len())? == magic {
            Ok(())
        } else {
            Err(self.fail(Fault::Magic))
        }
    }

    /// Reserved bytes: they must be zero, so that they can mean something later.
    pub(crate) fn reserved(&mut self, count: usize) -> Result<(), WireError> {
        if self.take(count)?.iter().all(|&byte| byte == 0) {
            Ok(())
        } else {
            Err(self.fail(Fault::Reserved))
        }
    }

    /// The end: nothing may be left.
    pub(crate) const fn end(&self) -> Result<(), WireError> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(self.fail(Fault::Trailing))
        }
    }
}

/// Appends `bytes` with their u16 length. What is beyond the limit is cut off: types are checked
/// before they are encoded, and a cut is better than a length that lies.
pub(crate) fn put_bytes16(out: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let cut = bytes.get(..max).unwrap_or(bytes);
    let count = u16::try_from(cut.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(cut.get(..usize::from(count)).unwrap_or(cut));
}

/// A count as u32. Counts here are bounded far below it.
pub(crate) fn count32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
