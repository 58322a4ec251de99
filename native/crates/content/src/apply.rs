//! From an assignment's stream to a staged, checked and durable release.

use crate::Outcome;
use crate::base::Base;
use crate::error::ContentError;
use crate::limits::SPACE_RESERVE_BYTES;
use crate::releases::{STAGING_PREFIX, number, staged_number};
use crate::section::unpack;
use crate::source::{Cancel, StreamSource};
use crate::stage::{Stage, check_digest, finish_directories};
use crate::stream_reader::StreamReader;
use crate::tree_file::write_tree;
use beneath::{Failure, Root};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use stored::StoredStream;
use wire::assignment::Header;
use wire::section::{SectionHeader, SectionKind};
use wire::steps::Step;
use wire::tree::{Entry, EntryKind, Tree};
use wire::{AssignmentId, Digest};

/// The base release on this disk.
#[derive(Debug, Clone, Copy)]
pub struct ApplyBase<'a> {
    /// Its tree.
    pub directory: &'a Path,
    /// Its manifest.
    pub tree_path: &'a Path,
}

/// What to apply, onto what, and where to.
#[derive(Clone, Copy)]
pub struct ApplyOptions<'a> {
    /// Says how much of the stream is verified and in the file.
    pub source: &'a dyn StreamSource,
    /// The stream file.
    pub stream_path: &'a Path,
    /// The assignment that was asked for; a stream of another is refused.
    pub assignment: AssignmentId,
    /// The base release, if one is held; needed when the header names one.
    pub base: Option<ApplyBase<'a>>,
    /// Where the release is to stand: `<site>/releases/<n>`. It is built in `.staging-<n>` beside
    /// and gets this name when it is whole, checked and durable. Missing parents are made.
    pub target_directory: &'a Path,
    /// Where its manifest is to stand: `<site>/trees/<n>.tree`.
    pub tree_path: &'a Path,
    /// Stops the work from another thread.
    pub cancel: &'a Cancel,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Hash of the staged tree: the one promised.
    pub tree_hash: Digest,
    /// Number of the release, from the header.
    pub release: u64,
    /// Files whose content came in the assignment.
    pub files_written: u64,
    /// Files that cost no bytes: linked or cloned from the base release.
    pub files_shared: u64,
    /// Bytes of the files written.
    pub bytes_written: u64,
}

/// Builds the release that an assignment describes while its stream still arrives. Blocks.
///
/// When it returns, the release stands whole at `target_directory`, every file it brought has the
/// digest promised or consists of chunks that were checked as they came, the tree has the hash
/// promised, and all of it survives a power cut. After any error nothing of it is left, and what
/// stood at `target_directory` before still does.
///
/// Errors: `ENGINE_ERR_ASSIGNMENT_CORRUPT`, `ENGINE_ERR_DIGEST_MISMATCH`,
/// `ENGINE_ERR_TREE_MISMATCH`, `ENGINE_ERR_BASE_MISSING`, `ENGINE_ERR_PATH_ESCAPES`,
/// `ENGINE_ERR_NO_SPACE`, `ENGINE_ERR_CANCELLED`, `ENGINE_ERR_RELAY_SESSION` when the source ended.
pub fn apply(options: &ApplyOptions<'_>) -> Outcome<Applied> {
    let mut reader = StreamReader::open(options.stream_path, options.source, options.cancel)?;
    let header = reader.header(&options.assignment)?;
    let place = Place::of(options.target_directory)?;
    let steps = reader.steps(&header)?;
    let base = open_base(options, &header)?;
    let tree = promised_tree(&header, base.as_ref(), &steps)?;
    let releases = Root::create(place.parent)?;
    check_space(&releases, &header, options)?;
    releases.remove_tree(&place.staging)?;
    let job = Job {
        options,
        header: &header,
        base: base.as_ref(),
        steps: &steps,
        tree: &tree,
    };
    let built = job.build(&releases, &place, &mut reader);
    if built.is_err() {
        // The first error is the one that matters; what cannot be removed now is removed by the
        // next attempt.
        let _ = releases.remove_tree(&place.staging);
    }
    built
}

