//! Goal: what is published stands on the node exactly, and nothing that failed leaves a trace.
//! Method: trees made and compared by the standard library, real files, the whole path each time.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

mod trees;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use content::{Cancel, ContentError, SourceEnd, StreamSource};
use trees::{Scene, assert_same, look, odd_tree, prose, set_mode, set_mtime, write};
use wire::vouch::{Vouch, public_key_of};

#[test]
fn an_odd_tree_arrives_exactly_on_an_empty_node() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    let (packed, applied) = scene.publish(1, 0);
    assert_same(&scene.source, &scene.release(1));
    assert_eq!(applied.bytes_written, packed.content_bytes);
    assert_eq!(applied.files_shared, 0);
    let again = content::summary(&content::scan_tree(&scene.release(1), &mut |_| true).unwrap());
    assert_eq!(again.tree_hash, applied.tree_hash);
    let names = fs::read_dir(scene.site.join("releases")).unwrap().count();
    assert_eq!(names, 1, "no staging directory is left");
}

#[test]
fn setuid_setgid_and_sticky_do_not_travel() {
    let scene = Scene::new();
    write(&scene.source, b"d/f", b"x");
    set_mode(&scene.source.join("d/f"), 0o6755);
    set_mode(&scene.source.join("d"), 0o3777);
    scene.publish(1, 0);
    let seen = look(&scene.release(1));
    assert_eq!(
        (seen[&b"d/f"[..]].mode, seen[&b"d"[..]].mode),
        (0o755, 0o777)
    );
}

/// Every kind of change between two releases.
fn edit(root: &Path) {
    let mut text = prose(1, 3 << 20);
    write(root, b"big", &text);
    for place in [10, 1 << 20, 2 << 20] {
        text.splice(place..place, *b"an insertion");
    }
    write(root, b"big", &text);
    fs::remove_file(root.join("sizes/noise-65536")).unwrap();
    fs::remove_dir_all(root.join("d")).unwrap();
    fs::rename(root.join("sizes/noise-5242880"), root.join("sizes/renamed")).unwrap();
    fs::copy(root.join("sizes/noise-1048577"), root.join("sizes/copy")).unwrap();
    set_mode(&root.join("names/A"), 0o600);
    set_mtime(&root.join("names/a"), 77, 77);
    fs::remove_file(root.join("up")).unwrap();
    std::os::unix::fs::symlink("elsewhere", root.join("up")).unwrap();
    fs::remove_file(root.join("sizes/prose-1")).unwrap();
    fs::create_dir(root.join("sizes/prose-1")).unwrap();
    write(root, b"sizes/prose-1/now-a-directory", b"x");
    fs::remove_dir_all(root.join("empty")).unwrap();
    write(root, b"empty", b"now a file");
    fs::remove_file(root.join("bytes")).unwrap();
    write(root, b"bytes", b"now a file too");
    write(root, b"modes/644", b"other content, same length or not");
    write(root, b"new/file", b"new");
    write(root, b"sizes/prose-0", b"not empty any more");
    write(root, b"sizes/prose-65535", b"");
}

#[test]
fn a_second_release_arrives_as_a_difference_and_equals_its_source() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    write(&scene.source, b"big", &prose(1, 3 << 20));
    scene.publish(1, 0);
    let first = look(&scene.release(1));
    edit(&scene.source);
    let (packed, applied) = scene.publish(2, 1);
    assert_same(&scene.source, &scene.release(2));
    assert!(applied.files_shared > 10, "{applied:?}");
    assert!(
        packed.stream_bytes < 100_000,
        "a delta of some inserted words: {packed:?}"
    );
    assert_eq!(
        look(&scene.release(1)),
        first,
        "the base release is what it was"
    );
}

#[test]
fn a_release_that_shares_files_is_never_changed_by_the_next_ones() {
    let scene = Scene::new();
    write(&scene.source, b"same", b"shared by all");
    write(&scene.source, b"mode", b"its mode changes");
    write(&scene.source, b"time", b"its time changes");
    write(&scene.source, b"text", b"its content changes");
    scene.publish(1, 0);
    let first = look(&scene.release(1));
    set_mode(&scene.source.join("mode"), 0o600);
    set_mtime(&scene.source.join("time"), 5, 5);
    write(&scene.source, b"text", b"other content now..");
    scene.publish(2, 1);
    assert_eq!(look(&scene.release(1)), first);
    let inode = |release, name| {
        fs::metadata(scene.release(release).join(name))
            .unwrap()
            .ino()
    };
    for name in ["mode", "time", "text"] {
        assert_ne!(
            inode(1, name),
            inode(2, name),
            "{name} has an inode of its own"
        );
    }
    let second = look(&scene.release(2));
    scene.publish(3, 2);
    content::prune_releases(&scene.site, &[2, 3], &[]).unwrap();
    assert_eq!(
        look(&scene.release(2)),
        second,
        "nor by the removal of another"
    );
}

