//! Against a real file system below a temporary directory.

use super::*;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

fn root() -> (tempfile::TempDir, Root) {
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(outside.path().join("root")).unwrap();
    let root = Root::open(&outside.path().join("root")).unwrap();
    (outside, root)
}

fn code<T: std::fmt::Debug>(outcome: Result<T, BeneathError>) -> &'static str {
    outcome.unwrap_err().code()
}

fn failure<T: std::fmt::Debug>(outcome: Result<T, BeneathError>) -> Failure {
    outcome.unwrap_err().failure
}

const ESCAPES: &str = "ENGINE_ERR_PATH_ESCAPES";

#[test]
fn hostile_paths_are_refused_before_any_call() {
    let (outside, root) = root();
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let long_name = vec![b'a'; 256];
    let long_path = b"a/".repeat(2048);
    let hostile: [&[u8]; 16] = [
        b"../secret",
        b"a/../../secret",
        b"/etc/passwd",
        b"a/./b",
        b"a//b",
        b".",
        b"..",
        b"a\0b",
        b"a/",
        b"/",
        b"./a",
        b"../",
        b"a/..",
        b"//",
        &long_name,
        &long_path,
    ];
    for path in hostile {
        assert_eq!(code(root.open_file(path)), ESCAPES, "{}", escaped(path));
        assert_eq!(code(root.create_file(path, 0o644)), ESCAPES);
        assert_eq!(code(root.create_dir(path, 0o755)), ESCAPES);
        assert_eq!(code(root.symlink(path, b"x")), ESCAPES);
        assert_eq!(code(root.unlink(path)), ESCAPES);
        assert_eq!(code(root.remove_tree(path)), ESCAPES);
        assert_eq!(code(root.rename(path, b"fine")), ESCAPES);
        assert_eq!(code(root.link_from(b"fine", &root, path)), ESCAPES);
    }
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"s");
}

#[test]
fn bytes_that_only_look_hostile_are_names() {
    let (_outside, root) = root();
    for name in [
        &b"..\\x"[..],
        b"%2e%2e%2f",
        b"\xc0\xae",
        b"...",
        b"-rf",
        b"~",
        b"a\nb\x1b[31m",
    ] {
        root.create_file(name, 0o644).unwrap();
        assert_eq!(root.stat(name).unwrap().kind, Kind::File);
    }
    assert_eq!(root.read_dir(b"").unwrap().len(), 7);
}

#[test]
fn a_link_in_the_path_is_never_followed() {
    let (outside, root) = root();
    std::fs::create_dir(outside.path().join("elsewhere")).unwrap();
    std::fs::write(outside.path().join("elsewhere/x"), "kept").unwrap();
    root.symlink(b"out", b"../elsewhere").unwrap();
    root.symlink(b"absolute", b"/etc").unwrap();
    root.create_dir(b"real", 0o755).unwrap();
    root.symlink(b"inner", b"real").unwrap();
    for path in [&b"out/x"[..], b"absolute/passwd", b"inner/x"] {
        assert_eq!(code(root.open_file(path)), ESCAPES);
        assert_eq!(code(root.create_file(path, 0o644)), ESCAPES);
        assert_eq!(code(root.create_dir(path, 0o755)), ESCAPES);
        assert_eq!(code(root.unlink(path)), ESCAPES);
        assert_eq!(code(root.set_mode(path, 0)), ESCAPES);
        assert_eq!(code(root.set_mtime(path, 0)), ESCAPES);
    }
    assert_eq!(
        code(root.open_file(b"out")),
        ESCAPES,
        "the last component neither"
    );
    assert_eq!(code(root.sub(b"out")), ESCAPES);
    assert_eq!(code(root.read_dir(b"inner")), ESCAPES);
    assert!(
        root.set_mode(b"out", 0o777).is_err(),
        "a mode is never set through a link"
    );
    assert_eq!(
        std::fs::read(outside.path().join("elsewhere/x")).unwrap(),
        b"kept"
    );
}

