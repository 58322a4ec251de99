//! Reading the files of an assignment in step order and cutting them into sections.
//!
//! This thread reads and checks; a few others compress; sections are written in order.

use crate::Outcome;
use crate::base::Base;
use crate::blobs::Files;
use crate::error::{ContentError, shown};
use crate::limits::{
    ARRIVAL_PERIOD, DELTA_FILE_BYTES_MIN, DELTA_WINDOW_BYTES, OWN_SECTION_BYTES,
    PACK_QUEUE_SECTIONS, PACK_THREADS, READ_BUFFER_BYTES, READ_TRIES_MAX, SAMPLE_BYTES,
    WHOLE_FILE_BYTES_MIN, WHOLE_FILE_SAMPLES,
};
use crate::scan::stat_of;
use crate::section::{PackedSection, Packer, RawSection, Window};
use crate::stream_writer::StreamWriter;
use beneath::{Failure, Kind};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use wire::Digest;
use wire::limits::{DELTA_RAW_BYTES_MAX, SECTION_RAW_BYTES_MAX};
use wire::steps::Step;

const SECTION_BYTES: usize = SECTION_RAW_BYTES_MAX as usize;

/// Packs the content of all `WriteFile` steps into sections of the stream.
pub(crate) fn pack_files(
    source: &Files,
    base: Option<&Base>,
    steps: &[Step],
    writer: &mut StreamWriter<'_>,
) -> Outcome<()> {
    let (jobs, queue) = channel();
    let queue = Mutex::new(queue);
    std::thread::scope(|scope| {
        for _ in 0..PACK_THREADS {
            scope.spawn(|| compress_all(&queue));
        }
        // The collector owns the only sender: when it is gone, for whatever reason, threads end.
        let mut collector = Collector {
            source,
            base,
            sections: Sections {
                jobs,
                under_way: VecDeque::new(),
                writer,
            },
            pending: Vec::new(),
            pending_step: 0,
            files_ended: 0,
        };
        for (index, step) in steps.iter().enumerate() {
            if let Step::WriteFile {
                path,
                size_bytes,
                digest,
                ..
            } = step
            {
                let step = u32::try_from(index).map_err(|_| ContentError::Internal {
                    why: "there are too many steps",
                })?;
                collector.file(&Wanted {
                    step,
                    path,
                    size_bytes: *size_bytes,
                    digest,
                })?;
            }
        }
        collector.flush()?;
        collector.sections.drain(0)
    })
}

type Job = (RawSection, SyncSender<Outcome<PackedSection>>);

fn compress_all(queue: &Mutex<Receiver<Job>>) {
    let mut packer = Packer::new();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((section, reply)) = job else { return };
        let answer = match &mut packer {
            Some(packer) => packer.pack(section),
            None => Err(ContentError::Internal {
                why: "no memory for compression",
            }),
        };
        // Nobody listens any more when the pack has failed elsewhere.
        let _ = reply.send(answer);
    }
}

/// Sections on their way through the threads, in order.
struct Sections<'a, 'b> {
    jobs: Sender<Job>,
    under_way: VecDeque<Receiver<Outcome<PackedSection>>>,
    writer: &'a mut StreamWriter<'b>,
}

impl Sections<'_, '_> {
    fn push(&mut self, section: RawSection) -> Outcome<()> {
        let (reply, answer) = sync_channel(1);
        let gone = |_| ContentError::Internal {
            why: "a compressing thread ended",
        };
        self.jobs.send((section, reply)).map_err(gone)?;
        self.under_way.push_back(answer);
        self.drain(PACK_QUEUE_SECTIONS)
    }

    /// Writes finished sections until at most `left` are under way.
    fn drain(&mut self, left: usize) -> Outcome<()> {
        while self.under_way.len() > left {
            let Some(answer) = self.under_way.pop_front() else {
                break;
            };
            let packed = answer.recv().map_err(|_| ContentError::Internal {
                why: "a compressing thread ended",
            })??;
            self.writer.section(&packed)?;
        }
        Ok(())
    }
}

/// A file as the scan saw it: what is read must be that.
struct Wanted<'a> {
    step: u32,
    path: &'a [u8],
    size_bytes: u64,
    digest: &'a Digest,
}

impl Wanted<'_> {
    fn changing(&self) -> ContentError {
        ContentError::FileChanging {
            path: shown(self.path),
        }
    }

    fn unreadable(&self, error: &std::io::Error) -> ContentError {
        ContentError::SourceUnreadable {
            path: shown(self.path),
            why: error.to_string(),
        }
    }
}

struct Collector<'a, 'b> {
    source: &'a Files,
    base: Option<&'a Base>,
    sections: Sections<'a, 'b>,
    /// Bytes of the section that is being filled, the step its first byte belongs to, and how many
    /// files end in it.
    pending: Vec<u8>,
    pending_step: u32,
    files_ended: u64,
}

