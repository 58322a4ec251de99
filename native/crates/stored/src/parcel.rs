//! One parcel: its name, its file, and what of its stretch was stored before it was there.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most parcels of one stream: each keeps a file open in every process that reads it.
pub const PARCELS_MAX: usize = 1024;
/// Mode of a parcel until it becomes a release's file.
const MODE: u32 = 0o600;
/// What `stat` counts in.
const BLOCK_BYTES: u64 = 512;

/// The directory of the parcels of a stream: `7.stream` has `7.parcels`.
pub fn parcels_directory(stream: &Path) -> PathBuf {
    stream.with_extension("parcels")
}

/// The name of the parcel of a stretch: where it begins and how long it is, in decimal digits. A
/// name is all that says where a parcel belongs, so nothing else has to be made durable with it.
pub fn parcel_name(range: &Range<u64>) -> String {
    format!("{}-{}", range.start, range.end.saturating_sub(range.start))
}

/// The stretch that a name stands for; `None` for a name that is not one of a parcel.
fn range_of(name: &str) -> Option<Range<u64>> {
    let (start, bytes) = name.split_once('-')?;
    let (start, bytes) = (start.parse::<u64>().ok()?, bytes.parse::<u64>().ok()?);
    let range = start..start.checked_add(bytes)?;
    (bytes > 0 && parcel_name(&range) == name).then_some(range)
}

#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) range: Range<u64>,
    /// For reading.
    pub(crate) file: File,
    /// For writing, from the first byte that is written until the parcel is sealed: a program
    /// cannot be started while its file is open for writing.
    writer: Option<File>,
    path: PathBuf,
    /// Stretches that are in the stream's file: they came before the parcel was made. Ascending,
    /// apart from each other.
    strays: Vec<Range<u64>>,
}

impl Parcel {
    /// Makes the file, or finds one that was made before.
    pub(crate) fn make(directory: &Path, range: Range<u64>) -> io::Result<Self> {
        let path = directory.join(parcel_name(&range));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(MODE);
        let writer = options.open(&path)?;
        let mut parcel = Self::find(path, range)?;
        parcel.writer = Some(writer);
        Ok(parcel)
    }

    /// Opens one that was made before.
    pub(crate) fn find(path: PathBuf, range: Range<u64>) -> io::Result<Self> {
        Ok(Self {
            range,
            file: File::open(&path)?,
            writer: None,
            path,
            strays: Vec::new(),
        })
    }

    /// The file for writing.
    pub(crate) fn writer(&mut self) -> io::Result<&File> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => OpenOptions::new().write(true).open(&self.path)?,
        };
        Ok(self.writer.insert(writer))
    }

    /// Nothing more is written.
    pub(crate) fn seal(&mut self) {
        self.writer = None;
    }

    /// Notes that a stretch of this parcel is in the stream's file.
    pub(crate) fn add_stray(&mut self, stray: Range<u64>) {
        let stray = stray.start.max(self.range.start)..stray.end.min(self.range.end);
        if stray.is_empty() {
            return;
        }
        let from = self.strays.partition_point(|known| known.end < stray.start);
        let to = self
            .strays
            .partition_point(|known| known.start <= stray.end);
        let joined = self.strays[from..to].iter().fold(stray, |all, known| {
            all.start.min(known.start)..all.end.max(known.end)
        });
        self.strays.splice(from..to, [joined]);
    }

    pub(crate) fn strays(&self) -> &[Range<u64>] {
        &self.strays
    }

    /// Whether an offset of this parcel is a stray, and up to where the same holds.
    pub(crate) fn is_stray(&self, offset: u64) -> (bool, u64) {
        let next = self.strays.partition_point(|known| known.end <= offset);
        match self.strays.get(next) {
            Some(stray) if stray.start <= offset => (true, stray.end),
            Some(stray) => (false, stray.start),
            None => (false, self.range.end),
        }
    }
}

/// The stretches that names in a directory stand for; other names are passed over.
fn ranges_in(directory: &Path) -> io::Result<Vec<Range<u64>>> {
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut ranges = Vec::new();
    for entry in entries {
        ranges.extend(entry?.file_name().to_str().and_then(range_of));
    }
    Ok(ranges)
}

/// The parcels in a directory that are none of `known` and overlap none; other files are left.
pub(crate) fn find_all(directory: &Path, known: &[Parcel]) -> io::Result<Vec<Parcel>> {
    let mut found: Vec<Parcel> = Vec::new();
    for range in ranges_in(directory)? {
        let overlaps =
            |parcel: &Parcel| parcel.range.start < range.end && range.start < parcel.range.end;
        if known.iter().chain(&found).any(overlaps) || known.len() + found.len() >= PARCELS_MAX {
            continue;
        }
        found.push(Parcel::find(directory.join(parcel_name(&range)), range)?);
    }
    Ok(found)
}

/// Space that the parcels in a directory take.
pub(crate) fn bytes_of_all(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for range in ranges_in(directory)? {
        bytes += directory.join(parcel_name(&range)).metadata()?.blocks() * BLOCK_BYTES;
    }
    Ok(bytes)
}

/// Removes the parcels in a directory, and the directory when nothing else is in it.
pub(crate) fn remove_all(directory: &Path) -> io::Result<()> {
    for range in ranges_in(directory)? {
        std::fs::remove_file(directory.join(parcel_name(&range)))?;
    }
    match std::fs::remove_dir(directory) {
        Err(error) => match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        },
        Ok(()) => Ok(()),
    }
}
