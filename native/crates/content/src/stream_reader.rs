//! Reading a stream from the front while it may still be growing.

use crate::Outcome;
use crate::error::ContentError;
use crate::limits::WAIT_SLICE;
use crate::section::unpack_steps;
use crate::source::{Cancel, SourceEnd, StreamSource};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use wire::AssignmentId;
use wire::assignment::{
    HEADER_BYTES_MAX, Header, SECTION_HEADER_BYTES, SectionHeader, TRAILER_BYTES, Trailer,
    assignment_id,
};
use wire::steps::Step;

/// A stream being read. Waits for what is not there yet.
pub(crate) struct StreamReader<'a> {
    path: &'a Path,
    file: File,
    source: &'a dyn StreamSource,
    cancel: &'a Cancel,
    position: u64,
    /// Bytes known to be verified and in the file.
    available: u64,
    data: blake3::Hasher,
    section_count: u32,
}

impl<'a> StreamReader<'a> {
    /// Opens the file; reads nothing yet.
    pub(crate) fn open(
        path: &'a Path,
        source: &'a dyn StreamSource,
        cancel: &'a Cancel,
    ) -> Outcome<Self> {
        let file = File::open(path).map_err(|error| ContentError::io(path, &error))?;
        let data = blake3::Hasher::new();
        let (position, available, section_count) = (0, 0, 0);
        Ok(Self {
            path,
            file,
            source,
            cancel,
            position,
            available,
            data,
            section_count,
        })
    }

    /// Reads the header and checks that it is the assignment that was asked for.
    pub(crate) fn header(&mut self, assignment: &AssignmentId) -> Outcome<Header> {
        // The shortest stream is longer than the longest header, so this never asks too much.
        let front = self.take(HEADER_BYTES_MAX)?;
        let (header, used) = Header::decode(&front)?;
        if assignment_id(&front[..used]) != *assignment {
            return Err(ContentError::AssignmentCorrupt {
                why: "it is another assignment",
            });
        }
        self.position = used as u64;
        Ok(header)
    }

    /// Reads the steps that follow the header.
    pub(crate) fn steps(&mut self, header: &Header) -> Outcome<Vec<Step>> {
        let packed = self.take(header.steps_packed_bytes as usize)?;
        let raw = unpack_steps(&packed, header.steps_raw_bytes)?;
        Ok(header.read_steps(&raw)?)
    }

    /// Reads the next section as it is in the stream.
    pub(crate) fn section(&mut self) -> Outcome<(SectionHeader, Vec<u8>)> {
        let front = self.take(SECTION_HEADER_BYTES)?;
        if Trailer::begins(&front) {
            return Err(ContentError::AssignmentCorrupt {
                why: "content is missing",
            });
        }
        let header = SectionHeader::decode(&front)?;
        let bytes = self.take(header.packed_bytes as usize)?;
        self.data.update(&front);
        self.data.update(&bytes);
        self.section_count += 1;
        Ok((header, bytes))
    }

    /// Reads the trailer and checks all it says.
    pub(crate) fn trailer(&mut self, header: &Header) -> Outcome<()> {
        let trailer = Trailer::decode(&self.take(TRAILER_BYTES)?)?;
        let rules = [
            (
                trailer.section_count == self.section_count,
                "its count of sections is another",
            ),
            (
                trailer.data_digest == *self.data.finalize().as_bytes(),
                "its data is another",
            ),
            (
                trailer.steps_digest == header.steps_digest,
                "its steps are others",
            ),
            (
                trailer.stream_bytes == self.position,
                "its length is another",
            ),
        ];
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, why)| {
            Err(ContentError::AssignmentCorrupt { why })
        })
    }

    fn take(&mut self, length: usize) -> Outcome<Vec<u8>> {
        let end = self.position + length as u64;
        self.wait_for(end)?;
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, self.position)
            .map_err(|error| ContentError::io(self.path, &error))?;
        self.position = end;
        Ok(bytes)
    }

    fn wait_for(&mut self, bytes: u64) -> Outcome<()> {
        loop {
            self.cancel.check()?;
            if bytes <= self.available {
                return Ok(());
            }
            match self.source.wait_for(bytes, WAIT_SLICE) {
                Ok(available) => self.available = available,
                Err(SourceEnd::Complete(_)) => {
                    return Err(ContentError::AssignmentCorrupt {
                        why: "it ends too early",
                    });
                }
                Err(SourceEnd::Closed) => return Err(ContentError::SourceEnded),
            }
        }
    }
}