#[test]
fn a_directory_swapped_for_a_link_gives_an_error_not_a_way_out() {
    let (outside, root) = root();
    let elsewhere = outside.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    root.create_dir(b"d", 0o755).unwrap();
    let inside = outside.path().join("root");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::rename(inside.join("d"), inside.join("kept")).unwrap();
                std::os::unix::fs::symlink("../elsewhere", inside.join("d")).unwrap();
                std::fs::remove_file(inside.join("d")).unwrap();
                std::fs::rename(inside.join("kept"), inside.join("d")).unwrap();
            }
        });
        for turn in 0..2000 {
            let _ = root.create_file(format!("d/{turn}").as_bytes(), 0o644);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn an_entry_carries_its_mode_whatever_the_umask_and_its_time_to_the_nanosecond() {
    let (outside, root) = root();
    for mode in [0o600, 0o644, 0o777, 0o000, 0o421] {
        let path = format!("f{mode:o}");
        let mut file = root.create_file(path.as_bytes(), mode).unwrap();
        file.write_all(b"text").unwrap();
        set_file_mtime(&file, 1_234_567_890_123_456_789).unwrap();
        let stat = root.stat(path.as_bytes()).unwrap();
        assert_eq!((stat.mode, stat.size_bytes), (mode, 4));
        assert_eq!(stat.mtime_ns, 1_234_567_890_123_456_789);
    }
    root.create_dir(b"d", 0o700).unwrap();
    root.set_mode(b"d", 0o000).unwrap();
    root.set_mtime(b"d", -1).unwrap();
    root.symlink(b"l", b"nowhere").unwrap();
    root.set_mtime(b"l", 7_000_000_001).unwrap();
    assert_eq!(root.stat(b"d").unwrap().mtime_ns, -1, "before 1970 too");
    assert_eq!(root.stat(b"d").unwrap().mode, 0);
    let link = outside.path().join("root/l").symlink_metadata().unwrap();
    assert_eq!((link.mtime(), link.mtime_nsec()), (7, 1));
    root.set_mode(b"", 0o750).unwrap();
    root.set_mtime(b"", 5).unwrap();
    let own = outside.path().join("root").metadata().unwrap();
    assert_eq!(
        (own.permissions().mode() & 0o7777, own.mtime_nsec()),
        (0o750, 5)
    );
}

#[test]
fn linked_files_share_an_inode_and_links_to_links_stay_links() {
    let (_outside, root) = root();
    root.create_dir(b"a", 0o755).unwrap();
    root.create_file(b"a/f", 0o644)
        .unwrap()
        .write_all(b"once")
        .unwrap();
    let other = root.sub(b"a").unwrap();
    root.link_from(b"g", &other, b"f").unwrap();
    assert_eq!(
        root.stat(b"g").unwrap().inode,
        root.stat(b"a/f").unwrap().inode
    );
    assert_eq!(failure(root.link_from(b"g", &other, b"f")), Failure::Exists);
    root.symlink(b"s", b"../../\xff/target").unwrap();
    assert_eq!(root.read_link(b"s").unwrap(), b"../../\xff/target");
    let mut text = String::new();
    root.open_file(b"g")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "once");
}

#[test]
fn a_file_is_never_created_over_another_and_errors_name_their_kind() {
    let (_outside, root) = root();
    root.create_file(b"f", 0o644).unwrap();
    assert_eq!(failure(root.create_file(b"f", 0o644)), Failure::Exists);
    assert_eq!(failure(root.open_file(b"none")), Failure::Missing);
    assert_eq!(failure(root.create_file(b"f/x", 0o644)), Failure::Other);
    assert_eq!(failure(root.unlink(b"none/x")), Failure::Missing);
    assert_eq!(
        failure(Root::open(Path::new("/none/at/all"))),
        Failure::Missing
    );
    let shown = root.open_file(b"a\n\x1b\xff").unwrap_err().to_string();
    assert!(shown.contains(r"'a\n\u{1b}\xff'"), "{shown}");
    assert!(!shown.contains('\n'));
}

#[test]
fn the_reason_of_a_failure_is_said_once() {
    use rustix::io::Errno;
    let said = |errno| BeneathError::new("open file", b"f", errno).to_string();
    assert_eq!(
        said(Errno::ACCESS),
        "open file 'f': Permission denied (os error 13)"
    );
    assert_eq!(
        said(Errno::NOTDIR),
        "open file 'f': Not a directory (os error 20)"
    );
    assert_eq!(
        said(Errno::NOSPC),
        "open file 'f': no space left (errno 28)"
    );
}

