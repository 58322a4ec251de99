//! Trees to publish, made with the standard library, and an independent comparison of two trees.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::missing_panics_doc
)]

use content::{
    Applied, ApplyBase, ApplyOptions, Cancel, Command, ContentError, PackBase, PackBatch,
    PackOptions, Packed, ScanOptions, Scanned, StreamSource, WholeFile,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub const KEY: [u8; 32] = [7; 32];

/// A source directory, a site's directory of a node, and the files between them.
pub struct Scene {
    pub outside: tempfile::TempDir,
    pub source: PathBuf,
    pub site: PathBuf,
}

impl Scene {
    pub fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        let source = outside.path().join("source");
        fs::create_dir(&source).unwrap();
        let site = outside.path().join("node/sites/www");
        Self {
            outside,
            source,
            site,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    pub fn stream(&self, release: u64) -> PathBuf {
        self.path(&format!("{release}.stream"))
    }

    pub fn scanned_tree(&self, release: u64) -> PathBuf {
        self.path(&format!("scan-{release}.tree"))
    }

    pub fn release(&self, release: u64) -> PathBuf {
        content::release_directory(&self.site, release)
    }

    pub fn scan(&self, release: u64) -> Result<Scanned, ContentError> {
        let shadow = content::tree_path(&self.site, release - 1);
        let options = ScanOptions {
            directory: &self.source,
            shadow_tree_path: shadow.exists().then_some(shadow.as_path()),
            out_tree_path: &self.scanned_tree(release),
        };
        content::scan(&options, &mut |_| true)
    }

    /// Packs what was scanned, against a base that the site holds (0: none).
    pub fn pack_with(
        &self,
        release: u64,
        base: u64,
        chunk_bytes: u32,
        on_batch: &mut dyn FnMut(&PackBatch<'_>) -> bool,
    ) -> Result<Packed, ContentError> {
        let base_directory = self.release(base);
        let base_tree = content::tree_path(&self.site, base);
        let base = PackBase {
            release: base,
            directory: &base_directory,
            tree_path: &base_tree,
        };
        let options = PackOptions {
            directory: &self.source,
            tree_path: &self.scanned_tree(release),
            base: (base.release > 0).then_some(base),
            serial: release,
            command: Command::Publish,
            site: "www",
            release,
            out_path: &self.stream(release),
            vouch_path: &self.path(&format!("{release}.vouch")),
            chunk_bytes,
            signing_key: &KEY,
            created_ns: 1,
        };
        content::pack(&options, on_batch)
    }

    pub fn pack(&self, release: u64, base: u64) -> Packed {
        self.pack_with(release, base, 0, &mut |_| true).unwrap()
    }

    pub fn apply_with(
        &self,
        release: u64,
        base: u64,
        assignment: [u8; 16],
        source: &dyn StreamSource,
        cancel: &Cancel,
    ) -> Result<Applied, ContentError> {
        let base_directory = self.release(base);
        let base_tree = content::tree_path(&self.site, base);
        let base_given = ApplyBase {
            directory: &base_directory,
            tree_path: &base_tree,
        };
        content::apply(&ApplyOptions {
            source,
            stream_path: &self.stream(release),
            assignment,
            base: (base > 0).then_some(base_given),
            target_directory: &self.release(release),
            tree_path: &content::tree_path(&self.site, release),
            cancel,
        })
    }

    pub fn apply(
        &self,
        release: u64,
        base: u64,
        assignment: [u8; 16],
    ) -> Result<Applied, ContentError> {
        let whole = WholeFile::open(&self.stream(release)).unwrap();
        self.apply_with(release, base, assignment, &whole, &Cancel::new())
    }

    /// Scan, pack, apply: the whole path of one release.
    pub fn publish(&self, release: u64, base: u64) -> (Packed, Applied) {
        let scanned = self.scan(release).unwrap();
        let packed = self.pack(release, base);
        let applied = self.apply(release, base, packed.assignment).unwrap();
        assert_eq!(applied.tree_hash, scanned.summary.tree_hash);
        (packed, applied)
    }

    /// Everything under the node's data, to see that a failure changed nothing.
    pub fn node(&self) -> BTreeMap<Vec<u8>, Seen> {
        let node = self.path("node");
        if node.exists() {
            look(&node)
        } else {
            BTreeMap::new()
        }
    }
}

/// One entry as the standard library sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub what: Kind,
    pub mode: u32,
    pub mtime: (i64, i64),
}

#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File(Vec<u8>),
    Link(Vec<u8>),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory => write!(f, "directory"),
            Self::File(content) => write!(f, "file of {} bytes", content.len()),
            Self::Link(target) => write!(f, "link to {}", target.escape_ascii()),
        }
    }
}

