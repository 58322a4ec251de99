//! Goal: a staging directory that changes, or holds what cannot travel, is refused by name.
//! Method: real files, changed between scan and pack, or while they are read.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

mod trees;

use std::fs;
use std::path::Path;

use trees::{Scene, noise, set_mode, write};

type Change = (&'static str, fn(&Path));

#[test]
fn a_file_that_is_not_what_was_scanned_is_refused_by_name() {
    let change: [Change; 5] = [
        ("other content", |path| {
            fs::write(path, vec![1; path_length(path)]).unwrap();
        }),
        ("longer", |path| {
            fs::write(path, vec![0; path_length(path) + 1]).unwrap();
        }),
        ("shorter", |path| {
            fs::write(path, vec![0; path_length(path) - 1]).unwrap();
        }),
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("a link now", |path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
        }),
    ];
    for length in [100, 3 << 20] {
        for (what, change) in change {
            let scene = Scene::new();
            write(&scene.source, b"d/na\nme", &noise(1, length));
            scene.scan(1).unwrap();
            change(&scene.source.join("d/na\nme"));
            let error = scene.pack_with(1, 0, 0, &mut |_| true).unwrap_err();
            if what == "a link now" {
                assert_eq!(error.code(), "ENGINE_ERR_SOURCE_UNREADABLE");
            } else {
                assert_eq!(error.code(), "ENGINE_ERR_FILE_CHANGING", "{what}: {error}");
            }
            assert!(error.to_string().contains("d/na\\nme"), "{error}");
            assert!(!scene.stream(1).exists() && !scene.path("1.vouch").exists());
        }
    }
}

fn path_length(path: &Path) -> usize {
    usize::try_from(fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn a_scan_of_a_file_that_changes_gives_a_state_it_had_or_its_name() {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};
    let scene = Scene::new();
    write(&scene.source, b"log", &vec![0; 1 << 20]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = fs::File::options()
                .append(true)
                .open(scene.source.join("log"))
                .unwrap();
            while !stop.load(Ordering::Acquire) {
                log.write_all(&[0; 1000]).unwrap();
                if log.metadata().unwrap().len() > 2 << 20 {
                    log.set_len(1 << 20).unwrap();
                }
            }
        });
        for _ in 0..20 {
            match content::scan_tree(&scene.source, &mut |_| true) {
                Err(error) => {
                    assert_eq!(error.code(), "ENGINE_ERR_FILE_CHANGING");
                    assert!(error.to_string().contains("log"));
                }
                Ok(tree) => {
                    let entry = tree.get(b"log").unwrap();
                    let wire::tree::EntryKind::File { size_bytes, digest } = &entry.kind else {
                        unreachable!("it is a file")
                    };
                    let zeros = vec![0; usize::try_from(*size_bytes).unwrap()];
                    assert_eq!(
                        *digest,
                        wire::digest_of(&zeros),
                        "a hash that nobody ever had"
                    );
                }
            }
        }
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn pipes_and_sockets_are_refused_by_name_and_never_opened() {
    let scene = Scene::new();
    let pipe = scene.source.join("pipe\n");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let error = scene.scan(1).unwrap_err();
    assert_eq!(error.code(), "ENGINE_ERR_SPECIAL_FILE");
    assert_eq!(error.to_string(), "'pipe\\n' is a named pipe");
    fs::remove_file(pipe).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(scene.source.join("s")).unwrap();
    let error = scene.scan(1).unwrap_err();
    assert_eq!(error.to_string(), "'s' is a socket");
    assert!(!scene.scanned_tree(1).exists());
}

#[test]
fn a_source_that_cannot_be_read_is_named() {
    let scene = Scene::new();
    write(&scene.source, b"secret", b"x");
    // Nothing is closed to root.
    if !rustix::process::geteuid().is_root() {
        set_mode(&scene.source.join("secret"), 0);
        let error = scene.scan(1).unwrap_err();
        assert_eq!(error.code(), "ENGINE_ERR_SOURCE_UNREADABLE");
        assert!(error.to_string().contains("'secret'"));
    }
    fs::remove_dir_all(&scene.source).unwrap();
    assert_eq!(
        scene.scan(1).unwrap_err().code(),
        "ENGINE_ERR_SOURCE_UNREADABLE"
    );
}
