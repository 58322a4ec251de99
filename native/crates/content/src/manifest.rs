//! Manifests as text: one JSON object a line, for whoever describes a tree from afar.
//!
//! ```text
//! {"path":"a%20b/c","kind":"file","mode":"644","mtimeNs":"1","sizeBytes":3,"digest":"<64 hex>"}
//! {"path":"","kind":"dir","mode":"755","mtimeNs":"1"}
//! {"path":"l","kind":"link","mtimeNs":"1","target":"a%20b"}
//! ```
//! Names are bytes: `%XX` stands for any byte but NUL and the slash. Lines come in any order; the
//! whole must be a tree, checked here before anything is made of it.

use crate::Outcome;
use crate::error::{ContentError, shown};
use crate::limits::{MANIFEST_LINE_BYTES_MAX, SIZE_BYTES_MAX};
use crate::tree_file::{TreeSummary, read_tree, summary, write_durably, write_tree};
use beneath::check_path;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use wire::Digest;
use wire::limits::{ENTRY_COUNT_MAX, LINK_MODE, LINK_TARGET_BYTES_MAX, MODE_MASK};
use wire::tree::{Entry, EntryKind, Tree};

pub(crate) const DIRECTORY_MODE: u32 = 0o755;
pub(crate) const FILE_MODE: u32 = 0o644;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    kind: LineKind,
    #[serde(borrow)]
    mode: Option<Cow<'a, str>>,
    #[serde(borrow)]
    mtime_ns: Cow<'a, str>,
    size_bytes: Option<u64>,
    #[serde(borrow)]
    digest: Option<Cow<'a, str>>,
    #[serde(borrow)]
    target: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum LineKind {
    Dir,
    File,
    Link,
}

/// Reads a text manifest, checks it and writes the tree that it describes, durably.
///
/// Errors: `ENGINE_ERR_MANIFEST_INVALID` with the line and the reason; nothing is written then.
pub fn read_manifest(manifest_path: &Path, out_tree_path: &Path) -> Outcome<TreeSummary> {
    let file = File::open(manifest_path).map_err(|e| ContentError::io(manifest_path, &e))?;
    let tree = parse_manifest(BufReader::new(file), manifest_path)?;
    write_tree(out_tree_path, &tree)?;
    Ok(summary(&tree))
}