impl Collector<'_, '_> {
    fn file(&mut self, wanted: &Wanted<'_>) -> Outcome<()> {
        if wanted.size_bytes == 0 {
            if self.source.may_differ() {
                read_small(self.source, wanted)?;
            }
            self.files_ended += 1;
            return Ok(());
        }
        self.await_content(wanted)?;
        if let Some(base) = self.base.and_then(|base| base_file(base, wanted)) {
            return self.delta_file(wanted, &base);
        }
        if wanted.size_bytes >= WHOLE_FILE_BYTES_MIN && self.whole_file(wanted)? {
            return Ok(());
        }
        if wanted.size_bytes >= OWN_SECTION_BYTES {
            self.flush()?;
        }
        if wanted.size_bytes <= SECTION_BYTES as u64 {
            let content = read_small(self.source, wanted)?;
            self.append(wanted.step, &content)?;
        } else {
            let mut reader = LargeReader::open(self.source, wanted)?;
            let mut buffer = vec![0; SECTION_BYTES];
            while let Some(piece) = reader.next(&mut buffer)? {
                self.append(wanted.step, piece)?;
            }
        }
        self.files_ended += 1;
        Ok(())
    }

    /// Packs a large file as it is, if compressing it gains nothing; false: it has to be packed in
    /// another way.
    fn whole_file(&mut self, wanted: &Wanted<'_>) -> Outcome<bool> {
        let mut reader = LargeReader::open(self.source, wanted)?;
        if reader.shrinks()? {
            return Ok(false);
        }
        self.flush()?;
        self.sections.drain(0)?;
        let writer = &mut *self.sections.writer;
        if !writer.begin_whole(wanted.step, wanted.size_bytes)? {
            return Ok(false);
        }
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        while let Some(piece) = reader.next(&mut buffer)? {
            writer.whole_bytes(piece)?;
        }
        let files_ended = std::mem::take(&mut self.files_ended) + 1;
        writer.end_whole(wanted.size_bytes, files_ended)?;
        Ok(true)
    }

    /// Waits until the content of a file has arrived; what was read so far leaves meanwhile.
    fn await_content(&mut self, wanted: &Wanted<'_>) -> Outcome<()> {
        if self.source.has(wanted.digest) {
            return Ok(());
        }
        self.flush()?;
        self.sections.drain(0)?;
        while !self.source.has(wanted.digest) {
            self.sections.writer.idle()?;
            std::thread::sleep(ARRIVAL_PERIOD);
        }
        Ok(())
    }

    /// Fills sections up; a file's bytes go on in the next one where the first is full.
    fn append(&mut self, step: u32, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            if self.pending.is_empty() {
                self.pending_step = step;
                self.pending.reserve_exact(SECTION_BYTES);
            }
            let room = SECTION_BYTES - self.pending.len();
            let (piece, rest) = bytes.split_at(bytes.len().min(room));
            self.pending.extend_from_slice(piece);
            bytes = rest;
            if self.pending.len() == SECTION_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Outcome<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.sections.push(RawSection {
            first_step: self.pending_step,
            raw: std::mem::take(&mut self.pending),
            window: None,
            files_ended: std::mem::take(&mut self.files_ended),
        })
    }

    /// A changed file in sections of its own, each against a stretch of the old file around the
    /// same place.
    fn delta_file(&mut self, wanted: &Wanted<'_>, base: &BaseFile) -> Outcome<()> {
        self.flush()?;
        let whole = if wanted.size_bytes <= SECTION_BYTES as u64 {
            Some(read_small(self.source, wanted)?)
        } else {
            None
        };
        if let Some(raw) = whole {
            return self.push_delta(wanted, base, 0, raw, true);
        }
        let mut reader = LargeReader::open(self.source, wanted)?;
        let mut buffer = vec![0; DELTA_RAW_BYTES_MAX as usize];
        let mut offset = 0;
        while let Some(piece) = reader.next(&mut buffer)? {
            let raw = piece.to_vec();
            let start = offset;
            offset += raw.len() as u64;
            self.push_delta(wanted, base, start, raw, offset == wanted.size_bytes)?;
        }
        Ok(())
    }

    fn push_delta(
        &mut self,
        wanted: &Wanted<'_>,
        base: &BaseFile,
        offset: u64,
        raw: Vec<u8>,
        last: bool,
    ) -> Outcome<()> {
        let window = base.window(offset)?;
        let ended = std::mem::take(&mut self.files_ended) + u64::from(last);
        self.sections.push(RawSection {
            first_step: wanted.step,
            raw,
            window: Some(window),
            files_ended: ended,
        })
    }
}

