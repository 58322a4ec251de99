//! Goal: a stream that keeps the format's rules but lies gives a typed error, with nothing made
//! outside the target and nothing left behind.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

mod trees;

use std::fs;

use content::ContentError;
use trees::Scene;
use wire::assignment::{Command, Header, Trailer};
use wire::section::{SectionHeader, SectionKind};
use wire::steps::Step;
use wire::tree::Tree;

/// A stream made by hand: any steps, any promise, plain sections.
struct Forged {
    header: Header,
    bytes: Vec<u8>,
}

fn forge(steps: &[Step], content: &[u8], bend: impl FnOnce(&mut Header)) -> Forged {
    let first_step = steps
        .iter()
        .position(|step| matches!(step, Step::WriteFile { .. }));
    let raw_bytes = u32::try_from(content.len()).unwrap();
    let section = SectionHeader {
        kind: SectionKind::Plain,
        first_step: u32::try_from(first_step.unwrap_or(0)).unwrap(),
        raw_bytes,
        packed_bytes: raw_bytes,
    };
    let sections = [(section, content)];
    let sections = sections
        .into_iter()
        .filter(|(_, content)| !content.is_empty());
    forge_of(steps, &sections.collect::<Vec<_>>(), bend)
}

fn forge_of(
    steps: &[Step],
    sections: &[(SectionHeader, &[u8])],
    bend: impl FnOnce(&mut Header),
) -> Forged {
    let raw = wire::steps::encode(steps);
    let mut packed = Vec::with_capacity(zstd_safe::compress_bound(raw.len()));
    zstd_safe::compress(&mut packed, &raw, 3).unwrap();
    let tree = Tree::apply(None, steps).ok();
    let mut header = Header {
        serial: 1,
        command: Command::Publish,
        release: 1,
        base_release: 0,
        base_hash: [0; 32],
        result_hash: tree.as_ref().map_or([0; 32], Tree::hash),
        steps_digest: wire::digest_of(&raw),
        steps_packed_bytes: u32::try_from(packed.len()).unwrap(),
        steps_raw_bytes: u32::try_from(raw.len()).unwrap(),
        step_count: u32::try_from(steps.len()).unwrap(),
        entry_count: tree
            .as_ref()
            .map_or(1, |tree| u32::try_from(tree.entries().len()).unwrap()),
        content_bytes: wire::steps::content_bytes(steps),
        disk_bytes: 0,
        created_ns: 0,
        chunk_bytes: 65_536,
        site: "www".to_owned(),
    };
    bend(&mut header);
    let mut bytes = header.encode();
    bytes.extend_from_slice(&packed);
    let mut data = blake3::Hasher::new();
    for (header, content) in sections {
        let encoded = header.encode();
        data.update(&encoded);
        if !matches!(header.kind, SectionKind::Whole { .. }) {
            data.update(content);
        }
        bytes.extend_from_slice(&encoded);
        bytes.extend_from_slice(content);
    }
    let trailer = Trailer {
        section_count: u32::try_from(sections.len()).unwrap(),
        data_digest: *data.finalize().as_bytes(),
        steps_digest: header.steps_digest,
        stream_bytes: (bytes.len() + wire::assignment::TRAILER_BYTES) as u64,
    };
    bytes.extend_from_slice(&trailer.encode());
    Forged { header, bytes }
}

fn apply_forged(scene: &Scene, forged: &Forged) -> Result<content::Applied, ContentError> {
    fs::write(scene.stream(1), &forged.bytes).unwrap();
    scene.apply(1, 0, forged.header.id())
}

fn root_step() -> Step {
    Step::MakeDirectory {
        path: Vec::new(),
        mode: 0o755,
        mtime_ns: 0,
    }
}

fn file_step(path: &[u8], content: &[u8]) -> Step {
    Step::WriteFile {
        path: path.to_vec(),
        mode: 0o644,
        mtime_ns: 0,
        size_bytes: content.len() as u64,
        digest: wire::digest_of(content),
    }
}

#[test]
fn a_forged_stream_that_keeps_all_rules_is_applied() {
    let scene = Scene::new();
    let forged = forge(&[root_step(), file_step(b"f", b"text")], b"text", |_| {});
    apply_forged(&scene, &forged).unwrap();
    assert_eq!(fs::read(scene.release(1).join("f")).unwrap(), b"text");
}

