//! A stream's file and its parcels as one run of bytes.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::parcel::{self, Parcel, overlap, parcel_name, parcels_directory, parcels_max};

/// Where a byte of the stream is, and how many after it lie there in one run.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The file.
    pub file: &'a File,
    /// The place in it.
    pub offset: u64,
    /// Bytes from there on; from 1. Of the stream's own file more than it may have.
    pub bytes: u64,
    /// Which parcel it is.
    parcel: Option<usize>,
}

impl Piece<'_> {
    /// Whether it is in the stream's own file.
    pub fn is_in_stream(&self) -> bool {
        self.parcel.is_none()
    }
}

/// A stream's file and its parcels.
#[derive(Debug)]
pub struct StoredStream {
    path: PathBuf,
    file: File,
    /// Ascending; none overlaps another.
    parcels: Vec<Parcel>,
}

impl StoredStream {
    /// A stream that is only read; somebody else may be writing it. Its parcels are not open yet.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::of(path, File::open(path)?))
    }

    /// A stream that is written by one owner; what is there stays, and its parcels are opened.
    pub fn open_to_write(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut stream = Self::of(path, options.open(path)?);
        stream.take_up(true)?;
        Ok(stream)
    }

    /// A new stream in place of another, which whoever reads it keeps.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::remove(path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        Ok(Self::of(path, options.open(path)?))
    }

    fn of(path: &Path, file: File) -> Self {
        Self {
            path: path.to_path_buf(),
            file,
            parcels: Vec::new(),
        }
    }

    /// Removes a stream and its parcels, as far as they are there.
    pub fn remove(path: &Path) -> io::Result<()> {
        parcel::remove_all(&parcels_directory(path))?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The path of its own file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its own file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Opens all parcels that are there and are not open yet.
    pub fn find_parcels(&mut self) -> io::Result<()> {
        self.take_up(false)
    }

    fn take_up(&mut self, owns: bool) -> io::Result<()> {
        let directory = parcels_directory(&self.path);
        let found = parcel::find_all(&directory, &self.parcels, owns)?;
        self.parcels.extend(found);
        self.parcels.sort_by_key(|parcel| parcel.range.start);
        Ok(())
    }

    /// Opens the parcel of exactly this stretch, if there is one.
    pub fn find_parcel(&mut self, range: &Range<u64>) -> io::Result<bool> {
        if self.find(range).is_some() {
            return Ok(true);
        }
        let path = parcels_directory(&self.path).join(parcel_name(range));
        let found = match Parcel::find(path, range.clone()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found?,
        };
        self.insert(found);
        Ok(true)
    }

    fn insert(&mut self, new: Parcel) {
        let comes_before = |parcel: &Parcel| parcel.range.start < new.range.start;
        let at = self.parcels.partition_point(comes_before);
        self.parcels.insert(at, new);
    }

    /// Closes the parcel of a stretch; it stays on the disk.
    pub fn close_parcel(&mut self, range: &Range<u64>) {
        self.parcels.retain(|parcel| parcel.range != *range);
    }

    /// Space that the parcels of a stream take.
    pub fn parcels_bytes(path: &Path) -> io::Result<u64> {
        parcel::bytes_of_all(&parcels_directory(path))
    }

    /// Whether a stretch has a parcel of its own, or part of one.
    pub fn is_apart(&self, range: &Range<u64>) -> bool {
        let next = self
            .parcels
            .partition_point(|parcel| parcel.range.end <= range.start);
        self.parcels
            .get(next)
            .is_some_and(|parcel| overlap(&parcel.range, range))
    }

    /// The file of the parcel of exactly this stretch.
    pub fn parcel(&self, range: &Range<u64>) -> Option<&File> {
        self.find(range).map(|parcel| &parcel.file)
    }

    /// The file of a parcel, for writing.
    pub fn parcel_to_write(&mut self, range: &Range<u64>) -> io::Result<Option<&File>> {
        self.find_mut(range).map(Parcel::writer).transpose()
    }

    /// The stretches that have parcels, ascending.
    pub fn parcels(&self) -> impl Iterator<Item = (&Range<u64>, &File)> {
        self.parcels
            .iter()
            .map(|parcel| (&parcel.range, &parcel.file))
    }

    /// Takes a parcel away. Whoever has another name for its file keeps that.
    pub fn drop_parcel(&mut self, range: &Range<u64>) -> io::Result<()> {
        if self.find(range).is_some() {
            std::fs::remove_file(parcels_directory(&self.path).join(parcel_name(range)))?;
            self.close_parcel(range);
        }
        Ok(())
    }

    fn find(&self, range: &Range<u64>) -> Option<&Parcel> {
        self.parcels.get(self.place_of(range)?)
    }

    fn find_mut(&mut self, range: &Range<u64>) -> Option<&mut Parcel> {
        let place = self.place_of(range)?;
        self.parcels.get_mut(place)
    }

    /// Which of the parcels is the one of exactly this stretch.
    fn place_of(&self, range: &Range<u64>) -> Option<usize> {
        let known = |parcel: &Parcel| parcel.range.start;
        let place = self
            .parcels
            .binary_search_by_key(&range.start, known)
            .ok()?;
        (self.parcels.get(place)?.range == *range).then_some(place)
    }

    /// Gives a stretch a parcel, which has none of its bytes yet but those of an earlier parcel of
    /// the same stretch. False when there cannot be one: it would overlap another or be one too
    /// many, for a stream or for the process.
    pub fn add_parcel(&mut self, range: &Range<u64>) -> io::Result<bool> {
        if self.find(range).is_some() {
            return Ok(true);
        }
        if range.is_empty() || self.is_apart(range) || self.parcels.len() >= parcels_max() {
            return Ok(false);
        }
        let directory = parcels_directory(&self.path);
        std::fs::create_dir_all(&directory)?;
        let made = match Parcel::make(&directory, range.clone()) {
            // As many files as may be are open: what is received need not wait for that.
            Err(error) if is_too_many(&error) => return Ok(false),
            made => made?,
        };
        self.insert(made);
        Ok(true)
    }

    /// Notes that a stretch is in the stream's own file, wherever it has parcels: it came before
    /// those did.
    pub fn add_stray(&mut self, range: &Range<u64>) {
        for parcel in &mut self.parcels {
            parcel.add_stray(range.clone());
        }
    }

    /// The stretches of a parcel that are in the stream's own file, ascending.
    pub fn strays(&self, range: &Range<u64>) -> &[Range<u64>] {
        self.find(range).map_or(&[], Parcel::strays)
    }

    /// Where the byte at an offset is.
    pub fn at(&self, offset: u64) -> Piece<'_> {
        let next = self
            .parcels
            .partition_point(|parcel| parcel.range.end <= offset);
        let own = |until: u64| Piece {
            file: &self.file,
            offset,
            bytes: until - offset,
            parcel: None,
        };
        match self.parcels.get(next) {
            None => own(u64::MAX),
            Some(parcel) if offset < parcel.range.start => own(parcel.range.start),
            Some(parcel) => match parcel.is_stray(offset) {
                (true, until) => own(until),
                (false, until) => Piece {
                    file: &parcel.file,
                    offset: offset - parcel.range.start,
                    bytes: until - offset,
                    parcel: Some(next),
                },
            },
        }
    }

    /// Fills a buffer.
    ///
    /// # Errors
    /// `UnexpectedEof` where not all of it is there.
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let piece = self.at(offset);
            let (part, rest) = buffer.split_at_mut(within(piece.bytes, buffer.len()));
            piece.file.read_exact_at(part, piece.offset)?;
            offset += part.len() as u64;
            buffer = rest;
        }
        Ok(())
    }

    /// Writes bytes, each where it belongs.
    pub fn write_all_at(&mut self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let Piece {
                offset: at,
                bytes: run,
                parcel,
                ..
            } = self.at(offset);
            let (part, rest) = bytes.split_at(within(run, bytes.len()));
            match parcel.and_then(|index| self.parcels.get_mut(index)) {
                None => self.file.write_all_at(part, at)?,
                Some(parcel) => parcel.writer()?.write_all_at(part, at)?,
            }
            offset += part.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Writes a stray into its parcel as well. Readers take it from the stream's own file still.
    pub fn copy_stray(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let holds = |parcel: &&mut Parcel| parcel.range.contains(&offset);
        match self.parcels.iter_mut().find(holds) {
            None => Err(io::ErrorKind::InvalidInput.into()),
            Some(parcel) => {
                let at = offset - parcel.range.start;
                parcel.writer()?.write_all_at(bytes, at)
            }
        }
    }

    /// Whether each page of a stretch of the stream's own file was written, as far as its file
    /// system tells.
    pub fn is_written(&self, range: &Range<u64>) -> bool {
        let first_hole = rustix::fs::seek(&self.file, SeekFrom::Hole(range.start));
        first_hole.is_ok_and(|hole| hole >= range.end)
    }

    /// Whether a parcel has its length, no page that was never written, as far as its file system
    /// tells, and no other name by which somebody may have written to it.
    pub fn is_untouched(&self, range: &Range<u64>) -> bool {
        let bytes = range.end - range.start;
        self.find(range).is_some_and(|Parcel { file, .. }| {
            let first_hole = rustix::fs::seek(file, SeekFrom::Hole(0));
            let is_own = |found: Metadata| found.len() == bytes && found.nlink() == 1;
            first_hole == Ok(bytes) && file.metadata().is_ok_and(is_own)
        })
    }

    /// Says that a parcel has all its bytes, strays included: from now on its file is open for
    /// reading only. Gives the stretches that were strays; the stream's file need not have them.
    pub fn seal(&mut self, range: &Range<u64>) -> io::Result<Vec<Range<u64>>> {
        self.find_mut(range)
            .map_or_else(|| Ok(Vec::new()), Parcel::seal)
    }

    /// Makes all that was written durable, the parcels' names too; not the name of its own file.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if self.parcels.is_empty() {
            return Ok(());
        }
        for parcel in &self.parcels {
            parcel.file.sync_data()?;
        }
        File::open(parcels_directory(&self.path))?.sync_all()
    }
}

/// The shorter of a run and a buffer.
fn within(bytes: u64, length: usize) -> usize {
    usize::try_from(bytes).map_or(length, |bytes| bytes.min(length))
}

fn is_too_many(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::MFILE | Errno::NFILE))
}