/// Where the release is built and where it is to stand, both in one directory.
struct Place<'a> {
    parent: &'a Path,
    staging: Vec<u8>,
    name: Vec<u8>,
}

impl<'a> Place<'a> {
    /// Takes `<n>`, or `.staging-<n>` for the same.
    fn of(target: &'a Path) -> Outcome<Self> {
        let invalid = |why| ContentError::InvalidArgument {
            what: "target directory",
            why,
        };
        let parent = target.parent().ok_or(invalid("it has no parent"))?;
        let name = target
            .file_name()
            .ok_or(invalid("it has no name"))?
            .as_bytes();
        let number = number(name).or_else(|| staged_number(name));
        let number = number.ok_or(invalid("its name is not the number of a release"))?;
        Ok(Self {
            parent,
            staging: format!("{STAGING_PREFIX}{number}").into_bytes(),
            name: number.to_string().into_bytes(),
        })
    }
}

/// Opens the base that the header names and proves it by its tree's hash.
fn open_base(options: &ApplyOptions<'_>, header: &Header) -> Outcome<Option<Base>> {
    if header.base_release == 0 {
        return Ok(None);
    }
    let release = header.base_release;
    let missing = |why: &str| ContentError::BaseMissing {
        release,
        why: why.to_owned(),
    };
    let base = options.base.ok_or_else(|| missing("it was not given"))?;
    let base = Base::open(release, base.directory, base.tree_path)?;
    if base.tree.hash() != header.base_hash {
        return Err(missing("the one held has another hash"));
    }
    Ok(Some(base))
}

/// The tree that the steps make; it must be the one that the header promises.
fn promised_tree(header: &Header, base: Option<&Base>, steps: &[Step]) -> Outcome<Tree> {
    let tree = Tree::apply(base.map(|base| &base.tree), steps).map_err(|error| {
        // The steps are at fault, whatever they made.
        match error.code() {
            "ENGINE_ERR_TREE_CORRUPT" => ContentError::AssignmentCorrupt {
                why: "it makes no tree",
            },
            _ => ContentError::Wire(error),
        }
    })?;
    if tree.hash() != header.result_hash || tree.entries().len() != header.entry_count as usize {
        let why = "its steps make another tree".to_owned();
        return Err(ContentError::TreeMismatch { why });
    }
    Ok(tree)
}

/// Parcels that are there, of an attempt before, take their space already, where they can become
/// the release's files.
fn check_space(releases: &Root, header: &Header, options: &ApplyOptions<'_>) -> Outcome<()> {
    let space = releases.space()?;
    let device_of = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
    let releases_path = options.target_directory.parent();
    let can_be_linked = releases_path.and_then(device_of) == device_of(options.stream_path);
    let parcels_bytes = StoredStream::parcels_bytes(options.stream_path).unwrap_or(0);
    let taken_bytes = if can_be_linked { parcels_bytes } else { 0 };
    let need_bytes = header.disk_bytes.saturating_sub(taken_bytes);
    let need_bytes = need_bytes.saturating_add(SPACE_RESERVE_BYTES);
    let inodes = u64::from(header.step_count);
    if space.free_bytes >= need_bytes && space.free_inodes >= inodes {
        return Ok(());
    }
    let path = beneath::escaped(options.target_directory.as_os_str().as_bytes());
    Err(ContentError::NoSpace {
        path,
        need_bytes,
        have_bytes: space.free_bytes,
    })
}

struct Job<'a> {
    options: &'a ApplyOptions<'a>,
    header: &'a Header,
    base: Option<&'a Base>,
    steps: &'a [Step],
    tree: &'a Tree,
}

