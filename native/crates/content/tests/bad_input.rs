//! Goal: no stream, base or disk leads to anything but a typed error, with nothing left behind and
//! nothing outside the target touched. Method: real streams, bent; and forged ones.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

mod trees;

use std::fs;

use content::{Cancel, StreamSource, WholeFile};
use trees::{Scene, look, prose, set_mtime, write};
use wire::assignment::Header;
use wire::tree::{Entry, EntryKind, Tree};

/// A node that holds release 1, and a stream of release 2 with plain, zstd and delta sections.
fn scene_with_two() -> (Scene, content::Packed) {
    let scene = Scene::new();
    write(&scene.source, b"text", &prose(1, 1_200));
    write(&scene.source, b"kept", b"kept");
    scene.publish(1, 0);
    let text = prose(1, 1_000);
    write(&scene.source, b"text", &text);
    write(&scene.source, b"new/prose", &prose(2, 300));
    write(&scene.source, b"new/zz", &trees::noise(2, 50));
    scene.scan(2).unwrap();
    let packed = scene.pack(2, 1);
    (scene, packed)
}

#[test]
fn a_byte_changed_anywhere_is_a_typed_error_that_leaves_nothing() {
    let (scene, packed) = scene_with_two();
    let whole = fs::read(scene.stream(2)).unwrap();
    assert!(whole.len() < 2_000, "every byte is tried: {}", whole.len());
    let before = scene.node();
    let site_files = before.len();
    for position in 0..whole.len() {
        let mut bent = whole.clone();
        bent[position] ^= 1 << (position % 8);
        fs::write(scene.stream(2), &bent).unwrap();
        if let Err(error) = scene.apply(2, 1, packed.assignment) {
            let expected = [
                "ENGINE_ERR_ASSIGNMENT_CORRUPT",
                "ENGINE_ERR_DIGEST_MISMATCH",
            ];
            let code = error.code();
            assert!(expected.contains(&code), "byte {position}: {error}");
        } else {
            // Steps are digested unpacked: a few bits of their frame mean nothing to zstd, and
            // what unpacks to the very same steps makes the very same release.
            trees::assert_same(&scene.source, &scene.release(2));
            fs::remove_dir_all(scene.release(2)).unwrap();
            fs::remove_file(content::tree_path(&scene.site, 2)).unwrap();
        }
        assert_eq!(
            look(&scene.release(1)),
            look_in(&before, "sites/www/releases/1")
        );
        assert_eq!(
            scene.node().len(),
            site_files,
            "byte {position} left something"
        );
    }
    fs::write(scene.stream(2), &whole).unwrap();
    scene.apply(2, 1, packed.assignment).unwrap();
    trees::assert_same(&scene.source, &scene.release(2));
}

fn look_in(
    all: &std::collections::BTreeMap<Vec<u8>, trees::Seen>,
    below: &str,
) -> std::collections::BTreeMap<Vec<u8>, trees::Seen> {
    let inner = all.iter().filter_map(|(path, seen)| {
        let rest = path.strip_prefix(below.as_bytes())?;
        Some((
            rest.strip_prefix(b"/").unwrap_or(rest).to_vec(),
            seen.clone(),
        ))
    });
    inner.collect()
}

#[test]
fn a_header_changed_by_who_names_it_anew_gives_an_error_or_the_promised_tree() {
    let (scene, _) = scene_with_two();
    let whole = fs::read(scene.stream(2)).unwrap();
    let (_, header_bytes) = Header::decode(&whole).unwrap();
    for position in 0..header_bytes {
        let mut bent = whole.clone();
        bent[position] ^= 0x10;
        fs::write(scene.stream(2), &bent).unwrap();
        let name = wire::assignment::assignment_id(&bent[..header_bytes]);
        if scene.apply(2, 1, name).is_ok() {
            trees::assert_same(&scene.source, &scene.release(2));
            fs::remove_dir_all(scene.release(2)).unwrap();
        } else {
            assert!(!scene.release(2).exists(), "byte {position}");
        }
    }
}

#[test]
fn a_stream_cut_anywhere_is_corrupt() {
    let (scene, packed) = scene_with_two();
    let whole = fs::read(scene.stream(2)).unwrap();
    for length in 0..whole.len() {
        fs::write(scene.stream(2), &whole[..length]).unwrap();
        let error = scene.apply(2, 1, packed.assignment).unwrap_err();
        assert_eq!(
            error.code(),
            "ENGINE_ERR_ASSIGNMENT_CORRUPT",
            "cut at {length}: {error}"
        );
    }
}