#[test]
fn nothing_changed_costs_nothing() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    scene.publish(1, 0);
    let scanned = scene.scan(2).unwrap();
    assert!(scanned.comparison.identical);
    let (packed, applied) = scene.publish(2, 1);
    assert_eq!((packed.content_bytes, applied.bytes_written), (0, 0));
    assert_same(&scene.source, &scene.release(2));
}

#[test]
fn a_scan_counts_what_was_added_changed_and_deleted() {
    let scene = Scene::new();
    for name in ["a", "b", "c"] {
        write(&scene.source, name.as_bytes(), name.as_bytes());
    }
    let first = scene.scan(1).unwrap().comparison;
    assert_eq!(
        (first.files_added, first.shadow_file_count, first.identical),
        (3, 0, false)
    );
    scene.publish(1, 0);
    write(&scene.source, b"a", b"changed");
    write(&scene.source, b"d", b"added");
    fs::remove_file(scene.source.join("b")).unwrap();
    let second = scene.scan(2).unwrap().comparison;
    let counts = (
        second.files_added,
        second.files_changed,
        second.files_deleted,
    );
    assert_eq!((counts, second.shadow_file_count), ((1, 1, 1), 3));
}

#[test]
fn links_count_nowhere_and_yet_make_trees_differ() {
    let scene = Scene::new();
    write(&scene.source, b"a", b"a");
    write(&scene.source, b"b", b"b");
    symlink("a", scene.source.join("link")).unwrap();
    let first = scene.scan(1).unwrap();
    assert_eq!(
        (first.summary.file_count, first.comparison.files_added),
        (2, 2)
    );
    scene.publish(1, 0);

    fs::remove_file(scene.source.join("link")).unwrap();
    symlink("b", scene.source.join("link")).unwrap();
    let turned = scene.scan(2).unwrap().comparison;
    let expected = content::Comparison {
        shadow_file_count: 2,
        ..content::Comparison::default()
    };
    assert_eq!(turned, expected, "no file differs, but the trees do");

    fs::remove_file(scene.source.join("link")).unwrap();
    fs::remove_file(scene.source.join("b")).unwrap();
    symlink("a", scene.source.join("b")).unwrap();
    let replaced = scene.scan(2).unwrap().comparison;
    assert_eq!(
        (replaced.files_added, replaced.files_deleted),
        (0, 1),
        "a link in the place of a file is a file less"
    );
}

#[test]
fn every_chunk_is_vouched_for_after_it_is_in_the_file() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    scene.scan(1).unwrap();
    let public_key = public_key_of(&trees::KEY);
    let mut vouches = Vec::new();
    let mut batches = 0;
    let stream = scene.stream(1);
    let packed = scene
        .pack_with(1, 0, 4096, &mut |batch| {
            assert_eq!(
                batches == 0,
                batch.vouch.is_none(),
                "only the first has no vouch"
            );
            let length = fs::metadata(&stream).unwrap().len();
            assert!(length >= u64::from(batch.chunks.saturating_sub(1)) * 4096);
            vouches.extend(batch.vouch.map(|bytes| Vouch::decode(bytes).unwrap()));
            batches += 1;
            true
        })
        .unwrap();
    let bytes = fs::read(&stream).unwrap();
    let digests: Vec<_> = bytes.chunks(4096).map(wire::digest_of).collect();
    let mut next = 0;
    for (at, vouch) in vouches.iter().enumerate() {
        vouch.verify(&public_key).unwrap();
        assert_eq!((vouch.first, vouch.assignment), (next, packed.assignment));
        let most = 4 << at.min(6);
        assert!(
            vouch.digests.len() <= most + 1,
            "the first soon, then twice as many"
        );
        next = vouch.next();
        assert_eq!(vouch.digests, digests[vouch.first as usize..next as usize]);
        assert_eq!(vouch.end.is_some(), next == packed.chunk_count);
    }
    let end = vouches.last().unwrap().end.unwrap();
    assert_eq!(end.stream_bytes, bytes.len() as u64);
    assert!(end.fits(4096) && packed.chunk_count as usize == digests.len());
    let stored = fs::read(scene.path("1.vouch")).unwrap();
    assert_eq!(
        stored,
        vouches.iter().flat_map(Vouch::encode).collect::<Vec<_>>()
    );
    scene.apply(1, 0, packed.assignment).unwrap();
}

/// A stream of which a little more is shown each time somebody waits for it.
struct Growing {
    shown: Mutex<u64>,
    total: u64,
    step: u64,
    waits: Condvar,
}

impl StreamSource for Growing {
    fn wait_for(&self, bytes: u64, _limit: Duration) -> Result<u64, SourceEnd> {
        let mut shown = self.shown.lock().unwrap();
        if bytes > self.total {
            return Err(SourceEnd::Complete(self.total));
        }
        *shown = (*shown + self.step).min(self.total);
        self.waits.notify_all();
        Ok(*shown)
    }
}

/// A growing stream whose file is filled as it is shown. What is not shown yet is zeros in the
/// file, as in a preallocated one: a reader that did not wait would see them.
struct Filling<'a>(Growing, &'a [u8], fs::File);

