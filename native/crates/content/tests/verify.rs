//! Goal: a release that is what its manifest says has no finding, and whatever is done to it has
//! exactly one. Nothing is changed by looking, nothing outside is read, and the rate is kept.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

mod trees;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use content::{
    Cancel, ContentError, Difference, Finding, Verified, VerifyOptions, VerifyProgress, tree_path,
    verify,
};
use trees::{Scene, noise, odd_tree, prose, set_mode, set_mtime, write};

fn verify_at(
    scene: &Scene,
    release: u64,
    rate_bps: Option<u64>,
    cancel: &Cancel,
    progress: &VerifyProgress,
) -> Result<Verified, ContentError> {
    verify(&VerifyOptions {
        directory: &scene.release(release),
        tree_path: &tree_path(&scene.site, release),
        rate_bps,
        findings_max: 100,
        cancel,
        progress,
    })
}

fn look(scene: &Scene, release: u64) -> Verified {
    verify_at(
        scene,
        release,
        None,
        &Cancel::new(),
        &VerifyProgress::default(),
    )
    .unwrap()
}

fn found(scene: &Scene, release: u64) -> Vec<(String, &'static str)> {
    let verified = look(scene, release);
    assert_eq!(verified.mismatches, verified.findings.len() as u64);
    let named = |Finding { path, difference }: &Finding| {
        (
            String::from_utf8_lossy(path).into_owned(),
            difference.name(),
        )
    };
    verified.findings.iter().map(named).collect()
}

fn published() -> Scene {
    let scene = Scene::new();
    write(&scene.source, b"a/index.html", &prose(1, 3_000));
    write(&scene.source, b"a/big.bin", &noise(2, 700_000));
    write(
        &scene.source,
        b"a-b",
        b"beside a directory of nearly its name",
    );
    write(&scene.source, b"empty", b"");
    symlink("a/index.html", scene.source.join("link")).unwrap();
    scene.publish(1, 0);
    scene
}

/// Changes a file and gives it back its times: what a bad disk does.
fn rot(path: &Path, place: usize) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mut content = fs::read(path).unwrap();
    content[place] ^= 1;
    fs::write(path, content).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn a_release_as_it_was_staged_has_no_finding() {
    let scene = Scene::new();
    odd_tree(&scene.source);
    let (_, applied) = scene.publish(1, 0);
    let before = scene.node();
    let verified = look(&scene, 1);
    assert_eq!(verified.findings, []);
    assert_eq!(verified.tree_hash, applied.tree_hash);
    let tree = content::read_tree(&tree_path(&scene.site, 1)).unwrap();
    let summary = content::summary(&tree);
    assert_eq!(
        (verified.files, verified.bytes),
        (summary.file_count, summary.total_bytes)
    );
    assert_eq!(scene.node(), before, "looking changes nothing");
}

#[test]
fn one_bit_anywhere_in_a_file_is_found_and_nothing_else() {
    for place in [0, 262_143, 262_144, 699_999] {
        let scene = published();
        rot(&scene.release(1).join("a/big.bin"), place);
        assert_eq!(found(&scene, 1), [("a/big.bin".to_owned(), "content")]);
    }
}

#[test]
fn each_kind_of_edit_is_told_by_its_name() {
    let scene = published();
    let release = scene.release(1);
    let root = fs::metadata(&release).unwrap().modified().unwrap();
    set_mode(&release.join("a"), 0o700);
    set_mtime(&release.join("a/big.bin"), 5, 6);
    fs::write(release.join("a-b"), b"longer or shorter").unwrap();
    fs::remove_file(release.join("empty")).unwrap();
    fs::create_dir_all(release.join("more/below")).unwrap();
    fs::remove_file(release.join("link")).unwrap();
    symlink("a/index.htm", release.join("link")).unwrap();
    fs::File::open(&release)
        .unwrap()
        .set_modified(root)
        .unwrap();
    let expected = [
        ("a", "mode"),
        ("a-b", "size"),
        ("a/big.bin", "mtime"),
        ("empty", "missing"),
        ("link", "target"),
        ("more", "extra"),
    ];
    let expected = expected.map(|(path, difference)| (path.to_owned(), difference));
    assert_eq!(found(&scene, 1), expected);
}

#[test]
fn a_directory_that_became_a_link_is_never_gone_into() {
    let scene = published();
    let release = scene.release(1);
    let root = fs::metadata(&release).unwrap().modified().unwrap();
    fs::rename(release.join("a"), scene.path("elsewhere")).unwrap();
    symlink(scene.path("elsewhere"), release.join("a")).unwrap();
    fs::File::open(&release)
        .unwrap()
        .set_modified(root)
        .unwrap();
    let expected = [
        ("a", "type"),
        ("a/big.bin", "missing"),
        ("a/index.html", "missing"),
    ];
    let expected = expected.map(|(path, difference)| (path.to_owned(), difference));
    assert_eq!(found(&scene, 1), expected);
}