#[test]
fn an_assignment_that_was_not_asked_for_is_refused() {
    let (scene, _) = scene_with_two();
    let error = scene.apply(2, 1, [9; 16]).unwrap_err();
    assert_eq!(error.code(), "ENGINE_ERR_ASSIGNMENT_CORRUPT");
}

type Spoil = (&'static str, fn(&Scene));

#[test]
fn a_base_that_is_missing_wrong_or_touched_is_said_to_be_missing() {
    let spoil: [Spoil; 7] = [
        ("no directory", |scene| {
            fs::remove_dir_all(scene.release(1)).unwrap();
        }),
        ("no manifest", |scene| {
            fs::remove_file(content::tree_path(&scene.site, 1)).unwrap();
        }),
        ("a torn manifest", |scene| {
            fs::write(content::tree_path(&scene.site, 1), b"torn").unwrap();
        }),
        ("another manifest", |scene| {
            let path = scene.scanned_tree(2);
            fs::copy(path, content::tree_path(&scene.site, 1)).unwrap();
        }),
        ("a file gone", |scene| {
            fs::remove_file(scene.release(1).join("kept")).unwrap();
        }),
        ("a file touched", |scene| {
            set_mtime(&scene.release(1).join("kept"), 1, 1);
        }),
        ("the base of a delta edited, its time kept", |scene| {
            let path = scene.release(1).join("text");
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            let mut text = fs::read(&path).unwrap();
            text.reverse();
            fs::write(&path, text).unwrap();
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }),
    ];
    for (what, spoil) in spoil {
        let (scene, packed) = scene_with_two();
        spoil(&scene);
        let error = scene.apply(2, 1, packed.assignment).unwrap_err();
        assert_eq!(error.code(), "ENGINE_ERR_BASE_MISSING", "{what}: {error}");
        assert!(!scene.release(2).exists() && !content::tree_path(&scene.site, 2).exists());
    }
    let (scene, packed) = scene_with_two();
    let error = scene.apply(2, 0, packed.assignment).unwrap_err();
    assert_eq!(error.code(), "ENGINE_ERR_BASE_MISSING", "none given");
}

#[test]
fn what_an_interrupted_attempt_left_is_removed_first() {
    let (scene, packed) = scene_with_two();
    write(
        &scene.site,
        b"releases/.staging-2/text/old",
        b"left by a crash",
    );
    write(
        &scene.site,
        b"releases/.staging-2/other",
        b"left by a crash",
    );
    scene.apply(2, 1, packed.assignment).unwrap();
    trees::assert_same(&scene.source, &scene.release(2));
    scene.apply(2, 1, packed.assignment).unwrap();
    trees::assert_same(&scene.source, &scene.release(2));
    assert_eq!(content::list_releases(&scene.site).unwrap(), [1, 2]);
}

#[test]
fn a_target_that_is_no_release_is_the_callers_mistake() {
    let (scene, packed) = scene_with_two();
    let whole: &dyn StreamSource = &WholeFile::open(&scene.stream(2)).unwrap();
    let error = content::apply(&content::ApplyOptions {
        source: whole,
        stream_path: &scene.stream(2),
        assignment: packed.assignment,
        base: None,
        target_directory: &scene.path("precious"),
        tree_path: &scene.path("t"),
        cancel: &Cancel::new(),
    });
    assert_eq!(error.unwrap_err().code(), "ENGINE_ERR_INVALID_ARGUMENT");
}

fn entry(path: &[u8], kind: EntryKind) -> Entry {
    Entry {
        path: path.to_vec(),
        mode: 0o755,
        mtime_ns: 0,
        kind,
    }
}

#[test]
fn a_tree_of_a_release_says_what_it_is_and_a_damaged_one_that_it_is_damaged() {
    let scene = Scene::new();
    let digest = wire::digest_of(b"x");
    let tree = Tree::new(vec![
        entry(b"", EntryKind::Directory),
        entry(
            b"f",
            EntryKind::File {
                size_bytes: 1,
                digest,
            },
        ),
    ]);
    let path = scene.path("deep/down/1.tree");
    content::write_tree(&path, &tree.unwrap()).unwrap();
    let summary = content::summary(&content::read_tree(&path).unwrap());
    assert_eq!(
        (summary.file_count, summary.entry_count, summary.total_bytes),
        (1, 2, 1)
    );
    let mut bytes = fs::read(&path).unwrap();
    for position in 0..bytes.len() {
        bytes[position] ^= 4;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(
            content::read_tree(&path).unwrap_err().code(),
            "ENGINE_ERR_TREE_CORRUPT"
        );
        bytes[position] ^= 4;
    }
}
