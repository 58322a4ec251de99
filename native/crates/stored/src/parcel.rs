//! One parcel: its name, its file, and what of its stretch was stored before it was there.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Most parcels of one stream: each keeps a file open in every process that sends it.
pub const PARCELS_MAX: usize = 1024;
/// Part of the files that a process may have open that parcels of one stream may be.
const PARCELS_PART: u64 = 8;
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
    pub(crate) file: File,
    /// The file is open for writing, too: from the first byte that is written until the parcel is
    /// sealed, for a program cannot be started while its file is.
    is_writable: bool,
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
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(MODE).open(&path)?;
        Ok(Self::new(range, file, true, path))
    }

    /// Opens one that was made before.
    pub(crate) fn find(path: PathBuf, range: Range<u64>) -> io::Result<Self> {
        let file = File::open(&path)?;
        Ok(Self::new(range, file, false, path))
    }

    const fn new(range: Range<u64>, file: File, is_writable: bool, path: PathBuf) -> Self {
        Self {
            range,
            file,
            is_writable,
            path,
            strays: Vec::new(),
        }
    }

    /// The file for writing. One that was a release's may be read-only still.
    pub(crate) fn writer(&mut self) -> io::Result<&File> {
        if !self.is_writable {
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            self.file = match options.open(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.file.set_permissions(Permissions::from_mode(MODE))?;
                    options.open(&self.path)?
                }
                other => other?,
            };
            self.is_writable = true;
        }
        Ok(&self.file)
    }

    /// All bytes are in it, and nothing more is written. Gives the stretches that were strays: what
    /// the stream's file has of them is not needed any more.
    pub(crate) fn seal(&mut self) -> io::Result<Vec<Range<u64>>> {
        if self.is_writable {
            self.file = File::open(&self.path)?;
            self.is_writable = false;
        }
        Ok(std::mem::take(&mut self.strays))
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

/// How many parcels this process may make of one stream.
pub(crate) fn parcels_max() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let part = files.map_or(PARCELS_MAX as u64, |files| files / PARCELS_PART);
    usize::try_from(part).map_or(PARCELS_MAX, |part| part.min(PARCELS_MAX))
}

/// Whether two stretches have a byte in common.
pub fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
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
/// Whoever `owns` the stream can do without one that may not be read, as a release's file may be,
/// and removes it.
pub(crate) fn find_all(directory: &Path, known: &[Parcel], owns: bool) -> io::Result<Vec<Parcel>> {
    let mut found: Vec<Parcel> = Vec::new();
    for range in ranges_in(directory)? {
        let overlaps = |parcel: &Parcel| overlap(&parcel.range, &range);
        if known.iter().chain(&found).any(overlaps) || known.len() + found.len() >= PARCELS_MAX {
            continue;
        }
        let path = directory.join(parcel_name(&range));
        match Parcel::find(path.clone(), range) {
            Err(error) if owns && error.kind() == io::ErrorKind::PermissionDenied => {
                std::fs::remove_file(path)?;
            }
            parcel => found.push(parcel?),
        }
    }
    Ok(found)
}

/// Space that the parcels in a directory take.
pub(crate) fn bytes_of_all(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for range in ranges_in(directory)? {
        match directory.join(parcel_name(&range)).metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => bytes += found?.blocks() * BLOCK_BYTES,
        }
    }
    Ok(bytes)
}

/// Removes the parcels in a directory, and the directory when nothing else is in it.
pub(crate) fn remove_all(directory: &Path) -> io::Result<()> {
    for range in ranges_in(directory)? {
        match std::fs::remove_file(directory.join(parcel_name(&range))) {
            // Somebody removes it, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    match std::fs::remove_dir(directory) {
        Err(error) => match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        },
        Ok(()) => Ok(()),
    }
}