impl Job<'_> {
    fn build(
        &self,
        releases: &Root,
        place: &Place<'_>,
        reader: &mut StreamReader<'_>,
    ) -> Outcome<Applied> {
        let cancel = self.options.cancel;
        releases.create_dir(&place.staging, 0o700)?;
        let root = releases.sub(&place.staging)?;
        let mut stage = Stage::new(&root, self.base, cancel);
        self.lay_out(&mut stage)?;
        self.write_files(&mut stage, reader)?;
        reader.trailer(self.header)?;
        finish_directories(&root, self.tree, cancel)?;
        cancel.check()?;
        // The manifest first, so that the one sync makes its new directory durable too.
        write_tree(self.options.tree_path, self.tree)?;
        root.sync_file_system()?;
        put_in_place(releases, place)?;
        Ok(Applied {
            tree_hash: self.header.result_hash,
            release: self.header.release,
            files_written: stage.files_written,
            files_shared: stage.files_shared,
            bytes_written: stage.bytes_written,
        })
    }

    /// Makes all that needs no content from the stream: directories, links, and files that the base
    /// has. Tree and steps ascend by path both.
    fn lay_out(&self, stage: &mut Stage<'_>) -> Outcome<()> {
        let deletes = self
            .steps
            .partition_point(|step| matches!(step, Step::Delete { .. }));
        let mut changes = self.steps[deletes..].iter().peekable();
        for entry in self.tree.entries() {
            let step = changes.next_if(|step| step.path() == entry.path);
            match (&entry.kind, step) {
                (EntryKind::Directory, _) => stage.directory(&entry.path)?,
                (EntryKind::Link { target }, _) => {
                    stage.link(&entry.path, target, entry.mtime_ns)?;
                }
                (EntryKind::File { .. }, Some(Step::WriteFile { .. })) => {}
                (EntryKind::File { .. }, Some(Step::CopyFile { from, .. })) => {
                    stage.share(entry, from)?;
                }
                (EntryKind::File { .. }, _) => stage.share(entry, &entry.path)?,
            }
        }
        Ok(())
    }

    /// Writes the files whose content the stream brings, in its order, as it comes.
    fn write_files(&self, stage: &mut Stage<'_>, reader: &mut StreamReader<'_>) -> Outcome<()> {
        let mut content = Content {
            reader,
            base: self.base,
            section: None,
            header: None,
        };
        for (index, step) in self.steps.iter().enumerate() {
            let Step::WriteFile {
                path, size_bytes, ..
            } = step
            else {
                continue;
            };
            let entry = self
                .tree
                .get(path)
                .ok_or(ContentError::Internal { why: "no entry" })?;
            if let Some(header) = content.begins_whole(index, *size_bytes)? {
                content.whole(stage, entry, &header)?;
                continue;
            }
            let mut writer = stage.create(entry)?;
            let mut left = *size_bytes;
            let mut from_base = false;
            while left > 0 {
                let (piece, is_delta) = content.piece(index, path, left)?;
                writer.write(path, piece)?;
                left -= piece.len() as u64;
                from_base |= is_delta;
            }
            let done = stage.complete(&writer, entry);
            if let (Err(_), true, Some(base)) = (&done, from_base, self.base)
                && base.open_intact(path).is_none()
            {
                return Err(base.broken(path, "does not have its digest any more"));
            }
            done?;
        }
        content.end()
    }
}

/// The content of all files, one after the other, section by section.
struct Content<'a, 'b> {
    reader: &'a mut StreamReader<'b>,
    base: Option<&'a Base>,
    section: Option<Section>,
    /// The header of the section that is next, when it has been read.
    header: Option<SectionHeader>,
}

struct Section {
    raw: Vec<u8>,
    used: usize,
    is_delta: bool,
}

impl Section {
    const fn is_over(&self) -> bool {
        self.used >= self.raw.len()
    }
}

const OTHERS: &str = "a section belongs to another file";

const fn corrupt(why: &'static str) -> ContentError {
    ContentError::AssignmentCorrupt { why }
}

impl Content<'_, '_> {
    /// The header of the section that is next, if that is all of a file.
    fn begins_whole(&mut self, index: usize, size_bytes: u64) -> Outcome<Option<SectionHeader>> {
        let between = self.section.as_ref().is_none_or(Section::is_over);
        if size_bytes == 0 || !between {
            return Ok(None);
        }
        let header = match self.header.take() {
            Some(header) => header,
            None => self.reader.section_header()?,
        };
        if let SectionKind::Whole { file_bytes, .. } = header.kind {
            let belongs = header.first_step as usize == index && file_bytes == size_bytes;
            return if belongs {
                Ok(Some(header))
            } else {
                Err(corrupt(OTHERS))
            };
        }
        self.header = Some(header);
        Ok(None)
    }