/// Reads a file of at most one section whole; again when it is not what the scan saw.
fn read_small(source: &Files, wanted: &Wanted<'_>) -> Outcome<Vec<u8>> {
    for _ in 0..READ_TRIES_MAX {
        let file = match source.open(wanted.path, wanted.digest) {
            Err(error) if error.failure == Failure::Missing => continue,
            Err(error) => return Err(ContentError::unreadable(wanted.path, &error)),
            Ok(file) => file,
        };
        let length = usize::try_from(wanted.size_bytes).unwrap_or(SECTION_BYTES);
        let mut content = Vec::with_capacity(length + 1);
        let is_file = stat_of(&file).is_ok_and(|stat| stat.kind == Kind::File);
        if is_file {
            // One byte more than wanted shows that the file has grown.
            let limit = wanted.size_bytes + 1;
            file.take(limit)
                .read_to_end(&mut content)
                .map_err(|error| wanted.unreadable(&error))?;
        }
        if is_file && content.len() == length && wire::digest_of(&content) == *wanted.digest {
            return Ok(content);
        }
    }
    Err(wanted.changing())
}

/// Reads a large file piece by piece, checking at the end that it was what the scan saw.
struct LargeReader<'a> {
    wanted: &'a Wanted<'a>,
    file: File,
    hasher: blake3::Hasher,
    offset: u64,
}

impl<'a> LargeReader<'a> {
    /// What was read cannot be taken back, so a file that differs from the start is looked at again
    /// before anything is.
    fn open(source: &Files, wanted: &'a Wanted<'a>) -> Outcome<Self> {
        for _ in 0..READ_TRIES_MAX {
            let file = match source.open(wanted.path, wanted.digest) {
                Err(error) if error.failure == Failure::Missing => continue,
                Err(error) => return Err(ContentError::unreadable(wanted.path, &error)),
                Ok(file) => file,
            };
            let stat = stat_of(&file).map_err(|error| wanted.unreadable(&error))?;
            if stat.kind == Kind::File && stat.size_bytes == wanted.size_bytes {
                return Ok(Self {
                    wanted,
                    file,
                    hasher: blake3::Hasher::new(),
                    offset: 0,
                });
            }
        }
        Err(wanted.changing())
    }

    /// Whether any of a few samples, evenly apart, is worth compressing.
    fn shrinks(&self) -> Outcome<bool> {
        let mut packer = Packer::new().ok_or(ContentError::Internal {
            why: "no memory for compression",
        })?;
        let mut sample = vec![0; SAMPLE_BYTES];
        let apart = (self.wanted.size_bytes - SAMPLE_BYTES as u64) / (WHOLE_FILE_SAMPLES - 1);
        for index in 0..WHOLE_FILE_SAMPLES {
            self.read_at(&mut sample, index * apart)?;
            if packer.shrinks(&sample) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_at(&self, piece: &mut [u8], offset: u64) -> Outcome<()> {
        match self.file.read_exact_at(piece, offset) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.wanted.changing())
            }
            other => other.map_err(|error| self.wanted.unreadable(&error)),
        }
    }

    fn next<'b>(&mut self, buffer: &'b mut [u8]) -> Outcome<Option<&'b [u8]>> {
        let left = self.wanted.size_bytes - self.offset;
        if left == 0 {
            let same = *self.hasher.finalize().as_bytes() == *self.wanted.digest;
            return if same {
                Ok(None)
            } else {
                Err(self.wanted.changing())
            };
        }
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let piece = &mut buffer[..length];
        self.read_at(piece, self.offset)?;
        self.hasher.update(piece);
        self.offset += length as u64;
        Ok(Some(piece))
    }
}

/// The old version of a file that changed, known to be what its manifest says.
struct BaseFile {
    file: File,
    size_bytes: u64,
    release: u64,
}

/// The old version, when there is one that receivers hold too. One that is not what the manifest
/// says is left alone: the file then travels whole, and everybody can read it.
fn base_file(base: &Base, wanted: &Wanted<'_>) -> Option<BaseFile> {
    let (_, old_bytes, _) = base.file(wanted.path).ok()?;
    if old_bytes.min(wanted.size_bytes) < DELTA_FILE_BYTES_MIN {
        return None;
    }
    let (file, size_bytes) = base.open_intact(wanted.path)?;
    Some(BaseFile {
        file,
        size_bytes,
        release: base.release,
    })
}

impl BaseFile {
    fn window(&self, offset: u64) -> Outcome<Window> {
        let (offset, length) = window_at(offset, self.size_bytes);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| ContentError::BaseMissing {
                release: self.release,
                why: error.to_string(),
            })?;
        Ok(Window { offset, bytes })
    }
}

/// The stretch of an old file that a section at `offset` of the new one refers to: all of a file
/// that fits, else as much before the section's place as after it. Pure.
fn window_at(offset: u64, size_bytes: u64) -> (u64, u64) {
    let length = size_bytes.min(DELTA_WINDOW_BYTES);
    let before = (DELTA_WINDOW_BYTES - u64::from(DELTA_RAW_BYTES_MAX)) / 2;
    let start = offset.saturating_sub(before).min(size_bytes - length);
    (start, length)
}
