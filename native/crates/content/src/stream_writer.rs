//! Writing a stream file: chunks are hashed as they fill, vouches signed as chunks gather.

use crate::Outcome;
use crate::error::ContentError;
use crate::limits::{VOUCH_AGE_MAX, VOUCH_CHUNKS_FIRST, VOUCH_CHUNKS_MAX};
use crate::pack::{PackBatch, Packed};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use stored::StoredStream;
use wire::assignment::{TRAILER_BYTES, Trailer};
use wire::limits::WHOLE_ALIGNMENT_BYTES;
use wire::section::{SECTION_HEADER_BYTES, SectionHeader};
use wire::vouch::{SigningKey, StreamEnd, Vouch};
use wire::{AssignmentId, Digest};

use crate::section::PackedSection;

/// What is known of an assignment before its stream is written.
pub(crate) struct StreamSpec<'a> {
    pub(crate) out_path: &'a Path,
    pub(crate) vouch_path: &'a Path,
    pub(crate) assignment: AssignmentId,
    pub(crate) serial: u64,
    pub(crate) chunk_bytes: u32,
    pub(crate) content_bytes: u64,
    pub(crate) steps_digest: Digest,
    pub(crate) signing_key: &'a [u8; 32],
}

/// The caller's ear for batches; `false` stops the work.
pub(crate) type OnBatch<'a> = &'a mut dyn FnMut(&PackBatch<'_>) -> bool;

/// A stream under way. Every chunk vouched for is in the file by then.
pub(crate) struct StreamWriter<'a> {
    spec: StreamSpec<'a>,
    on_batch: OnBatch<'a>,
    key: SigningKey,
    stream: StoredStream,
    vouch_file: File,
    /// Hash of the chunk that is being filled, and how much of it is.
    chunk: blake3::Hasher,
    chunk_filled: u32,
    /// Digests of full chunks not vouched for yet, and when the first of them came.
    pending: Vec<Digest>,
    pending_since: Instant,
    /// How many the next vouch is for, at most.
    batch_chunks: usize,
    chunks_vouched: u32,
    data: blake3::Hasher,
    stream_bytes: u64,
    section_count: u32,
    files_packed: u64,
    bytes_packed: u64,
}

impl<'a> StreamWriter<'a> {
    /// Opens both files, emptied, and writes the header and the packed steps.
    pub(crate) fn open(
        spec: StreamSpec<'a>,
        header: &[u8],
        steps: &[u8],
        on_batch: OnBatch<'a>,
    ) -> Outcome<Self> {
        let mut writer = Self {
            key: SigningKey::from_bytes(spec.signing_key),
            stream: create_stream(spec.out_path)?,
            vouch_file: create(spec.vouch_path)?,
            spec,
            on_batch,
            chunk: blake3::Hasher::new(),
            chunk_filled: 0,
            pending: Vec::new(),
            pending_since: Instant::now(),
            batch_chunks: VOUCH_CHUNKS_FIRST,
            chunks_vouched: 0,
            data: blake3::Hasher::new(),
            stream_bytes: 0,
            section_count: 0,
            files_packed: 0,
            bytes_packed: 0,
        };
        writer.append(header)?;
        writer.tell(None)?;
        writer.append(steps)?;
        writer.vouch_when_due()?;
        Ok(writer)
    }

    /// Appends a section and vouches when enough has gathered.
    pub(crate) fn section(&mut self, section: &PackedSection) -> Outcome<()> {
        let header = section.header.encode();
        debug_assert_eq!(header.len(), SECTION_HEADER_BYTES);
        self.data.update(&header);
        self.data.update(&section.bytes);
        self.append(&header)?;
        self.append(&section.bytes)?;
        self.section_count += 1;
        self.files_packed += section.files_ended;
        self.bytes_packed += u64::from(section.header.raw_bytes);
        self.vouch_when_due()
    }

    /// Begins a section that is all of one file, whose bytes follow. False, and nothing is written,
    /// when there can be no parcel for it.
    pub(crate) fn begin_whole(&mut self, first_step: u32, file_bytes: u64) -> Outcome<bool> {
        let before = self.stream_bytes + SECTION_HEADER_BYTES as u64;
        let start = before.next_multiple_of(u64::from(WHOLE_ALIGNMENT_BYTES));
        let padding = vec![0; usize::try_from(start - before).unwrap_or(0)];
        let range = start..start.saturating_add(file_bytes);
        let added = self.stream.add_parcel(&range);
        if !added.map_err(|error| ContentError::io(self.spec.out_path, &error))? {
            return Ok(false);
        }
        let header = SectionHeader::whole(first_step, file_bytes, count32(padding.len())?);
        let header = header.encode();
        self.data.update(&header);
        self.append(&header)?;
        self.append(&padding)?;
        self.section_count += 1;
        Ok(true)
    }

    /// Appends bytes of a whole file.
    pub(crate) fn whole_bytes(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.append(bytes)?;
        self.bytes_packed += bytes.len() as u64;
        self.vouch_when_due()
    }

    /// Ends a whole file, before which others ended that had no bytes.
    pub(crate) fn end_whole(&mut self, file_bytes: u64, files_ended: u64) -> Outcome<()> {
        let range = self.stream_bytes - file_bytes..self.stream_bytes;
        let sealed = self.stream.seal(&range);
        sealed.map_err(|error| ContentError::io(self.spec.out_path, &error))?;
        self.files_packed += files_ended;
        Ok(())
    }