fn parse_manifest(mut reader: impl BufRead, path: &Path) -> Outcome<Tree> {
    let mut entries = Vec::new();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        let read = (&mut reader)
            .take(MANIFEST_LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(|error| ContentError::io(path, &error))?;
        if read == 0 {
            break;
        }
        let refused = |why: String| ContentError::ManifestInvalid { line: number, why };
        if read as u64 == MANIFEST_LINE_BYTES_MAX {
            return Err(refused("it is too long".to_owned()));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if entries.len() >= ENTRY_COUNT_MAX as usize {
            return Err(refused("there are too many entries".to_owned()));
        }
        entries.push((entry_of(&line).map_err(refused)?, number));
    }
    assemble(entries)
}

/// The entries as a tree: none twice, each in a directory, under one root, and sizes that agree.
fn assemble(mut entries: Vec<(Entry, u64)>) -> Outcome<Tree> {
    entries.sort_unstable_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    if entries
        .first()
        .is_none_or(|(entry, _)| !entry.path.is_empty())
    {
        entries.insert(0, (root_of(&entries), 0));
    }
    let mut directories = std::collections::HashSet::new();
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut total = 0_u64;
    let mut previous: Option<&[u8]> = None;
    for (entry, line) in &entries {
        let refused = |why: &str| {
            let why = format!("'{}' {why}", shown(&entry.path));
            Err(ContentError::ManifestInvalid { line: *line, why })
        };
        if previous == Some(&entry.path) {
            return refused("is there twice");
        }
        previous = Some(&entry.path);
        let (parent, _) = beneath::split_path(&entry.path);
        match &entry.kind {
            EntryKind::Directory => {
                directories.insert(entry.path.as_slice());
            }
            EntryKind::File { size_bytes, digest } => {
                total = total.saturating_add(*size_bytes);
                if sizes
                    .insert(*digest, *size_bytes)
                    .is_some_and(|known| known != *size_bytes)
                {
                    return refused("has a digest that another size has, too");
                }
            }
            EntryKind::Link { .. } => {}
        }
        if entry.path.is_empty() && entry.kind != EntryKind::Directory {
            return refused("is the root, and no directory");
        }
        if !directories.contains(parent) {
            return refused("lies in no directory of the manifest");
        }
        if total > SIZE_BYTES_MAX {
            return refused("makes the whole too large");
        }
    }
    drop((directories, sizes));
    Ok(Tree::from_sorted(
        entries.into_iter().map(|(entry, _)| entry).collect(),
    )?)
}

/// A root for a manifest that names none: as old as the newest of its entries.
fn root_of(entries: &[(Entry, u64)]) -> Entry {
    let times = entries.iter().map(|(entry, _)| entry.mtime_ns);
    Entry {
        path: Vec::new(),
        mode: DIRECTORY_MODE,
        mtime_ns: times.max().unwrap_or(0),
        kind: EntryKind::Directory,
    }
}

fn entry_of(text: &[u8]) -> Result<Entry, String> {
    let line: Line<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let path = unescaped(&line.path).map_err(|why| format!("its path {why}"))?;
    check_path(&path)
        .map_err(|_| "its path leads outside, or is not in its plain form".to_owned())?;
    let mtime_ns = line.mtime_ns.parse();
    let mtime_ns = mtime_ns.map_err(|_| "its mtimeNs is no whole number in quotes".to_owned())?;
    let mode = line.mode.as_deref().map(mode_of).transpose()?;
    let is_plain = line.size_bytes.is_none() && line.digest.is_none();
    let (kind, usual) = match (line.kind, &line.target) {
        (LineKind::Dir, None) if is_plain => (EntryKind::Directory, DIRECTORY_MODE),
        (LineKind::Link, Some(target)) if is_plain => (
            EntryKind::Link {
                target: target_of(target)?,
            },
            LINK_MODE,
        ),
        (LineKind::File, None) => (file_of(line.size_bytes, line.digest.as_deref())?, FILE_MODE),
        _ => return Err("its fields are not those of its kind".to_owned()),
    };
    let mode = match kind {
        EntryKind::Link { .. } => LINK_MODE,
        _ => mode.unwrap_or(usual),
    };
    Ok(Entry {
        path,
        mode,
        mtime_ns,
        kind,
    })
}

fn file_of(size_bytes: Option<u64>, digest: Option<&str>) -> Result<EntryKind, String> {
    let size_bytes = size_bytes.ok_or("it has no sizeBytes")?;
    if size_bytes > SIZE_BYTES_MAX {
        return Err("its sizeBytes is too large".to_owned());
    }
    let text = digest.ok_or("it has no digest")?;
    let digest = digest_of(text).ok_or("its digest is not 64 lower-case hexadecimal digits")?;
    if size_bytes == 0 && digest != wire::digest_of(b"") {
        return Err("it is empty, and its digest is not that of nothing".to_owned());
    }
    Ok(EntryKind::File { size_bytes, digest })
}

fn target_of(text: &str) -> Result<Vec<u8>, String> {
    let target = decoded(text, true).map_err(|why| format!("its target {why}"))?;
    if target.is_empty() || target.len() > LINK_TARGET_BYTES_MAX || target.contains(&0) {
        return Err("its target is empty, too long or has a NUL".to_owned());
    }
    Ok(target)
}

pub(crate) fn mode_of(text: &str) -> Result<u32, String> {
    let is_octal =
        (1..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = is_octal.then(|| u32::from_str_radix(text, 8).unwrap_or(u32::MAX));
    mode.filter(|mode| mode & !MODE_MASK == 0)
        .ok_or_else(|| "its mode is not octal digits up to 777 in quotes".to_owned())
}

pub(crate) fn digest_of(text: &str) -> Option<Digest> {
    let bytes = text.as_bytes();
    let mut digest = [0; 32];
    if bytes.len() != 64 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(bytes.chunks_exact(2)) {
        let is_lower = pair.iter().all(|digit| !digit.is_ascii_uppercase());
        *byte = is_lower.then(|| byte_of(pair[0], pair[1])).flatten()?;
    }
    Some(digest)
}

fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}

/// The bytes that a path stands for; an escape is never a slash.
pub(crate) fn unescaped(text: &str) -> Result<Vec<u8>, &'static str> {
    decoded(text, false)
}

fn decoded(text: &str, with_slash: bool) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let byte = if first == b'%' {
            let &[high, low, ..] = after else {
                return Err("ends within an escape");
            };
            rest = &after[2..];
            let byte = byte_of(high, low)
                .ok_or("has an escape that is not % and two hexadecimal digits")?;
            if byte == b'/' && !with_slash {
                return Err("has a slash as an escape");
            }
            byte
        } else {
            first
        };
        if byte == 0 {
            return Err("has a NUL");
        }
        bytes.push(byte);
    }
    Ok(bytes)
}

/// Writes the text manifest of a tree, in the order of its paths.
pub fn write_manifest(tree_path: &Path, out_path: &Path) -> Outcome<()> {
    let tree = read_tree(tree_path)?;
    let mut text = String::new();
    for entry in tree.entries() {
        line_of(entry, &mut text);
    }
    write_durably(out_path, text.as_bytes())
}

fn line_of(entry: &Entry, text: &mut String) {
    let path = escaped(&entry.path);
    let (mode, mtime_ns) = (entry.mode, entry.mtime_ns);
    // Writing to a String cannot fail.
    let _ = match &entry.kind {
        EntryKind::Directory => writeln!(
            text,
            r#"{{"path":"{path}","kind":"dir","mode":"{mode:o}","mtimeNs":"{mtime_ns}"}}"#
        ),
        EntryKind::Link { target } => writeln!(
            text,
            r#"{{"path":"{path}","kind":"link","mtimeNs":"{mtime_ns}","target":"{}"}}"#,
            escaped(target)
        ),
        EntryKind::File { size_bytes, digest } => writeln!(
            text,
            concat!(
                r#"{{"path":"{}","kind":"file","mode":"{:o}","mtimeNs":"{}","#,
                r#""sizeBytes":{},"digest":"{}"}}"#
            ),
            path,
            mode,
            mtime_ns,
            size_bytes,
            hex_of(digest)
        ),
    };
}

/// 64 lower-case hexadecimal digits.
pub(crate) fn hex_of(digest: &Digest) -> String {
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Bytes as manifests have them.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
