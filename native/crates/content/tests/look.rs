//! Goal: a release is shown as it is on disk, and nothing of the node beside it: no link is
//! followed, no path leaves, nothing but a file is opened.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use content::{ContentError, list, look, name_of_kind, open_seen};

struct Place {
    outside: tempfile::TempDir,
    release: PathBuf,
}

fn place() -> Place {
    let outside = tempfile::tempdir().unwrap();
    let release = outside.path().join("releases/1");
    fs::create_dir_all(release.join("a/b")).unwrap();
    fs::write(outside.path().join("secret"), b"secret").unwrap();
    let file = release.join("a/b/file");
    fs::write(&file, b"content").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    fs::File::open(&file).unwrap().set_modified(time).unwrap();
    Place { outside, release }
}

fn code(outcome: Result<impl Sized, ContentError>) -> &'static str {
    outcome.map(|_| ()).unwrap_err().code()
}

#[test]
fn an_entry_is_shown_as_it_is() {
    let Place {
        release,
        outside: _outside,
    } = place();
    let seen = look(&release, "a/b/file").unwrap();
    assert_eq!(seen.name, "file");
    assert_eq!(name_of_kind(seen.kind), "file");
    assert_eq!((seen.mode, seen.size_bytes), (0o640, 7));
    assert_eq!(seen.mtime_ns, 1_234_567_890_123_456_789);
    assert_eq!(name_of_kind(look(&release, "").unwrap().kind), "dir");
    let (mut file, opened) = open_seen(&release, "a/b/file").unwrap();
    assert_eq!(opened, seen);
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "content");
}

#[test]
fn names_are_bytes_in_pages_ascending() {
    let Place {
        release,
        outside: _outside,
    } = place();
    let names: [&[u8]; 5] = [b"\xff\xfe", b"a b", b"\n", b"%41", b"z"];
    for name in names {
        fs::write(release.join("a").join(OsStr::from_bytes(name)), name).unwrap();
    }
    let mut after: Option<String> = None;
    let mut all = Vec::new();
    loop {
        let page = list(&release, "a", after.as_deref(), 2).unwrap();
        assert!(page.entries.len() <= 2);
        all.extend(page.entries.iter().map(|seen| seen.name.clone()));
        after = all.last().cloned();
        if !page.more {
            break;
        }
    }
    assert_eq!(all, ["%0A", "%2541", "a%20b", "b", "z", "%FF%FE"]);
    for name in &all {
        look(&release, &format!("a/{name}")).unwrap();
    }
}

#[test]
fn links_are_shown_and_never_followed() {
    let Place { outside, release } = place();
    symlink("../../secret", release.join("out")).unwrap();
    symlink("../..", release.join("up")).unwrap();
    symlink("a", release.join("in")).unwrap();
    symlink("/proc/self/fd", release.join("magic")).unwrap();
    assert_eq!(
        look(&release, "out").unwrap().target.as_deref(),
        Some("../../secret")
    );
    assert_eq!(code(open_seen(&release, "out")), "ENGINE_ERR_NOT_A_FILE");
    for path in ["up/secret", "in/b/file", "magic/0"] {
        assert_eq!(code(open_seen(&release, path)), "ENGINE_ERR_PATH_ESCAPES");
        assert_eq!(code(look(&release, path)), "ENGINE_ERR_PATH_ESCAPES");
    }
    assert_eq!(
        code(list(&release, "up", None, 9)),
        "ENGINE_ERR_NOT_A_DIRECTORY"
    );
    assert!(outside.path().join("secret").exists());
}

#[test]
fn bad_paths_are_refused() {
    let Place { outside, release } = place();
    let secret = outside.path().join("secret");
    let long = "x".repeat(256);
    let deep = "d/".repeat(3000) + "d";
    let absolute = secret.to_str().unwrap();
    for path in [
        "..",
        "../secret",
        "../../secret",
        "a/../../secret",
        "a/./b",
        "a//b",
        ".",
        "a/",
        "/",
        "%2e%2e",
        "%2e%2e/secret",
        absolute,
        &long,
        &deep,
    ] {
        assert_eq!(
            code(look(&release, path)),
            "ENGINE_ERR_PATH_ESCAPES",
            "{path}"
        );
        assert_eq!(
            code(open_seen(&release, path)),
            "ENGINE_ERR_PATH_ESCAPES",
            "{path}"
        );
        assert_eq!(
            code(list(&release, path, None, 9)),
            "ENGINE_ERR_PATH_ESCAPES",
            "{path}"
        );
    }
    for path in ["%", "%4", "%zz", "%00", "..%2fsecret", "a%2Fb"] {
        assert_eq!(
            code(look(&release, path)),
            "ENGINE_ERR_INVALID_ARGUMENT",
            "{path}"
        );
    }
    for path in [
        "none",
        "a/none",
        "a/b/file/x",
        "..\\secret",
        "%252e%252e",
        "%c0%ae%c0%ae",
    ] {
        assert_eq!(
            code(look(&release, path)),
            "ENGINE_ERR_PATH_UNKNOWN",
            "{path}"
        );
    }
    assert_eq!(
        code(list(&release, "a", Some("b/c"), 9)),
        "ENGINE_ERR_INVALID_ARGUMENT"
    );
    assert_eq!(
        code(list(&release, "a/b/file", None, 9)),
        "ENGINE_ERR_NOT_A_DIRECTORY"
    );
    assert_eq!(code(open_seen(&release, "a")), "ENGINE_ERR_NOT_A_FILE");
    assert_eq!(
        code(look(Path::new("/nonexistent"), "")),
        "ENGINE_ERR_PATH_UNKNOWN"
    );
}

#[test]
fn what_is_no_file_is_shown_and_not_opened() {
    let Place {
        release,
        outside: _outside,
    } = place();
    let _socket = UnixListener::bind(release.join("socket")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(release.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    for (path, kind) in [("socket", "socket"), ("pipe", "fifo")] {
        assert_eq!(name_of_kind(look(&release, path).unwrap().kind), kind);
        assert_eq!(code(open_seen(&release, path)), "ENGINE_ERR_NOT_A_FILE");
    }
}
