//! Where the bytes of an assignment come from while it may still be arriving.

use crate::error::ContentError;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Why no further byte will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceEnd {
    /// The stream is complete: it has exactly this many bytes.
    Complete(u64),
    /// The session was closed or failed first.
    Closed,
}

/// The verified front of a growing stream file. The relay's prefix is one; so is a whole file.
pub trait StreamSource: Send + Sync {
    /// Waits until at least `bytes` bytes from the start are verified and in the file, or the
    /// stream ended, or about `limit` has passed, whichever is first; returns how many are there
    /// (maybe fewer than asked, maybe more). `Err` only when fewer than `bytes` are there and no
    /// more will come. The caller asks again after a time-out, looking at its own cancellation.
    fn wait_for(&self, bytes: u64, limit: Duration) -> Result<u64, SourceEnd>;

    /// Whether each chunk was compared with what the maker of the assignment vouched for before it
    /// was told of here.
    fn is_checked(&self) -> bool {
        false
    }

    /// Asks that a stretch of the stream be kept in a parcel of its own from now on. Gives the
    /// stretches of it that are in the stream's file already, and stay there. Where nobody keeps
    /// anything apart nothing happens: whoever wrote a whole file has made its parcel.
    fn keep_apart(&self, _range: Range<u64>) -> Vec<Range<u64>> {
        Vec::new()
    }

    /// Says that a parcel has all its bytes. When this returns, the source does not have its file
    /// open for writing.
    fn seal(&self, _range: Range<u64>) {}
}

/// A stream file that is complete already.
#[derive(Debug, Clone, Copy)]
pub struct WholeFile {
    bytes: u64,
}

impl WholeFile {
    /// Takes the file's present length as the stream's.
    pub fn open(path: &Path) -> Result<Self, ContentError> {
        let length = |file: File| file.metadata().map(|metadata| metadata.len());
        let bytes = File::open(path)
            .and_then(length)
            .map_err(|e| ContentError::io(path, &e))?;
        Ok(Self { bytes })
    }
}

impl StreamSource for WholeFile {
    fn wait_for(&self, bytes: u64, _limit: Duration) -> Result<u64, SourceEnd> {
        if bytes <= self.bytes {
            Ok(self.bytes)
        } else {
            Err(SourceEnd::Complete(self.bytes))
        }
    }
}

/// A flag that stops an [`crate::apply`] from another thread, at its next step.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn check(&self) -> Result<(), ContentError> {
        if self.is_cancelled() {
            Err(ContentError::Cancelled)
        } else {
            Ok(())
        }
    }
}