#[test]
fn a_pipe_in_place_of_a_file_is_not_waited_for() {
    let scene = published();
    let path = scene.release(1).join("a-b");
    let root = fs::metadata(scene.release(1)).unwrap().modified().unwrap();
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::File::open(scene.release(1))
        .unwrap()
        .set_modified(root)
        .unwrap();
    assert_eq!(found(&scene, 1), [("a-b".to_owned(), "type")]);
}

#[test]
fn a_release_that_is_gone_is_one_finding() {
    let scene = published();
    fs::remove_dir_all(scene.release(1)).unwrap();
    assert_eq!(found(&scene, 1), [(String::new(), "missing")]);
}

#[test]
fn of_many_findings_the_first_are_named_and_all_are_counted() {
    let scene = published();
    for name in 0..250 {
        write(&scene.release(1), format!("x{name:03}").as_bytes(), b"");
    }
    let verified = look(&scene, 1);
    assert_eq!(verified.mismatches, 251, "and the time of their directory");
    assert_eq!(verified.findings.len(), 100);
    assert_eq!(verified.findings[99].path, b"x098");
}

#[test]
fn a_manifest_with_any_byte_changed_is_refused() {
    let scene = published();
    let manifest = tree_path(&scene.site, 1);
    let whole = fs::read(&manifest).unwrap();
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0x40;
        fs::write(&manifest, changed).unwrap();
        let refused = verify_at(&scene, 1, None, &Cancel::new(), &VerifyProgress::default());
        assert_eq!(
            refused.unwrap_err().code(),
            "ENGINE_ERR_TREE_CORRUPT",
            "byte {place}"
        );
    }
    for length in 0..whole.len() {
        fs::write(&manifest, &whole[..length]).unwrap();
        let refused = verify_at(&scene, 1, None, &Cancel::new(), &VerifyProgress::default());
        assert_eq!(
            refused.unwrap_err().code(),
            "ENGINE_ERR_TREE_CORRUPT",
            "{length} bytes"
        );
    }
}

#[test]
fn a_rotten_file_that_two_releases_share_is_found_in_both_and_staging_anew_leaves_the_other_alone()
{
    let scene = published();
    write(&scene.source, b"new", b"new in 2");
    scene.publish(2, 1);
    let one = scene.release(1).join("a/big.bin");
    let two = scene.release(2).join("a/big.bin");
    if fs::metadata(&one).unwrap().ino() != fs::metadata(&two).unwrap().ino() {
        return; // This file system clones: nothing is shared by name.
    }
    rot(&two, 70_000);
    assert_eq!(found(&scene, 1), [("a/big.bin".to_owned(), "content")]);
    assert_eq!(found(&scene, 2), [("a/big.bin".to_owned(), "content")]);
    let rotten = fs::read(&one).unwrap();
    let packed = scene.pack(2, 0);
    scene.apply(2, 0, packed.assignment).unwrap();
    assert_eq!(found(&scene, 2), []);
    assert_eq!(
        fs::read(&one).unwrap(),
        rotten,
        "an inode is never written in place"
    );
}

#[test]
fn staging_over_a_release_leaves_the_old_one_where_a_reader_on_its_way_still_finds_it() {
    let scene = published();
    let inside = fs::File::open(scene.release(1)).unwrap();
    let packed = scene.pack(1, 0);
    scene.apply(1, 0, packed.assignment).unwrap();
    let name = format!(
        "/proc/self/fd/{}/a-b",
        std::os::fd::AsRawFd::as_raw_fd(&inside)
    );
    assert!(fs::read(name).is_ok());
    content::prune_releases(&scene.site, &[1], &[]).unwrap();
    let left: Vec<_> = fs::read_dir(scene.site.join("releases")).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn reading_keeps_to_its_rate_and_stops_when_told() {
    let scene = published();
    let begun = Instant::now();
    let progress = VerifyProgress::default();
    // 700 kB at 8 Mbit/s take most of a second; a slow machine only makes it longer.
    verify_at(&scene, 1, Some(8_000_000), &Cancel::new(), &progress).unwrap();
    assert!(begun.elapsed() > Duration::from_millis(500));
    assert_eq!(progress.files(), 4);
    let cancel = Cancel::new();
    let stopped = std::thread::scope(|scope| {
        let running =
            scope.spawn(|| verify_at(&scene, 1, Some(8_000), &cancel, &VerifyProgress::default()));
        cancel.cancel();
        running.join().unwrap()
    });
    assert_eq!(stopped.unwrap_err().code(), "ENGINE_ERR_CANCELLED");
}

#[test]
fn names_that_are_no_text_are_told_as_they_are() {
    let scene = Scene::new();
    write(&scene.source, b"\xff\n", b"odd");
    scene.publish(1, 0);
    let path = scene
        .release(1)
        .join(std::ffi::OsStr::from_bytes(b"\xff\n"));
    rot(&path, 0);
    let expected = Finding {
        path: b"\xff\n".to_vec(),
        difference: Difference::Content,
    };
    assert_eq!(look(&scene, 1).findings, [expected]);
}