impl StreamSource for Filling<'_> {
    fn wait_for(&self, bytes: u64, limit: Duration) -> Result<u64, SourceEnd> {
        let before = *self.0.shown.lock().unwrap();
        let shown = self.0.wait_for(bytes, limit)?;
        let part = &self.1[usize::try_from(before).unwrap()..usize::try_from(shown).unwrap()];
        self.2.write_all_at(part, before).unwrap();
        Ok(shown)
    }
}

#[test]
fn a_release_is_built_from_a_stream_that_grows_while_it_is_read() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    scene.scan(1).unwrap();
    let packed = scene.pack(1, 0);
    let whole = fs::read(scene.stream(1)).unwrap();
    fs::remove_file(scene.stream(1)).unwrap();
    let file = fs::File::create(scene.stream(1)).unwrap();
    file.set_len(whole.len() as u64).unwrap();
    let growing = Growing {
        shown: Mutex::new(0),
        total: whole.len() as u64,
        step: 50_001,
        waits: Condvar::new(),
    };
    let filling = Filling(growing, &whole, file);
    scene
        .apply_with(1, 0, packed.assignment, &filling, &Cancel::new())
        .unwrap();
    assert_same(&scene.source, &scene.release(1));
}

#[test]
fn a_source_that_ends_too_early_is_an_error_and_leaves_nothing() {
    struct Ended(SourceEnd, u64);
    impl StreamSource for Ended {
        fn wait_for(&self, bytes: u64, _limit: Duration) -> Result<u64, SourceEnd> {
            if bytes <= self.1 {
                Ok(self.1)
            } else {
                Err(self.0)
            }
        }
    }
    let scene = Scene::new();
    odd_tree(&scene.source);
    scene.scan(1).unwrap();
    let packed = scene.pack(1, 0);
    for bytes in [
        0,
        100,
        2_000,
        packed.stream_bytes / 2,
        packed.stream_bytes - 1,
    ] {
        for (end, code) in [
            (SourceEnd::Complete(bytes), "ENGINE_ERR_ASSIGNMENT_CORRUPT"),
            (SourceEnd::Closed, "ENGINE_ERR_RELAY_SESSION"),
        ] {
            let ended = Ended(end, bytes);
            let applied = scene.apply_with(1, 0, packed.assignment, &ended, &Cancel::new());
            assert_eq!(applied.unwrap_err().code(), code, "after {bytes} bytes");
            assert_eq!(no_release(&scene), 0);
        }
    }
}

fn no_release(scene: &Scene) -> usize {
    let releases = scene.site.join("releases");
    if releases.exists() {
        fs::read_dir(releases).unwrap().count()
    } else {
        0
    }
}

#[test]
fn a_cancelled_apply_ends_while_it_waits_and_leaves_nothing() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    scene.scan(1).unwrap();
    let packed = scene.pack(1, 0);
    let cancel = Cancel::new();
    let growing = Growing {
        shown: Mutex::new(0),
        total: packed.stream_bytes,
        step: 0,
        waits: Condvar::new(),
    };
    *growing.shown.lock().unwrap() = packed.stream_bytes / 2;
    std::thread::scope(|scope| {
        let applying = scope.spawn(|| scene.apply_with(1, 0, packed.assignment, &growing, &cancel));
        // It asks for what does not come, or ends without asking; it never keeps this test waiting.
        let mut asked = false;
        while !asked && !applying.is_finished() {
            let guard = growing.shown.lock().unwrap();
            let waited = growing.waits.wait_timeout(guard, Duration::from_millis(20));
            asked = !waited.unwrap().1.timed_out();
        }
        cancel.cancel();
        assert_eq!(applying.join().unwrap(), Err(ContentError::Cancelled));
    });
    assert_eq!(no_release(&scene), 0);
    assert!(!content::tree_path(&scene.site, 1).exists());
}

#[test]
fn a_cancelled_pack_leaves_no_file() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    scene.scan(1).unwrap();
    for stop_at in [0, 1, 3] {
        let mut batches = 0;
        let packed = scene.pack_with(1, 0, 4096, &mut |_| {
            batches += 1;
            batches <= stop_at
        });
        assert_eq!(packed.unwrap_err(), ContentError::Cancelled);
        assert!(!scene.stream(1).exists() && !scene.path("1.vouch").exists());
    }
    let stopped = content::scan_tree(&scene.source, &mut |_| false);
    assert_eq!(stopped.unwrap_err(), ContentError::Cancelled);
}

#[test]
fn a_scan_is_stopped_in_the_midst_of_a_file() {
    let scene = Scene::new();
    write(&scene.source, b"huge", b"");
    let huge = fs::File::options()
        .write(true)
        .open(scene.source.join("huge"))
        .unwrap();
    // A hole that nobody waits for; it takes no room.
    huge.set_len(256 << 30).unwrap();
    let stopped = content::scan_tree(&scene.source, &mut |_| false);
    assert_eq!(stopped.unwrap_err(), ContentError::Cancelled);
}