/// Reads a whole tree: path below `root` → entry.
pub fn look(root: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut seen = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let full = root.join(&relative);
        let metadata = full.symlink_metadata().unwrap();
        let what = if metadata.is_symlink() {
            Kind::Link(
                fs::read_link(&full)
                    .unwrap()
                    .as_os_str()
                    .as_bytes()
                    .to_vec(),
            )
        } else if metadata.is_dir() {
            for entry in fs::read_dir(&full).unwrap() {
                open.push(relative.join(entry.unwrap().file_name()));
            }
            Kind::Directory
        } else {
            Kind::File(fs::read(&full).unwrap())
        };
        let mode = metadata.permissions().mode() & 0o7777;
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        seen.insert(
            relative.as_os_str().as_bytes().to_vec(),
            Seen { what, mode, mtime },
        );
    }
    seen
}

/// Fails with the first difference between two trees.
pub fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (look(one), look(other));
    for (path, seen) in &one {
        assert_eq!(Some(seen), other.get(path), "at '{}'", path.escape_ascii());
    }
    assert_eq!(one.len(), other.len());
}

/// Bytes that look random and are the same each time.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Text that compresses like text: lines in a random order.
pub fn prose(seed: u64, length: usize) -> Vec<u8> {
    let words = [
        "river ",
        "branch ",
        "carries ",
        "water ",
        "downhill ",
        "slowly ",
        "and\n",
    ];
    let line = |choices: &[u8]| -> Vec<u8> {
        let words = choices
            .iter()
            .map(|byte| words[*byte as usize % words.len()]);
        words.collect::<String>().into_bytes()
    };
    let lines: Vec<_> = noise(seed, 64 * 40).chunks(40).map(line).collect();
    let mut text = Vec::with_capacity(length + 400);
    for choice in noise(seed + 1, length / 100 + 1) {
        text.extend_from_slice(&lines[choice as usize % lines.len()]);
        if text.len() >= length {
            break;
        }
    }
    text.truncate(length);
    text
}

pub fn write(root: &Path, name: &[u8], content: &[u8]) {
    let path = root.join(OsStr::from_bytes(name));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn set_mtime(path: &Path, seconds: u64, nanoseconds: u32) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(seconds, nanoseconds);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

/// A tree with all that is odd but legal.
pub fn odd_tree(root: &Path) {
    for (index, size) in [0, 1, 65_535, 65_536, 1 << 20, (1 << 20) + 1, 5 << 20]
        .iter()
        .enumerate()
    {
        write(
            root,
            format!("sizes/prose-{size}").as_bytes(),
            &prose(index as u64, *size),
        );
        write(
            root,
            format!("sizes/noise-{size}").as_bytes(),
            &noise(index as u64, *size),
        );
    }
    let names: [&[u8]; 14] = [
        b"new\nline",
        b"tab\t",
        b"esc\x1b[31m",
        b"-rf",
        b"~",
        b"%2e%2e%2f",
        b"quote'\"",
        b"back\\slash",
        b"\xff\xfe",
        "é".as_bytes(),
        "e\u{301}".as_bytes(),
        b"CON",
        b"dot.",
        b" space ",
    ];
    for name in names {
        write(root, &[b"names/", name].concat(), name);
    }
    write(
        root,
        &[b"names/", vec![b'n'; 255].as_slice()].concat(),
        b"long",
    );
    write(root, b"names/A", b"upper");
    write(root, b"names/a", b"lower");
    let deep = b"d/".repeat(300);
    write(root, &[deep.as_slice(), b"bottom"].concat(), b"deep");
    fs::create_dir_all(root.join("empty/inner")).unwrap();
    for (name, target) in [
        ("dangling", "no/where"),
        ("absolute", "/etc/passwd"),
        ("up", "../.."),
    ] {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
    std::os::unix::fs::symlink(OsStr::from_bytes(b"\xff\n"), root.join("bytes")).unwrap();
    std::os::unix::fs::symlink("names", root.join("directory-link")).unwrap();
    for mode in [0o400, 0o444, 0o600, 0o644, 0o755, 0o777, 0o640] {
        let name = format!("modes/{mode:o}");
        write(root, name.as_bytes(), b"mode");
        set_mode(&root.join(name), mode);
    }
    set_mtime(&root.join("names/A"), 1, 1);
    set_mtime(&root.join("names/a"), 2_000_000_000, 999_999_999);
    set_mode(&root.join("empty"), 0o500);
    set_mode(&root.join("names"), 0o711);
    set_mtime(&root.join("names"), 1_234_567_890, 123_456_789);
    set_mtime(&root.join("modes"), 0, 7);
    set_mtime(root, 1_500_000_000, 5);
}