#[test]
fn paths_that_lead_out_are_refused_before_anything_is_made() {
    let hostile: [&[u8]; 9] = [
        b"../x",
        b"a/../../x",
        b"/etc/x",
        b"a/./b",
        b"a//b",
        b".",
        b"..",
        b"a/",
        b"a\0b",
    ];
    for path in hostile {
        let scene = Scene::new();
        let forged = forge(&[root_step(), file_step(path, b"x")], b"x", |_| {});
        let error = apply_forged(&scene, &forged).unwrap_err();
        assert_eq!(
            error.code(),
            "ENGINE_ERR_PATH_ESCAPES",
            "{}: {error}",
            path.escape_ascii()
        );
        assert!(!scene.path("node").exists());
    }
}

#[test]
fn a_file_below_a_link_is_refused_and_what_the_link_names_is_not_touched() {
    let scene = Scene::new();
    fs::create_dir(scene.path("victim")).unwrap();
    let target = scene.path("victim").into_os_string().into_encoded_bytes();
    let link = Step::MakeLink {
        path: b"l".to_vec(),
        mtime_ns: 0,
        target,
    };
    let forged = forge(&[root_step(), link, file_step(b"l/x", b"x")], b"x", |_| {});
    let error = apply_forged(&scene, &forged).unwrap_err();
    assert_eq!(error.code(), "ENGINE_ERR_ASSIGNMENT_CORRUPT", "{error}");
    assert_eq!(fs::read_dir(scene.path("victim")).unwrap().count(), 0);
}

#[test]
fn another_tree_than_the_promised_is_a_tree_mismatch() {
    let scene = Scene::new();
    let steps = [root_step(), file_step(b"f", b"text")];
    let bends: [fn(&mut Header); 2] = [
        |header| header.result_hash[0] ^= 1,
        |header| header.entry_count += 1,
    ];
    for bend in bends {
        let error = apply_forged(&scene, &forge(&steps, b"text", bend)).unwrap_err();
        assert_eq!(error.code(), "ENGINE_ERR_TREE_MISMATCH");
        assert!(!scene.release(1).exists());
    }
}

#[test]
fn other_content_than_the_promised_is_a_digest_mismatch() {
    let scene = Scene::new();
    let forged = forge(&[root_step(), file_step(b"f\n", b"text")], b"teXt", |_| {});
    let error = apply_forged(&scene, &forged).unwrap_err();
    assert_eq!(error.code(), "ENGINE_ERR_DIGEST_MISMATCH");
    assert_eq!(
        error.to_string(),
        "'f\\n' does not have the digest that was promised"
    );
    assert_eq!(
        fs::read_dir(scene.site.join("releases")).unwrap().count(),
        0
    );
}

