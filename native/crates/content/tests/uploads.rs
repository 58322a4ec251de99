//! Goal: a tree described from afar is the tree that was meant, a description that cannot be one is
//! refused by its line, and content that arrives late is packed like content that was there.
//! Method: odd trees by way of their text and blobs; a table of bad lines; random names.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod trees;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use content::{Command, ContentError, HeldRelease, PackBase, PackOptions, Packed};
use proptest::collection::vec;
use proptest::prelude::*;
use trees::{KEY, Scene, assert_same, noise, odd_tree, write};
use wire::tree::{Entry, EntryKind, Tree};

fn hex(digest: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn refusal(text: &[u8]) -> Result<u64, (u64, String)> {
    let outside = tempfile::tempdir().unwrap();
    let (manifest, tree) = (outside.path().join("m"), outside.path().join("t"));
    fs::write(&manifest, text).unwrap();
    match content::read_manifest(&manifest, &tree) {
        Ok(summary) => Ok(summary.entry_count),
        Err(ContentError::ManifestInvalid { line, why }) => {
            assert!(!tree.exists(), "nothing is written");
            Err((line, why))
        }
        Err(other) => panic!("{other}"),
    }
}

const DIGEST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn file(path: &str) -> String {
    format!(r#"{{"path":"{path}","kind":"file","mtimeNs":"1","sizeBytes":1,"digest":"{DIGEST}"}}"#)
}

fn entry(path: &str, rest: &str) -> String {
    format!(r#"{{"path":"{path}","mtimeNs":"1",{rest}}}"#)
}

#[test]
fn what_is_no_plain_path_below_the_root_is_refused() {
    let long_name = "x".repeat(256);
    let long_path = "y/".repeat(2048) + "y";
    let escaped_name = "%41".repeat(256);
    for path in [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a/./b",
        "a//b",
        ".",
        "..",
        "a/",
        "%2e%2e/x",
        "a%2fb",
        "a%2Fb",
        "%00",
        "a\\u0000b",
        "%",
        "%4",
        "%zz",
        &long_name,
        &long_path,
        &escaped_name,
    ] {
        let (line, _) = refusal(file(path).as_bytes()).unwrap_err();
        assert_eq!(line, 1, "{path}");
    }
    for path in [
        "..\\\\x",
        "%c0%ae",
        "a%0Ab",
        "%1b[31m",
        "<script>",
        "__proto__",
        "constructor",
        "...",
        "%252e",
    ] {
        assert_eq!(refusal(file(path).as_bytes()), Ok(2), "{path}");
    }
}

#[test]
fn lines_that_do_not_make_a_tree_together_are_refused_by_the_line() {
    let link =
        |path: &str, target: &str| entry(path, &format!(r#""kind":"link","target":"{target}""#));
    let dir = |path: &str| entry(path, r#""kind":"dir""#);
    let cases = [
        (vec![file("a"), file("a")], 0, "twice"),
        (vec![file("a"), file("%61")], 0, "twice"),
        (vec![dir("a"), file("a")], 0, "twice"),
        (vec![file("a"), file("a/b")], 2, "lies in no directory"),
        (
            vec![link("l", "/etc"), file("l/x")],
            2,
            "lies in no directory",
        ),
        (vec![file("d/x")], 1, "lies in no directory"),
        (vec![file("")], 1, "is the root"),
        (
            vec![file("a"), file("b").replace(":1,", ":2,")],
            2,
            "another size",
        ),
    ];
    for (lines, wanted_line, wanted_why) in cases {
        let (number, why) = refusal(lines.join("\n").as_bytes()).unwrap_err();
        assert!(why.contains(wanted_why), "{why}");
        assert!(wanted_line == 0 || number == wanted_line, "{number} {why}");
    }
    assert_eq!(
        refusal(
            &[dir("d"), link("d/l", ".."), file("d/x")]
                .join("\n")
                .into_bytes()
        ),
        Ok(4)
    );
    assert_eq!(refusal(b""), Ok(1), "an empty tree is one");
}

#[test]
fn values_that_cannot_be_are_refused() {
    let with = |from: &str, to: &str| file("a").replace(from, to);
    let longest = format!("{}{}", file("a"), " ".repeat(40_000));
    let cases = [
        with(":1,", ":-1,"),
        with(":1,", ":9007199254740992,"),
        with(":1,", ":9223372036854775808,"),
        with(":1,", ":1e308,"),
        with(":1,", r#":"12","#),
        with(":1,", ":1.5,"),
        with(":1,", ":0,"),
        with(r#""1""#, r#""-""#),
        with(r#""1""#, r#""9223372036854775808""#),
        with(r#""1""#, "1"),
        with(DIGEST, &DIGEST[1..]),
        with(DIGEST, &DIGEST.to_uppercase()),
        with(DIGEST, &DIGEST.replace('a', "g")),
        with("}", r#","mode":"4755"}"#),
        with("}", r#","mode":"888"}"#),
        with("}", r#","mode":"+7"}"#),
        with("}", r#","mode":420}"#),
        with("}", r#","target":"x"}"#),
        with("}", r#","uid":0}"#),
        with("}", r#","path":"b"}"#),
        with("}", r#","__proto__":{}}"#),
        with("file", "fifo"),
        with("file", "dir"),
        with("file", "link"),
        entry("a", r#""kind":"file""#),
        entry("a", r#""kind":"link""#),
        entry("a", r#""kind":"link","target":"""#),
        entry("a", r#""kind":"link","target":"%00""#),
        "[".repeat(30_000),
        "null".to_owned(),
        "{".to_owned(),
        longest,
    ];
    for text in &cases {
        let refused = refusal(text.as_bytes());
        assert!(
            matches!(refused, Err((1, _))),
            "{refused:?} {}",
            &text[..text.len().min(200)]
        );
    }
    assert!(refusal(b"{\"path\":\"\xff\"}").is_err(), "no UTF-8");
    let huge: Vec<_> = (0..2)
        .map(|i| {
            let digest = hex(&[i; 32]);
            file(&format!("{i}"))
                .replace(":1,", ":9007199254740991,")
                .replace(DIGEST, &digest)
        })
        .collect();
    assert!(
        refusal(huge.join("\n").as_bytes())
            .unwrap_err()
            .1
            .contains("too large")
    );
}

proptest! {
    #[test]
    fn any_tree_is_itself_again_after_it_was_text(
        names in vec(vec(any::<u8>(), 1..40), 0..20),
        mtime_ns in any::<i64>(),
        mode in 0_u32..0o1000,
    ) {
        let root = EntryKind::Directory;
        let mut entries = vec![Entry { path: Vec::new(), mode, mtime_ns, kind: root }];
        for (index, name) in names.iter().enumerate() {
            let plain = name.iter().map(|&b| if b == 0 || b == b'/' { b'%' } else { b });
            let mut path: Vec<u8> = plain.collect();
            path.push(u8::try_from(index).unwrap() + b'A');
            let kind = match index % 3 {
                0 => EntryKind::Directory,
                1 => EntryKind::File { size_bytes: 1, digest: [u8::try_from(index).unwrap(); 32] },
                _ => EntryKind::Link { target: [b"../", path.as_slice()].concat() },
            };
            let mode = if index % 3 == 2 { 0o777 } else { mode };
            entries.push(Entry { path, mode, mtime_ns, kind });
        }
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        entries.dedup_by(|one, other| one.path == other.path);
        let tree = Tree::new(entries).unwrap();
        let outside = tempfile::tempdir().unwrap();
        let path = |name: &str| outside.path().join(name);
        content::write_tree(&path("one"), &tree).unwrap();
        content::write_manifest(&path("one"), &path("text")).unwrap();
        content::read_manifest(&path("text"), &path("other")).unwrap();
        prop_assert_eq!(content::read_tree(&path("other")).unwrap(), tree);
    }

    #[test]
    fn no_bytes_make_the_reader_of_manifests_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = refusal(&bytes);
    }
}

/// The files of a scene's source by digest in a flat directory; gives its path.
fn blobs_of(scene: &Scene, tree: &Tree, skip: impl Fn(&[u8]) -> bool) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let blobs = scene.path("blobs");
    let _ = fs::create_dir(&blobs);
    for entry in tree.entries() {
        if let EntryKind::File { digest, .. } = &entry.kind
            && !skip(&entry.path)
        {
            let from = scene.source.join(std::ffi::OsStr::from_bytes(&entry.path));
            let to = blobs.join(hex(digest));
            if !to.exists() {
                // There whole or not at all, as blobs arrive.
                let beside = scene.path("beside");
                fs::copy(from, &beside).unwrap();
                fs::rename(beside, to).unwrap();
            }
        }
    }
    blobs
}

fn pack_blobs(
    scene: &Scene,
    release: u64,
    blobs: &Path,
    held: &[HeldRelease<'_>],
    on_batch: &mut dyn FnMut() -> bool,
) -> Result<Packed, ContentError> {
    let base_directory = scene.release(release - 1);
    let base_tree = content::tree_path(&scene.site, release - 1);
    let base = PackBase {
        release: release - 1,
        directory: &base_directory,
        tree_path: &base_tree,
    };
    let options = PackOptions {
        directory: blobs,
        tree_path: &scene.scanned_tree(release),
        base: (release > 1).then_some(base),
        serial: release,
        command: Command::Publish,
        site: "www",
        release,
        out_path: &scene.stream(release),
        vouch_path: &scene.path(&format!("{release}.vouch")),
        chunk_bytes: 0,
        signing_key: &KEY,
        created_ns: 1,
    };
    content::pack_blobs(&options, held, &mut |_| on_batch())
}

#[test]
fn blobs_that_arrive_while_it_packs_make_the_same_release() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    write(&scene.source, b"zz/late", &noise(9, 3 << 20));
    let scanned = scene.scan(1).unwrap();
    let tree = content::read_tree(&scene.scanned_tree(1)).unwrap();
    let blobs = blobs_of(&scene, &tree, |path| {
        path == b"zz/late" || path.starts_with(b"sizes")
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(120));
            blobs_of(&scene, &tree, |path| path == b"zz/late");
            std::thread::sleep(Duration::from_millis(120));
            blobs_of(&scene, &tree, |_| false);
        });
        let packed = pack_blobs(&scene, 1, &blobs, &[], &mut || true).unwrap();
        let applied = scene.apply(1, 0, packed.assignment).unwrap();
        assert_eq!(applied.tree_hash, scanned.summary.tree_hash);
    });
    assert_same(&scene.source, &scene.release(1));
}

#[test]
fn a_pack_that_waits_is_stopped_and_leaves_nothing() {
    let scene = Scene::new();
    write(&scene.source, b"never", b"comes");
    scene.scan(1).unwrap();
    fs::create_dir(scene.path("blobs")).unwrap();
    let mut calls = 0;
    let stopped = pack_blobs(&scene, 1, &scene.path("blobs"), &[], &mut || {
        calls += 1;
        calls < 4
    });
    assert_eq!(stopped, Err(ContentError::Cancelled));
    assert!(!scene.stream(1).exists());
}

#[test]
fn what_a_held_release_has_is_not_wanted_and_is_packed_from_there() {
    let scene = Scene::new();
    write(&scene.source, b"old", &noise(1, 70_000));
    write(&scene.source, b"kept", b"kept");
    scene.publish(1, 0);
    fs::remove_file(scene.source.join("old")).unwrap();
    scene.publish(2, 1);
    // Content of a release that is not the base comes back, and one that nobody has.
    write(&scene.source, b"back", &noise(1, 70_000));
    write(&scene.source, b"new", b"new");
    write(&scene.source, b"empty", b"");
    scene.scan(3).unwrap();
    let tree = content::read_tree(&scene.scanned_tree(3)).unwrap();
    let old_tree = content::tree_path(&scene.site, 1);
    let gone = scene.path("gone.tree");
    let held = [old_tree.as_path(), gone.as_path()];
    let wanted =
        content::write_wanted(&scene.scanned_tree(3), &held, &scene.path("wanted")).unwrap();
    assert_eq!((wanted.count, wanted.bytes), (1, 3));
    let record = fs::read(scene.path("wanted")).unwrap();
    assert_eq!(record[..32], wire::digest_of(b"new"));
    assert_eq!(record[32..], 3_u64.to_le_bytes());
    let blobs = blobs_of(&scene, &tree, |path| path != b"new");
    let directory = scene.release(1);
    let held = HeldRelease {
        directory: &directory,
        tree_path: &old_tree,
    };
    let packed = pack_blobs(&scene, 3, &blobs, &[held], &mut || true).unwrap();
    scene.apply(3, 2, packed.assignment).unwrap();
    assert_same(&scene.source, &scene.release(3));
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_not_packed() {
    let scene = Scene::new();
    write(&scene.source, b"small", b"right");
    write(&scene.source, b"zlarge", &noise(3, 2 << 20));
    scene.scan(1).unwrap();
    let tree = content::read_tree(&scene.scanned_tree(1)).unwrap();
    for victim in [&b"small"[..], b"zlarge"] {
        let blobs = blobs_of(&scene, &tree, |_| false);
        let Some(EntryKind::File { digest, size_bytes }) = tree.get(victim).map(|e| e.kind.clone())
        else {
            panic!("it is there");
        };
        let wrong = vec![7; usize::try_from(size_bytes).unwrap()];
        fs::write(blobs.join(hex(&digest)), wrong).unwrap();
        let packed = pack_blobs(&scene, 1, &blobs, &[], &mut || true);
        assert!(
            matches!(packed, Err(ContentError::FileChanging { .. })),
            "{packed:?}"
        );
        fs::remove_dir_all(blobs).unwrap();
    }
}