#[test]
fn names_can_be_renamed_and_exchanged_and_directories_listed() {
    let (_outside, root) = root();
    root.create_file(b"one", 0o644)
        .unwrap()
        .write_all(b"1")
        .unwrap();
    root.create_dir(b"two", 0o755).unwrap();
    root.exchange(b"one", b"two").unwrap();
    assert_eq!(root.stat(b"one").unwrap().kind, Kind::Directory);
    root.rename(b"two", b"one/three").unwrap();
    let listed = root.read_dir(b"one").unwrap();
    assert_eq!(
        listed,
        vec![DirEntry {
            name: b"three".to_vec(),
            kind: Kind::File
        }]
    );
    root.fsync(b"one").unwrap();
    root.fsync(b"").unwrap();
    root.sync_file_system().unwrap();
    assert!(root.space().unwrap().free_bytes > 0);
    assert_eq!(failure(root.rmdir(b"one")), Failure::Exists);
}

#[test]
fn a_tree_is_removed_whole_and_nothing_that_its_links_point_at() {
    let (outside, root) = root();
    std::fs::create_dir(outside.path().join("elsewhere")).unwrap();
    std::fs::write(outside.path().join("elsewhere/x"), "kept").unwrap();
    root.create_dir(b"t", 0o755).unwrap();
    root.symlink(b"t/out", b"../../elsewhere").unwrap();
    root.create_file(b"t/f", 0o000).unwrap();
    root.create_dir(b"t/locked", 0o700).unwrap();
    root.create_file(b"t/locked/f", 0o644).unwrap();
    root.set_mode(b"t/locked", 0o000).unwrap();
    root.remove_tree(b"t").unwrap();
    root.remove_tree(b"t").unwrap();
    assert!(root.read_dir(b"").unwrap().is_empty());
    assert_eq!(
        std::fs::read(outside.path().join("elsewhere/x")).unwrap(),
        b"kept"
    );
    assert_eq!(
        code(root.remove_tree(b"")),
        ESCAPES,
        "never the root itself"
    );
}

#[test]
fn a_tree_deeper_than_a_path_may_be_long_is_removed() {
    let (_outside, root) = root();
    root.create_dir(b"deep", 0o755).unwrap();
    let mut here = root.sub(b"deep").unwrap();
    for _ in 0..3000 {
        here.create_dir(b"dd", 0o755).unwrap();
        here = here.sub(b"dd").unwrap();
    }
    here.create_file(b"f", 0o644).unwrap();
    drop(here);
    root.remove_tree(b"deep").unwrap();
    assert!(root.read_dir(b"").unwrap().is_empty());
}

#[test]
fn a_root_replaced_by_a_link_after_opening_is_still_the_directory_that_was_opened() {
    let (outside, root) = root();
    let path = outside.path().join("root");
    std::fs::rename(&path, outside.path().join("moved")).unwrap();
    std::os::unix::fs::symlink("/etc", &path).unwrap();
    root.create_file(b"f", 0o644).unwrap();
    assert!(outside.path().join("moved/f").exists());
}

#[test]
fn magic_links_are_refused() {
    let root = Root::open(Path::new("/proc/self")).unwrap();
    assert_eq!(code(root.open_file(b"fd/0")), ESCAPES);
    assert_eq!(code(root.sub(b"root")), ESCAPES);
    assert_eq!(code(root.sub(b"cwd")), ESCAPES);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]
    /// The checker and the kernel agree: what is legal by the checker stays below, as the kernel's
    /// own resolution says; what is not is never handed on.
    #[test]
    fn any_bytes_either_stay_below_or_are_refused(
        path in proptest::collection::vec(
            proptest::sample::select(&[b'a', b'.', b'/', 0xff, b'\\'][..]), 0..12),
    ) {
        let (outside, root) = root();
        let legal = check_path(&path).is_ok();
        let created = root.create_dir(&path, 0o755);
        if !legal {
            proptest::prop_assert_eq!(code(created), ESCAPES);
        } else if created.is_ok() {
            let full = outside.path().join("root").join(std::ffi::OsStr::from_bytes(&path));
            let real = full.canonicalize().unwrap();
            proptest::prop_assert!(real.starts_with(outside.path().canonicalize().unwrap()));
        }
        proptest::prop_assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}