/// Sections that lie, and what is said of them.
type Case<'a> = (&'a [(SectionHeader, &'a [u8])], &'a str);

#[test]
fn a_whole_file_is_one_file_from_its_beginning_to_its_end() {
    let steps = [
        root_step(),
        file_step(b"a", b"0123456789"),
        file_step(b"b", b"abc"),
    ];
    let plain = |first_step, raw_bytes| SectionHeader {
        kind: SectionKind::Plain,
        first_step,
        raw_bytes,
        packed_bytes: raw_bytes,
    };
    let whole = |first_step, bytes| SectionHeader::whole(first_step, bytes, 0);
    let padded = SectionHeader::whole(2, 3, 4);
    let good: [(SectionHeader, &[u8]); 2] =
        [(whole(1, 10), b"0123456789"), (padded, b"\0\0\0\0abc")];
    let scene = Scene::new();
    let forged = forge_of(&steps, &good, |_| {});
    assert!(apply_forged(&scene, &forged).is_ok());
    let mixed: [(SectionHeader, &[u8]); 2] = [(whole(1, 10), b"0123456789"), (plain(2, 3), b"abc")];
    assert!(apply_forged(&Scene::new(), &forge_of(&steps, &mixed, |_| {})).is_ok());
    let bad: [Case; 6] = [
        (
            &[(whole(2, 10), b"0123456789")],
            "ENGINE_ERR_ASSIGNMENT_CORRUPT",
        ),
        (
            &[(whole(1, 9), b"012345678")],
            "ENGINE_ERR_ASSIGNMENT_CORRUPT",
        ),
        (
            &[(whole(1, u64::MAX >> 1), b"0123456789")],
            "ENGINE_ERR_ASSIGNMENT_CORRUPT",
        ),
        (
            &[(plain(1, 5), b"01234"), (whole(1, 5), b"56789")],
            "ENGINE_ERR_ASSIGNMENT_CORRUPT",
        ),
        (
            &[(plain(1, 11), b"0123456789a"), (whole(2, 2), b"bc")],
            "ENGINE_ERR_ASSIGNMENT_CORRUPT",
        ),
        (
            &[(whole(1, 10), b"0123456780"), (plain(2, 3), b"abc")],
            "ENGINE_ERR_DIGEST_MISMATCH",
        ),
    ];
    for (sections, code) in bad {
        let scene = Scene::new();
        let failed = apply_forged(&scene, &forge_of(&steps, sections, |_| {})).unwrap_err();
        assert_eq!(failed.code(), code, "{sections:?}");
        assert!(!scene.release(1).exists());
    }
}

#[test]
fn more_or_less_content_than_the_steps_want_is_corrupt() {
    let scene = Scene::new();
    let steps = [root_step(), file_step(b"f", b"text")];
    for content in [&b"tex"[..], b"text+", b""] {
        let error = apply_forged(&scene, &forge(&steps, content, |_| {})).unwrap_err();
        assert_eq!(error.code(), "ENGINE_ERR_ASSIGNMENT_CORRUPT", "{error}");
    }
}

#[test]
fn more_than_the_disk_holds_is_refused_before_anything_is_made() {
    let scene = Scene::new();
    let steps = [root_step(), file_step(b"f", b"text")];
    let forged = forge(&steps, b"text", |header| header.disk_bytes = u64::MAX / 2);
    let error = apply_forged(&scene, &forged).unwrap_err();
    assert_eq!(error.code(), "ENGINE_ERR_NO_SPACE");
    assert_eq!(
        fs::read_dir(scene.site.join("releases")).unwrap().count(),
        0
    );
}

#[test]
fn a_file_of_ten_exabytes_is_refused_when_it_is_made() {
    let scene = Scene::new();
    let huge = Step::WriteFile {
        path: b"f".to_vec(),
        mode: 0o644,
        mtime_ns: 0,
        size_bytes: 1 << 62,
        digest: [1; 32],
    };
    let error = apply_forged(&scene, &forge(&[root_step(), huge], b"x", |_| {})).unwrap_err();
    assert!(
        ["ENGINE_ERR_NO_SPACE", "ENGINE_ERR_ASSIGNMENT_CORRUPT"].contains(&error.code()),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(scene.site.join("releases")).unwrap().count(),
        0
    );
}

/// Runs `work` with a file system of `bytes` mounted at `place`, in a mount namespace of its own
/// thread. Where that is not allowed, nothing is run.
fn with_small_disk(place: &std::path::Path, bytes: u64, work: impl FnOnce() + Send) {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    let run = || {
        let propagation = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        // SAFETY: a new mount namespace touches no memory of this process.
        let own = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) };
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        let mounted = own
            .and_then(|()| mount_change("/", propagation))
            .and_then(|()| mount("disk", place, "tmpfs", MountFlags::empty(), &*options));
        if mounted.is_ok() {
            work();
        }
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap());
}

#[test]
fn a_disk_that_is_or_gets_full_is_said_so_and_cleared() {
    let scene = Scene::new();
    let content = trees::noise(1, 2_000);
    let mut steps = vec![root_step()];
    // Half a block each: they take twice the space that the forged header asks for.
    let names = (0..500).map(|number| format!("f{number:03}"));
    steps.extend(names.map(|name| file_step(name.as_bytes(), &content)));
    let forged = forge(&steps, &content.repeat(500), |_| {});
    fs::create_dir(scene.path("node")).unwrap();
    for (what, bytes) in [
        ("full in mid-work", 3 << 19),
        ("full from the start", 1 << 19),
    ] {
        with_small_disk(&scene.path("node"), bytes, || {
            let error = apply_forged(&scene, &forged).unwrap_err();
            assert_eq!(error.code(), "ENGINE_ERR_NO_SPACE", "{what}: {error}");
            assert_eq!(
                fs::read_dir(scene.site.join("releases")).unwrap().count(),
                0
            );
            assert!(!content::tree_path(&scene.site, 1).exists());
        });
    }
    with_small_disk(&scene.path("node"), 1 << 22, || {
        apply_forged(&scene, &forged).unwrap();
    });
}
