//! Goal: whatever tree, whatever edits: what arrives equals what was published, by whole releases
//! and by differences. Method: random small trees, random edits, the whole path each time.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

mod trees;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use content::{Cancel, Difference, VerifyOptions, VerifyProgress, scan_tree, verify};
use proptest::collection::vec;
use proptest::prelude::*;
use trees::{Scene, assert_same, noise, prose, set_mode, set_mtime};
use wire::tree::{Entry, EntryKind, Tree};

#[derive(Debug, Clone)]
enum Edit {
    Write {
        at: u8,
        name: u8,
        size: usize,
        seed: u64,
    },
    Splice {
        at: u8,
        place: usize,
        seed: u64,
    },
    MakeDirectory {
        at: u8,
        name: u8,
    },
    MakeLink {
        at: u8,
        name: u8,
    },
    Remove {
        at: u8,
    },
    Rename {
        at: u8,
        into: u8,
        name: u8,
    },
    SetMode {
        at: u8,
        mode: u32,
    },
    SetTime {
        at: u8,
        seconds: u64,
        nanoseconds: u32,
    },
}

fn edits(most: usize) -> impl Strategy<Value = Vec<Edit>> {
    let size = prop_oneof![6 => 0usize..3000, 1 => 60_000usize..70_000, 1 => Just(1_100_000)];
    let edit = prop_oneof![
        6 => (any::<u8>(), any::<u8>(), size, any::<u64>())
            .prop_map(|(at, name, size, seed)| Edit::Write { at, name, size, seed }),
        3 => (any::<u8>(), 0usize..5000, any::<u64>())
            .prop_map(|(at, place, seed)| Edit::Splice { at, place, seed }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(at, name)| Edit::MakeDirectory { at, name }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(at, name)| Edit::MakeLink { at, name }),
        2 => any::<u8>().prop_map(|at| Edit::Remove { at }),
        2 => (any::<u8>(), any::<u8>(), any::<u8>())
            .prop_map(|(at, into, name)| Edit::Rename { at, into, name }),
        2 => (any::<u8>(), 0o000u32..=0o777)
            .prop_map(|(at, mode)| Edit::SetMode { at, mode: mode | 0o500 }),
        2 => (any::<u8>(), 0u64..4_000_000_000, 0u32..1_000_000_000)
            .prop_map(|(at, seconds, nanoseconds)| Edit::SetTime { at, seconds, nanoseconds }),
    ];
    vec(edit, 0..most)
}

/// A few names, so that edits meet; some odd.
fn name(index: u8) -> &'static OsStr {
    let names: [&[u8]; 6] = [b"a", b"b", b"a-b", b"\xff", b"a.b", b"c\n"];
    OsStr::from_bytes(names[index as usize % names.len()])
}

fn entries(root: &Path, wanted: fn(&Path) -> bool) -> Vec<PathBuf> {
    let paths = trees::look(root)
        .into_keys()
        .map(|path| root.join(OsStr::from_bytes(&path)));
    paths.filter(|path| wanted(path)).collect()
}

fn pick(paths: &[PathBuf], index: u8) -> Option<&PathBuf> {
    paths.get(index as usize % paths.len().max(1))
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().unwrap().is_dir()
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().unwrap().is_file()
}

