//! Goal: a large file that does not shrink is written once where it arrives, whatever of it came
//! first, and what is wrong with such a file is refused as with any other.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod trees;

use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::time::Duration;

use content::{Cancel, ContentError, SourceEnd, StreamSource};
use stored::{StoredStream, parcels_directory};
use trees::{Scene, assert_same, noise, prose, write};

const LARGE: usize = 9 << 20;
const CHUNK: u64 = 65_536;

/// Files before, between and after two large ones; one that is large and shrinks.
fn large_tree(scene: &Scene) {
    for (name, content) in [
        ("a", prose(1, 100_000)),
        ("b", noise(2, LARGE)),
        ("c", noise(3, 70_001)),
        ("d", noise(4, LARGE + 12_345)),
        ("e", prose(5, LARGE)),
        ("empty", Vec::new()),
    ] {
        write(&scene.source, name.as_bytes(), &content);
    }
}

fn inode(path: &std::path::Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Names of the files beside a stream.
fn parcels(stream: &std::path::Path) -> Vec<std::path::PathBuf> {
    let found = fs::read_dir(parcels_directory(stream));
    found.map_or_else(
        |_| Vec::new(),
        |found| found.map(|entry| entry.unwrap().path()).collect(),
    )
}

#[test]
fn a_large_file_of_a_release_is_the_parcel_of_its_stream() {
    let scene = Scene::new();
    large_tree(&scene);
    scene.publish(1, 0);
    assert_same(&scene.source, &scene.release(1));
    let kept: Vec<u64> = parcels(&scene.stream(1))
        .iter()
        .map(|path| inode(path))
        .collect();
    assert_eq!(kept.len(), 2);
    for name in ["b", "d"] {
        assert!(
            kept.contains(&inode(&scene.release(1).join(name))),
            "{name}"
        );
    }
    StoredStream::remove(&scene.stream(1)).unwrap();
    assert!(parcels(&scene.stream(1)).is_empty());
    assert_same(&scene.source, &scene.release(1));
}

#[test]
fn a_large_file_that_changed_a_little_still_travels_as_a_difference() {
    let scene = Scene::new();
    large_tree(&scene);
    scene.publish(1, 0);
    let mut content = noise(2, LARGE);
    content.splice(1000..1000, *b"inserted");
    write(&scene.source, b"b", &content);
    let (packed, _) = scene.publish(2, 1);
    assert!(packed.stream_bytes < 100_000, "{}", packed.stream_bytes);
    assert_same(&scene.source, &scene.release(2));
}

/// A relay's part: puts chunks of a packed stream into another, in a given order.
struct Arriving {
    packed: StoredStream,
    bytes: u64,
    /// It has compared what it puts there.
    is_checked: bool,
    /// A chunk that it says it has and never wrote.
    lost: Option<usize>,
    state: Mutex<Arrived>,
}

struct Arrived {
    stream: StoredStream,
    has: Vec<bool>,
    /// Chunks that are still to come, the next one last.
    order: Vec<usize>,
    kept_apart: usize,
}

impl Arriving {
    fn new(from: &std::path::Path, to: &std::path::Path, order: Vec<usize>) -> Self {
        let mut packed = StoredStream::open(from).unwrap();
        packed.find_parcels().unwrap();
        let bytes = packed.file().metadata().unwrap().len();
        let state = Arrived {
            stream: StoredStream::open_to_write(to).unwrap(),
            has: vec![false; bytes.div_ceil(CHUNK) as usize],
            order,
            kept_apart: 0,
        };
        let state = Mutex::new(state);
        Self {
            packed,
            bytes,
            is_checked: false,
            lost: None,
            state,
        }
    }

    fn take(&self, count: usize) {
        let mut state = self.state.lock().unwrap();
        for _ in 0..count {
            let Some(index) = state.order.pop() else {
                return;
            };
            let start = index as u64 * CHUNK;
            let mut chunk = vec![0; CHUNK.min(self.bytes - start) as usize];
            self.packed.read_exact_at(&mut chunk, start).unwrap();
            if self.lost != Some(index) {
                state.stream.write_all_at(&chunk, start).unwrap();
            }
            state.has[index] = true;
        }
    }
}

impl StreamSource for Arriving {
    fn wait_for(&self, bytes: u64, _limit: Duration) -> Result<u64, SourceEnd> {
        if bytes > self.bytes {
            return Err(SourceEnd::Complete(self.bytes));
        }
        self.take(3);
        let state = self.state.lock().unwrap();
        let missing = state.has.iter().position(|has| !has);
        Ok(missing.map_or(self.bytes, |index| index as u64 * CHUNK))
    }

    fn is_checked(&self) -> bool {
        self.is_checked
    }

    fn keep_apart(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut state = self.state.lock().unwrap();
        if state.stream.add_parcel(&range).unwrap() {
            state.kept_apart += 1;
        }
        for index in (range.start / CHUNK)..range.end.div_ceil(CHUNK) {
            if state.has[index as usize] {
                let stray = (index * CHUNK).max(range.start)..((index + 1) * CHUNK).min(range.end);
                state.stream.add_stray(&stray);
            }
        }
        state.stream.strays(&range).to_vec()
    }

    fn seal(&self, range: Range<u64>) {
        self.state.lock().unwrap().stream.seal(&range).unwrap();
    }
}

/// Numbers in an order that a seed gives, not far from their own.
fn jumbled(count: usize, seed: u64, reach: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).rev().collect();
    for (at, byte) in noise(seed, count).into_iter().enumerate() {
        order.swap(at, (at + usize::from(byte) % reach).min(count - 1));
    }
    order
}