    /// The file of the section that is all of it: its parcel, under another name once it is whole
    /// and right, or where there is none a file that is written.
    fn whole(
        &mut self,
        stage: &mut Stage<'_>,
        entry: &Entry,
        header: &SectionHeader,
    ) -> Outcome<()> {
        let range = self.reader.begin_whole(header)?;
        let mut buffer = Vec::new();
        let Some((directory, name)) = self.reader.parcel_of(&range) else {
            let mut writer = stage.create(entry)?;
            while self.reader.whole_piece(&range, &mut buffer)? > 0 {
                writer.write(&entry.path, &buffer)?;
            }
            return stage.complete(&writer, entry);
        };
        let is_right = self.reader.await_whole(&range, &mut buffer)?;
        let mut hasher = blake3::Hasher::new();
        while self.reader.whole_piece(&range, &mut buffer)? > 0 {
            hasher.update(&buffer);
        }
        self.reader.end_whole(&range);
        if !is_right {
            check_digest(entry, hasher.finalize().as_bytes())?;
        }
        stage.adopt(entry, &directory, name.as_bytes())
    }

    /// The next bytes of the file of step `index`, at most `left`, at least one; and whether they
    /// were made with the help of the base.
    fn piece(&mut self, index: usize, path: &[u8], left: u64) -> Outcome<(&[u8], bool)> {
        let section = match self.section.take() {
            Some(section) if !section.is_over() => section,
            _ => self.next_section(index, path, left)?,
        };
        let section = self.section.insert(section);
        let start = section.used;
        let room = section.raw.len() - start;
        let length = usize::try_from(left).map_or(room, |left| left.min(room));
        section.used += length;
        Ok((&section.raw[start..section.used], section.is_delta))
    }

    fn next_section(&mut self, index: usize, path: &[u8], left: u64) -> Outcome<Section> {
        let header = match self.header.take() {
            Some(header) => header,
            None => self.reader.section_header()?,
        };
        // All of a file that is not at its beginning any more is no file's.
        let is_whole = matches!(header.kind, SectionKind::Whole { .. });
        if header.first_step as usize != index || is_whole {
            return Err(corrupt(OTHERS));
        }
        let packed = self.reader.section_bytes(&header)?;
        let SectionKind::Delta {
            base_offset,
            base_bytes,
        } = header.kind
        else {
            let raw = unpack(&header, packed, None)?;
            return Ok(Section {
                raw,
                used: 0,
                is_delta: false,
            });
        };
        if u64::from(header.raw_bytes) > left {
            return Err(corrupt("a delta goes on beyond its file"));
        }
        let base = self.base.ok_or(corrupt("a delta has no base"))?;
        let (_, old_bytes, _) = base.file(path)?;
        if base_offset.saturating_add(u64::from(base_bytes)) > old_bytes {
            return Err(corrupt("a delta refers to more than its base has"));
        }
        let file = base.open_file(path)?;
        let mut window = vec![0; base_bytes as usize];
        file.read_exact_at(&mut window, base_offset)
            .map_err(|_| base.broken(path, "is too short"))?;
        let raw = unpack(&header, packed, Some(&window)).map_err(|error| {
            match base.open_intact(path) {
                Some(_) => error,
                None => base.broken(path, "was changed by somebody"),
            }
        })?;
        Ok(Section {
            raw,
            used: 0,
            is_delta: true,
        })
    }

    fn end(&self) -> Outcome<()> {
        match &self.section {
            Some(section) if !section.is_over() => {
                Err(corrupt("a section goes on beyond its files"))
            }
            _ => Ok(()),
        }
    }
}

/// Gives the finished release its name, in one step even where another stands there already, and
/// makes the name durable. The other one stands where this was built: a reader that was on its way
/// into it still finds its files, until the next pruning.
fn put_in_place(releases: &Root, place: &Place<'_>) -> Outcome<()> {
    match releases.stat(&place.name) {
        Err(error) if error.failure == Failure::Missing => {
            releases.rename(&place.staging, &place.name)?;
            releases.fsync(b"")?;
        }
        Err(error) => return Err(error.into()),
        Ok(_) => {
            releases.exchange(&place.staging, &place.name)?;
            releases.fsync(b"")?;
        }
    }
    Ok(())
}