    /// Nothing is to be written for a moment: what there is leaves, and the caller may say to stop.
    pub(crate) fn idle(&mut self) -> Outcome<()> {
        if self.pending.is_empty() {
            self.tell(None)
        } else {
            self.vouch(None)
        }
    }

    /// Ends the stream: trailer, last vouch, and only then durability, so that nobody waits for it.
    pub(crate) fn finish(mut self) -> Outcome<Packed> {
        let trailer = Trailer {
            section_count: self.section_count,
            data_digest: *self.data.finalize().as_bytes(),
            steps_digest: self.spec.steps_digest,
            stream_bytes: self.stream_bytes + TRAILER_BYTES as u64,
        };
        self.write(&trailer.encode())?;
        if self.chunk_filled > 0 {
            self.end_chunk();
        }
        let chunk_count = self.chunks_vouched + count32(self.pending.len())?;
        let stream_bytes = self.stream_bytes;
        self.vouch(Some(StreamEnd {
            chunk_count,
            stream_bytes,
        }))?;
        for (synced, path) in [
            (self.stream.sync(), self.spec.out_path),
            (self.vouch_file.sync_data(), self.spec.vouch_path),
        ] {
            synced.map_err(|error| ContentError::io(path, &error))?;
            let directory = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let directory = directory.unwrap_or_else(|| Path::new("."));
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(|error| ContentError::io(directory, &error))?;
        }
        Ok(Packed {
            assignment: self.spec.assignment,
            serial: self.spec.serial,
            chunk_bytes: self.spec.chunk_bytes,
            chunk_count,
            stream_bytes,
            data_digest: trailer.data_digest,
            content_bytes: self.spec.content_bytes,
        })
    }

    /// Appends bytes; a full batch of chunks is vouched for at once, so that batches stay bounded
    /// however much comes in one piece.
    fn append(&mut self, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            let chunks = self.batch_chunks - self.pending.len();
            let room = chunks * self.spec.chunk_bytes as usize - self.chunk_filled as usize;
            let (piece, rest) = bytes.split_at(bytes.len().min(room));
            self.write(piece)?;
            if self.pending.len() >= self.batch_chunks {
                self.vouch(None)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Writes to the file first, then counts chunks: what is vouched for can be read.
    fn write(&mut self, mut bytes: &[u8]) -> Outcome<()> {
        self.stream
            .write_all_at(bytes, self.stream_bytes)
            .map_err(|error| ContentError::io(self.spec.out_path, &error))?;
        self.stream_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = (self.spec.chunk_bytes - self.chunk_filled) as usize;
            let (piece, rest) = bytes.split_at(bytes.len().min(room));
            self.chunk.update(piece);
            self.chunk_filled += count32(piece.len())?;
            if self.chunk_filled == self.spec.chunk_bytes {
                self.end_chunk();
            }
            bytes = rest;
        }
        Ok(())
    }

    fn end_chunk(&mut self) {
        if self.pending.is_empty() {
            self.pending_since = Instant::now();
        }
        self.pending.push(*self.chunk.finalize().as_bytes());
        self.chunk.reset();
        self.chunk_filled = 0;
    }

    fn vouch_when_due(&mut self) -> Outcome<()> {
        if !self.pending.is_empty() && self.pending_since.elapsed() >= VOUCH_AGE_MAX {
            self.vouch(None)?;
        }
        Ok(())
    }

    fn vouch(&mut self, end: Option<StreamEnd>) -> Outcome<()> {
        let digests = std::mem::take(&mut self.pending);
        let count = count32(digests.len())?;
        let first = self.chunks_vouched;
        let vouch = Vouch::sign(self.spec.assignment, first, digests, end, &self.key)?.encode();
        self.vouch_file
            .write_all(&vouch)
            .map_err(|error| ContentError::io(self.spec.vouch_path, &error))?;
        self.chunks_vouched += count;
        self.batch_chunks = (self.batch_chunks * 2).min(VOUCH_CHUNKS_MAX);
        self.tell(Some(&vouch))
    }

    fn tell(&mut self, vouch: Option<&[u8]>) -> Outcome<()> {
        let batch = PackBatch {
            assignment: self.spec.assignment,
            chunk_bytes: self.spec.chunk_bytes,
            vouch,
            chunks: self.chunks_vouched,
            stream_bytes: self.stream_bytes,
            files_packed: self.files_packed,
            bytes_packed: self.bytes_packed,
        };
        if (self.on_batch)(&batch) {
            Ok(())
        } else {
            Err(ContentError::Cancelled)
        }
    }
}

/// Removes a stream's file and its parcels, as far as they are there. What has become of a parcel
/// under another name stays.
pub fn remove_stream(path: &Path) -> Outcome<()> {
    StoredStream::remove(path).map_err(|error| ContentError::io(path, &error))
}

fn create_stream(path: &Path) -> Outcome<StoredStream> {
    let failed = |error| ContentError::io(path, &error);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    StoredStream::create(path).map_err(failed)
}

fn create(path: &Path) -> Outcome<File> {
    let failed = |error| ContentError::io(path, &error);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    // A new file, never the old one emptied: somebody may still be reading an earlier attempt.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    File::options()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed)
}

fn count32(count: usize) -> Outcome<u32> {
    u32::try_from(count).map_err(|_| ContentError::Internal {
        why: "a count is too large",
    })
}