/// A packed stream that is elsewhere, and arrives in the order that a seed gives.
fn arriving(scene: &Scene, seed: u64, reach: usize) -> (content::Packed, Arriving) {
    large_tree(scene);
    scene.scan(1).unwrap();
    let packed = scene.pack(1, 0);
    let sent = scene.path("sent.stream");
    fs::rename(scene.stream(1), &sent).unwrap();
    let parcels_of = |stream| parcels_directory(stream);
    fs::rename(parcels_of(&scene.stream(1)), parcels_of(&sent)).unwrap();
    let count = packed.stream_bytes.div_ceil(CHUNK) as usize;
    let arriving = Arriving::new(&sent, &scene.stream(1), jumbled(count, seed, reach));
    (packed, arriving)
}

#[test]
fn whatever_arrives_first_the_release_is_right_and_large_files_are_its_parcels() {
    for (seed, reach, ahead) in [
        (1, 1, 0),
        (2, 8, 0),
        (3, 200, 40),
        (4, 255, 200),
        (5, 3, usize::MAX),
    ] {
        for is_checked in [false, true] {
            let scene = Scene::new();
            let (packed, mut arriving) = arriving(&scene, seed, reach);
            arriving.is_checked = is_checked;
            arriving.take(ahead);
            scene
                .apply_with(1, 0, packed.assignment, &arriving, &Cancel::new())
                .unwrap();
            assert_same(&scene.source, &scene.release(1));
            assert_eq!(arriving.state.lock().unwrap().kept_apart, 2);
            let names: Vec<u64> = parcels(&scene.stream(1))
                .iter()
                .map(|path| inode(path))
                .collect();
            assert!(
                names.contains(&inode(&scene.release(1).join("d"))),
                "order {seed}"
            );
        }
    }
}

#[test]
fn a_page_that_was_never_written_is_found_though_its_chunk_was_checked() {
    for ahead in [0, usize::MAX] {
        let scene = Scene::new();
        let (packed, mut arriving) = arriving(&scene, 6, 1);
        arriving.is_checked = true;
        arriving.lost = Some(LARGE / CHUNK as usize / 2);
        arriving.take(ahead);
        let failed = scene
            .apply_with(1, 0, packed.assignment, &arriving, &Cancel::new())
            .unwrap_err();
        assert_eq!(failed.code(), "ENGINE_ERR_DIGEST_MISMATCH", "{ahead}");
        assert!(!scene.release(1).exists());
    }
}

/// What was compared before it was written is not read to be hashed: it is taken for right.
#[test]
fn what_came_before_its_parcel_is_copied_and_not_hashed_where_its_chunks_were_checked() {
    for is_checked in [false, true] {
        let scene = Scene::new();
        let (packed, mut arriving) = arriving(&scene, 7, 1);
        arriving.is_checked = is_checked;
        arriving.take(usize::MAX);
        let middle = LARGE as u64 / 2;
        let state = arriving.state.get_mut().unwrap();
        state.stream.write_all_at(b"others", middle).unwrap();
        let applied = scene.apply_with(1, 0, packed.assignment, &arriving, &Cancel::new());
        assert_eq!(applied.is_ok(), is_checked);
    }
}

#[test]
fn where_a_file_can_have_no_second_name_its_bytes_are_copied() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let mut scene = Scene::new();
    scene.site = elsewhere.path().join("sites/www");
    if elsewhere.path().metadata().unwrap().dev() == scene.source.metadata().unwrap().dev() {
        return;
    }
    large_tree(&scene);
    scene.publish(1, 0);
    assert_same(&scene.source, &scene.release(1));
    assert_eq!(fs::metadata(scene.release(1).join("b")).unwrap().nlink(), 1);
}

#[test]
fn a_parcel_that_was_changed_is_a_digest_mismatch_and_leaves_nothing() {
    let scene = Scene::new();
    large_tree(&scene);
    scene.scan(1).unwrap();
    let packed = scene.pack(1, 0);
    let parcel = parcels(&scene.stream(1)).pop().unwrap();
    let mut content = fs::read(&parcel).unwrap();
    content[777] ^= 1;
    fs::write(&parcel, content).unwrap();
    let failed = scene.apply(1, 0, packed.assignment).unwrap_err();
    assert_eq!(failed.code(), "ENGINE_ERR_DIGEST_MISMATCH");
    assert!(!scene.release(1).exists());
    assert_eq!(fs::metadata(&parcel).unwrap().nlink(), 1);
}

#[test]
fn a_pack_that_is_stopped_leaves_no_parcel() {
    let scene = Scene::new();
    large_tree(&scene);
    scene.scan(1).unwrap();
    let mut seen = false;
    let stopped = scene.pack_with(1, 0, 0, &mut |batch| {
        seen |= !parcels(&scene.stream(1)).is_empty();
        batch.stream_bytes < LARGE as u64 / 2
    });
    assert_eq!(stopped, Err(ContentError::Cancelled));
    assert!(seen && !scene.stream(1).exists());
    assert!(!parcels_directory(&scene.stream(1)).exists());
}

#[test]
fn a_large_file_gets_the_group_that_its_directory_gives() {
    let scene = Scene::new();
    large_tree(&scene);
    let releases = scene.site.join("releases");
    fs::create_dir_all(&releases).unwrap();
    if std::os::unix::fs::chown(&releases, None, Some(33)).is_err() {
        return; // it takes root to give a directory to a group that one is not in
    }
    trees::set_mode(&releases, 0o2755);
    scene.publish(1, 0);
    assert_same(&scene.source, &scene.release(1));
    for name in ["a", "b"] {
        assert_eq!(
            fs::metadata(scene.release(1).join(name)).unwrap().gid(),
            33,
            "{name}"
        );
    }
}
