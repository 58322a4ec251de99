//! Reading a stream from the front while it may still be growing.

use crate::Outcome;
use crate::error::ContentError;
use crate::limits::{WAIT_SLICE, WHOLE_PIECE_BYTES};
use crate::section::unpack_steps;
use crate::source::{Cancel, SourceEnd, StreamSource};
use std::ops::Range;
use std::path::{Path, PathBuf};
use stored::{StoredStream, parcel_name, parcels_directory};
use wire::AssignmentId;
use wire::assignment::{HEADER_BYTES_MAX, Header, TRAILER_BYTES, Trailer, assignment_id};
use wire::section::{SECTION_HEADER_BYTES, SectionHeader, SectionKind};
use wire::steps::Step;

/// A stream being read. Waits for what is not there yet.
pub(crate) struct StreamReader<'a> {
    path: &'a Path,
    stream: StoredStream,
    source: &'a dyn StreamSource,
    cancel: &'a Cancel,
    position: u64,
    /// Bytes known to be verified and in the file.
    available: u64,
    data: blake3::Hasher,
    section_count: u32,
}

/// Bytes of a whole file that lie in one run.
struct WholePiece {
    bytes: usize,
    /// They came before there was a parcel for them.
    is_stray: bool,
}

impl<'a> StreamReader<'a> {
    /// Opens the file; reads nothing yet.
    pub(crate) fn open(
        path: &'a Path,
        source: &'a dyn StreamSource,
        cancel: &'a Cancel,
    ) -> Outcome<Self> {
        let stream = StoredStream::open(path).map_err(|error| ContentError::io(path, &error))?;
        let data = blake3::Hasher::new();
        let (position, available, section_count) = (0, 0, 0);
        Ok(Self {
            path,
            stream,
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

    /// Reads the header of the next section; its bytes are to be read next.
    pub(crate) fn section_header(&mut self) -> Outcome<SectionHeader> {
        let front = self.take(SECTION_HEADER_BYTES)?;
        if Trailer::begins(&front) {
            return Err(ContentError::AssignmentCorrupt {
                why: "content is missing",
            });
        }
        let header = SectionHeader::decode(&front)?;
        self.data.update(&front);
        self.section_count += 1;
        Ok(header)
    }

    /// Reads the bytes of a section as they are in the stream.
    pub(crate) fn section_bytes(&mut self, header: &SectionHeader) -> Outcome<Vec<u8>> {
        let bytes = self.take(header.packed_bytes as usize)?;
        self.data.update(&bytes);
        Ok(bytes)
    }

    /// Begins the section that is all of one file: its bytes are kept in a parcel from now on,
    /// where that can be.
    pub(crate) fn begin_whole(&mut self, header: &SectionHeader) -> Outcome<Range<u64>> {
        let end = self.position.checked_add(header.stream_bytes());
        let end = end.ok_or(ContentError::AssignmentCorrupt {
            why: "it is too long",
        })?;
        if let SectionKind::Whole { padding_bytes, .. } = header.kind {
            self.position += u64::from(padding_bytes);
        }
        let range = self.position..end;
        let strays = self.source.keep_apart(range.clone());
        let found = self.stream.find_parcel(&range);
        found.map_err(|error| self.failed(&error))?;
        for stray in strays {
            self.stream.add_stray(&stray);
        }
        Ok(range)
    }

    /// Reads the next bytes of a whole file into the buffer; how many, 0 at its end. What came
    /// before there was a parcel for it is put into that.
    pub(crate) fn whole_piece(
        &mut self,
        range: &Range<u64>,
        buffer: &mut Vec<u8>,
    ) -> Outcome<usize> {
        let Some(WholePiece { bytes, is_stray }) = self.next_of_whole(range)? else {
            return Ok(0);
        };
        if is_stray {
            self.copy_stray(bytes, buffer)?;
        } else {
            buffer.resize(bytes, 0);
            let read = self.stream.read_exact_at(buffer, self.position);
            read.map_err(|error| self.failed(&error))?;
        }
        self.position += bytes as u64;
        Ok(bytes)
    }

    /// Where each chunk is compared with what was vouched for before it is written: waits for all
    /// of a whole file, and puts what came before its parcel into that, by way of the buffer; none
    /// of it is hashed. False, and nothing of it taken, where nobody wrote some of it, or the
    /// parcel is not as it was written.
    pub(crate) fn await_whole(
        &mut self,
        range: &Range<u64>,
        buffer: &mut Vec<u8>,
    ) -> Outcome<bool> {
        if !self.source.is_checked() {
            return Ok(false);
        }
        let start = self.position;
        while let Some(WholePiece { bytes, is_stray }) = self.next_of_whole(range)? {
            if is_stray {
                let stretch = self.position..self.position + bytes as u64;
                if !self.stream.is_written(&stretch) {
                    self.position = start;
                    return Ok(false);
                }
                self.copy_stray(bytes, buffer)?;
            }
            self.position += bytes as u64;
        }
        let is_there = self.stream.is_untouched(range);
        if !is_there {
            self.position = start;
        }
        Ok(is_there)
    }

    /// Puts the next bytes, which came before there was a parcel for them, into that.
    fn copy_stray(&mut self, bytes: usize, buffer: &mut Vec<u8>) -> Outcome<()> {
        buffer.resize(bytes, 0);
        let read = self.stream.read_exact_at(buffer, self.position);
        read.map_err(|error| self.failed(&error))?;
        let copied = self.stream.copy_stray(buffer, self.position);
        copied.map_err(|error| self.failed(&error))
    }

    /// The next bytes of a whole file that lie in one run, once they are there; none at its end.
    fn next_of_whole(&mut self, range: &Range<u64>) -> Outcome<Option<WholePiece>> {
        let left = (range.end - self.position).min(WHOLE_PIECE_BYTES);
        if left == 0 {
            return Ok(None);
        }
        let piece = self.stream.at(self.position);
        let is_stray = piece.is_in_stream() && self.stream.parcel(range).is_some();
        let bytes = usize::try_from(left.min(piece.bytes)).unwrap_or(0);
        self.wait_for(self.position + bytes as u64)?;
        Ok(Some(WholePiece { bytes, is_stray }))
    }

    /// The parcel of a whole file, if it has one: its name, and the directory that it is in.
    pub(crate) fn parcel_of(&self, range: &Range<u64>) -> Option<(PathBuf, String)> {
        self.stream.parcel(range)?;
        Some((parcels_directory(self.path), parcel_name(range)))
    }

    /// All bytes of a whole file were read: from now on nobody writes to its parcel.
    pub(crate) fn end_whole(&mut self, range: &Range<u64>) {
        if self.stream.parcel(range).is_some() {
            self.source.seal(range.clone());
            self.stream.close_parcel(range);
        }
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
        let read = self.stream.read_exact_at(&mut bytes, self.position);
        read.map_err(|error| self.failed(&error))?;
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

    fn failed(&self, error: &std::io::Error) -> ContentError {
        ContentError::io(self.path, error)
    }
}