/// Does what can be done; what cannot (a name that is taken, a root that cannot be removed) is
/// passed over.
fn perform(root: &Path, edit: &Edit) {
    let directories = entries(root, is_directory);
    let below: Vec<_> = entries(root, |_| true)
        .into_iter()
        .filter(|path| path != root)
        .collect();
    match *edit {
        Edit::Write {
            at,
            name: index,
            size,
            seed,
        } => {
            let content = if seed % 3 == 0 {
                noise(seed, size)
            } else {
                prose(seed, size)
            };
            let path = pick(&directories, at).unwrap().join(name(index));
            if path.symlink_metadata().is_ok() {
                return;
            }
            fs::write(path, content).unwrap();
        }
        Edit::Splice { at, place, seed } => {
            let files = entries(root, is_file);
            let Some(path) = pick(&files, at) else { return };
            let mut content = fs::read(path).unwrap();
            let place = place.min(content.len());
            content.splice(place..place, prose(seed, 20));
            fs::remove_file(path).unwrap();
            fs::write(path, content).unwrap();
        }
        Edit::MakeDirectory { at, name: index } => {
            let _ = fs::create_dir(pick(&directories, at).unwrap().join(name(index)));
        }
        Edit::MakeLink { at, name: index } => {
            let path = pick(&directories, at).unwrap().join(name(index));
            let _ = std::os::unix::fs::symlink(name(at), path);
        }
        Edit::Remove { at } => {
            let Some(path) = pick(&below, at) else { return };
            if is_directory(path) {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        Edit::Rename {
            at,
            into,
            name: index,
        } => {
            let (Some(from), Some(into)) = (pick(&below, at), pick(&directories, into)) else {
                return;
            };
            let to = into.join(name(index));
            if to.symlink_metadata().is_err() {
                let _ = fs::rename(from, to);
            }
        }
        Edit::SetMode { at, mode } => {
            if let Some(path) = pick(&below, at).filter(|path| !path.is_symlink()) {
                set_mode(path, mode | if is_directory(path) { 0o700 } else { 0o400 });
            }
        }
        Edit::SetTime {
            at,
            seconds,
            nanoseconds,
        } => {
            if let Some(path) = pick(&below, at).filter(|path| !path.is_symlink()) {
                set_mtime(path, seconds, nanoseconds);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_and_any_edits_arrive_exactly(
        first in edits(25), second in edits(15), third in edits(8),
    ) {
        let scene = Scene::new();
        for (release, edits) in [(1, &first), (2, &second), (3, &third)] {
            for edit in edits {
                perform(&scene.source, edit);
            }
            let before = (release > 1).then(|| trees::look(&scene.release(release - 1)));
            scene.publish(release, release - 1);
            assert_same(&scene.source, &scene.release(release));
            if let Some(before) = before {
                prop_assert_eq!(trees::look(&scene.release(release - 1)), before);
            }
        }
        // A node that missed everything gets the last release whole, and the same.
        let packed = scene.pack(3, 0);
        fs::remove_dir_all(&scene.site).unwrap();
        scene.apply(3, 0, packed.assignment).unwrap();
        assert_same(&scene.source, &scene.release(3));
    }
}

/// Turns one bit of a file, as a disk would: without a trace in its times.
fn rot(root: &Path, at: u8, place: usize) {
    let files = entries(root, is_file);
    let Some(path) = pick(&files, at) else { return };
    let mut content = fs::read(path).unwrap();
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let place = place % content.len().max(1);
    let Some(byte) = content.get_mut(place) else {
        return;
    };
    *byte ^= 0x10;
    fs::write(path, content).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(modified).unwrap();
}

fn differs(old: &Entry, new: &Entry) -> Option<Difference> {
    match (&old.kind, &new.kind) {
        (
            EntryKind::File { size_bytes, digest },
            EntryKind::File {
                size_bytes: size,
                digest: is,
            },
        ) => {
            if size_bytes != size {
                return Some(Difference::Size);
            }
            if digest != is {
                return Some(Difference::Content);
            }
        }
        (EntryKind::Link { target }, EntryKind::Link { target: is }) if target != is => {
            return Some(Difference::Target);
        }
        (EntryKind::Link { .. }, EntryKind::Link { .. })
        | (EntryKind::Directory, EntryKind::Directory) => {}
        _ => return Some(Difference::Type),
    }
    if old.mode != new.mode {
        return Some(Difference::Mode);
    }
    (old.mtime_ns != new.mtime_ns).then_some(Difference::Mtime)
}

/// What two trees differ in; of what only the second has, the topmost.
fn naive(old: &Tree, new: &Tree) -> Vec<(Vec<u8>, Difference)> {
    let is_directory = |tree: &Tree, path: &[u8]| {
        tree.get(path)
            .is_some_and(|entry| entry.kind == EntryKind::Directory)
    };
    let mut found = Vec::new();
    for entry in old.entries() {
        let difference = match new.get(&entry.path) {
            None => Some(Difference::Missing),
            Some(is) => differs(entry, is),
        };
        found.extend(difference.map(|difference| (entry.path.clone(), difference)));
    }
    for entry in new
        .entries()
        .iter()
        .filter(|entry| old.get(&entry.path).is_none())
    {
        let (above, _) = beneath::split_path(&entry.path);
        if is_directory(old, above) && is_directory(new, above) {
            found.push((entry.path.clone(), Difference::Extra));
        }
    }
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_verify_finds_is_what_two_scans_differ_in(
        before in edits(25), after in edits(8), rots in vec((any::<u8>(), any::<usize>()), 0..3),
    ) {
        let scene = Scene::new();
        for edit in &before {
            perform(&scene.source, edit);
        }
        let manifest = scene.path("was.tree");
        let old = scan_tree(&scene.source, &mut |_| true).unwrap();
        content::write_tree(&manifest, &old).unwrap();
        for edit in &after {
            perform(&scene.source, edit);
        }
        for (at, place) in rots {
            rot(&scene.source, at, place);
        }
        let new = scan_tree(&scene.source, &mut |_| true).unwrap();
        let verified = verify(&VerifyOptions {
            directory: &scene.source,
            tree_path: &manifest,
            rate_bps: None,
            findings_max: usize::MAX,
            cancel: &Cancel::new(),
            progress: &VerifyProgress::default(),
        })
        .unwrap();
        let named = verified.findings.iter().map(|each| (each.path.clone(), each.difference));
        let found: Vec<_> = named.collect();
        prop_assert_eq!(verified.mismatches, found.len() as u64);
        prop_assert!(found.is_sorted_by(|one, other| one.0 < other.0), "ascending, each path once");
        prop_assert_eq!(found, naive(&old, &new));
        prop_assert_eq!(verified.tree_hash, old.hash());
    }
}
