//! The values that the vectors hold.

use wire::assignment::{Command, Header, Trailer};
use wire::digest_of;
use wire::peer::Message;
use wire::section::{SectionHeader, SectionKind};
use wire::steps::{self, Step};
use wire::tree::{Entry, EntryKind, Tree};
use wire::vouch::{SigningKey, StreamEnd, Vouch};

use super::messages::{messages, probes};
use super::{SEED, Vector};

const CHUNK_BYTES: u32 = 4096;

pub(super) fn vector(name: &'static str, format: &'static str, bytes: Vec<u8>) -> Vector {
    Vector {
        name,
        format,
        bytes,
    }
}

/// All vectors that are read.
pub(crate) fn good() -> Vec<Vector> {
    let mut vectors = vec![
        vector("header-publish", "header", publish_header().encode()),
        vector("header-first", "header", first_header().encode()),
        vector("steps-every-kind", "steps", steps::encode(&every_step())),
        vector(
            "steps-difference",
            "steps",
            steps::encode(&new_tree().diff(Some(&old_tree()))),
        ),
        vector(
            "section-plain",
            "section",
            section(SectionKind::Plain, 512, 512).encode(),
        ),
        vector(
            "section-zstd",
            "section",
            section(SectionKind::Zstd, 1 << 20, 70_001).encode(),
        ),
        vector(
            "section-delta",
            "section",
            section(window(), 4 << 20, 321).encode(),
        ),
        vector(
            "section-whole",
            "section",
            SectionHeader::whole(77, 5_000_000_000, 999).encode(),
        ),
        vector("trailer", "trailer", trailer().encode()),
        vector("stream-small", "stream", stream(false)),
        vector("stream-whole", "stream", stream(true)),
        vector("tree-old", "tree", old_tree().encode()),
        vector("tree-new", "tree", new_tree().encode()),
        vector("vouch-middle", "vouch", vouch(16, 3, None).encode()),
        vector("vouch-end", "vouch", vouch(19, 2, Some(21)).encode()),
    ];
    vectors.extend(messages());
    vectors.extend(probes());
    vectors
}

pub(super) fn publish_header() -> Header {
    Header {
        serial: 0x0102_0304_0506_0708,
        command: Command::Publish,
        release: 42,
        base_release: 41,
        base_hash: old_tree().hash(),
        result_hash: new_tree().hash(),
        steps_digest: digest_of(b"steps"),
        steps_packed_bytes: 700,
        steps_raw_bytes: 1000,
        step_count: 9,
        entry_count: 8,
        content_bytes: 5_000_000_000,
        disk_bytes: 5_100_000_000,
        created_ns: 1_767_225_600_123_456_789,
        chunk_bytes: 256 * 1024,
        site: "www.example-1".to_owned(),
    }
}

fn first_header() -> Header {
    Header {
        serial: 1,
        command: Command::Replicate,
        release: 1,
        base_release: 0,
        base_hash: [0; 32],
        site: "w".to_owned(),
        chunk_bytes: CHUNK_BYTES,
        ..publish_header()
    }
}

fn window() -> SectionKind {
    SectionKind::Delta {
        base_offset: 0x0001_0000_0000,
        base_bytes: 8 << 20,
    }
}

fn section(kind: SectionKind, raw_bytes: u32, packed_bytes: u32) -> SectionHeader {
    SectionHeader {
        kind,
        first_step: 77,
        raw_bytes,
        packed_bytes,
    }
}

fn trailer() -> Trailer {
    Trailer {
        section_count: 3,
        data_digest: digest_of(b"data"),
        steps_digest: digest_of(b"steps"),
        stream_bytes: 0x0102_0304_0506,
    }
}

fn entry(path: &[u8], mode: u32, kind: EntryKind) -> Entry {
    Entry {
        path: path.to_vec(),
        mode,
        mtime_ns: 1_700_000_000_000_000_001,
        kind,
    }
}

fn file(content: &[u8]) -> EntryKind {
    EntryKind::File {
        size_bytes: content.len() as u64,
        digest: digest_of(content),
    }
}

fn link(target: &[u8]) -> EntryKind {
    EntryKind::Link {
        target: target.to_vec(),
    }
}

fn old_tree() -> Tree {
    let mut entries = vec![
        entry(b"", 0o755, EntryKind::Directory),
        entry(b"empty", 0o600, file(b"")),
        entry(b"index.html", 0o644, file(b"<p>old</p>")),
        entry(b"logo.svg", 0o644, file(b"<svg/>")),
        entry(b"pages", 0o755, EntryKind::Directory),
        entry(b"pages/a", 0o644, file(b"a")),
        entry(b"pages.html", 0o644, file(b"pages")),
        entry(b"current", 0o777, link(b"pages")),
        entry(b"run", 0o755, file(b"#!/bin/sh\n")),
    ];
    entries[1].mtime_ns = -1;
    Tree::new(entries).expect("a tree")
}

fn new_tree() -> Tree {
    let mut entries = vec![
        entry(b"", 0o755, EntryKind::Directory),
        entry(b"empty", 0o600, file(b"")),
        entry(b"index.html", 0o644, file(b"<p>new</p>")),
        entry(b"images", 0o750, EntryKind::Directory),
        entry(b"images/logo%.svg", 0o644, file(b"<svg/>")),
        entry(b"images/odd \xff\n", 0o644, file(b"odd")),
        entry(b"pages", 0o644, file(b"was a directory")),
        entry(b"pages.html", 0o644, file(b"pages")),
        entry(b"current", 0o777, link(b"../elsewhere/\xfe")),
        entry(b"run", 0o700, file(b"#!/bin/sh\n")),
    ];
    entries[1].mtime_ns = -1;
    Tree::new(entries).expect("a tree")
}

fn every_step() -> Vec<Step> {
    let mtime_ns = -1_000_000_001;
    let (mode, size_bytes, digest) = (0o640, 3, digest_of(b"odd"));
    vec![
        Step::Delete {
            path: b"z/y".to_vec(),
        },
        Step::Delete {
            path: b"z".to_vec(),
        },
        Step::SetAttributes {
            path: b"".to_vec(),
            mode: 0o755,
            mtime_ns,
        },
        Step::MakeDirectory {
            path: b"d".to_vec(),
            mode: 0o755,
            mtime_ns,
        },
        Step::CopyFile {
            path: b"d/c".to_vec(),
            from: b"z/y".to_vec(),
            mode,
            mtime_ns,
        },
        Step::MakeLink {
            path: b"d/l".to_vec(),
            mtime_ns,
            target: b"../%\xff".to_vec(),
        },
        Step::WriteFile {
            path: b"z".to_vec(),
            mode,
            mtime_ns,
            size_bytes,
            digest,
        },
    ]
}

/// One zstd frame that holds its bytes as they are: made by hand, so that no release of zstd can
/// change the vector. One block holds up to 128 KiB.
fn raw_frame(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).expect("a small frame");
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    frame.extend_from_slice(&size.to_le_bytes());
    frame.extend_from_slice(&(size << 3 | 1).to_le_bytes()[..3]);
    frame.extend_from_slice(bytes);
    frame
}

/// An assignment of a first release; its large file is compressed, or a whole section.
fn stream(is_whole: bool) -> Vec<u8> {
    let hello = b"hello, world\n".as_slice();
    let large: Vec<u8> = (0..5000_u32)
        .flat_map(|at| (at % 251).to_le_bytes())
        .take(5000)
        .collect();
    let tree = Tree::new(vec![
        entry(b"", 0o755, EntryKind::Directory),
        entry(b"hello.txt", 0o644, file(hello)),
        entry(b"large.bin", 0o644, file(&large)),
        entry(b"latest", 0o777, link(b"large.bin")),
    ])
    .expect("a tree");
    let steps = tree.diff(None);
    let raw_steps = steps::encode(&steps);
    let packed_steps = raw_frame(&raw_steps);
    let header = Header {
        serial: 9,
        release: 3,
        result_hash: tree.hash(),
        steps_digest: digest_of(&raw_steps),
        steps_packed_bytes: u32::try_from(packed_steps.len()).expect("small"),
        steps_raw_bytes: u32::try_from(raw_steps.len()).expect("small"),
        step_count: 4,
        entry_count: 4,
        content_bytes: (hello.len() + large.len()) as u64,
        disk_bytes: 16_384,
        ..first_header()
    };
    let mut stream = header.encode();
    stream.extend(packed_steps);
    let mut data = blake3::Hasher::new();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("small");
    let plain = SectionHeader {
        kind: SectionKind::Plain,
        first_step: 1,
        raw_bytes: length(hello),
        packed_bytes: length(hello),
    };
    for bytes in [plain.encode().as_slice(), hello] {
        data.update(bytes);
        stream.extend_from_slice(bytes);
    }
    let packed_large = raw_frame(&large);
    if is_whole {
        let before = stream.len() + wire::section::SECTION_HEADER_BYTES;
        let padding = vec![0; before.next_multiple_of(4096) - before];
        let whole = SectionHeader::whole(2, large.len() as u64, length(&padding)).encode();
        data.update(&whole);
        stream.extend([whole, padding, large].concat());
    } else {
        let zstd = SectionHeader {
            kind: SectionKind::Zstd,
            first_step: 2,
            raw_bytes: length(&large),
            packed_bytes: length(&packed_large),
        };
        let section = [zstd.encode(), packed_large].concat();
        data.update(&section);
        stream.extend(section);
    }
    let trailer = Trailer {
        section_count: 2,
        data_digest: *data.finalize().as_bytes(),
        steps_digest: header.steps_digest,
        stream_bytes: (stream.len() + wire::assignment::TRAILER_BYTES) as u64,
    };
    stream.extend(trailer.encode());
    stream
}

pub(super) fn vouch(first: u32, count: u8, chunk_count: Option<u32>) -> Vouch {
    let digests = (0..count).map(|at| digest_of(&[at])).collect();
    let end = chunk_count.map(|chunk_count| StreamEnd {
        chunk_count,
        stream_bytes: 83_000,
    });
    let key = SigningKey::from_bytes(&SEED);
    Vouch::sign(publish_header().id(), first, digests, end, &key).expect("a vouch")
}

/// All vectors that are refused. Each is a good one with little changed.
pub(crate) fn refused() -> Vec<Vector> {
    let changed = |mut bytes: Vec<u8>, at: usize, with: &[u8]| {
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let header = |at, with: &[u8]| changed(publish_header().encode(), at, with);
    let end = |at, with: &[u8]| changed(vouch(19, 2, Some(21)).encode(), at, with);
    let delete = |path: &[u8]| {
        steps::encode(&[Step::Delete {
            path: path.to_vec(),
        }])
    };
    let pull = |at, with: &[u8]| {
        changed(
            Message::Pull {
                ranges: vec![3..4, 4..12],
            }
            .encode(),
            at,
            with,
        )
    };
    let chunk = |at, with: &[u8]| {
        changed(
            Message::Chunk {
                index: 1,
                strand: 0,
                bytes: 4096,
            }
            .encode(),
            at,
            with,
        )
    };
    vec![
        vector("bad-header-magic", "header", header(7, b"2")),
        vector("bad-header-command", "header", header(12, &[3])),
        vector("bad-header-reserved", "header", header(14, &[1])),
        vector("bad-header-base", "header", header(32, &[0; 8])),
        vector(
            "bad-header-chunk-bytes",
            "header",
            header(176, &4097_u32.to_le_bytes()),
        ),
        vector("bad-header-site", "header", header(184, b"../")),
        vector(
            "bad-header-short",
            "header",
            publish_header().encode()[..190].to_vec(),
        ),
        vector("bad-steps-parent", "steps", delete(b"a/../../etc/passwd")),
        vector("bad-steps-absolute", "steps", delete(b"/etc/passwd")),
        vector(
            "bad-steps-order",
            "steps",
            [delete(b"a"), delete(b"a/b")].concat(),
        ),
        vector(
            "bad-section-kind",
            "section",
            changed(section(window(), 9, 9).encode(), 0, &[5]),
        ),
        vector(
            "bad-trailer-digest",
            "trailer",
            changed(trailer().encode(), 8, &[4]),
        ),
        vector(
            "bad-tree-digest",
            "tree",
            changed(old_tree().encode(), 20, &[1]),
        ),
        vector("bad-vouch-count", "vouch", end(28, &[0, 0])),
        vector("bad-vouch-flags", "vouch", end(30, &[3])),
        vector("bad-vouch-end", "vouch", end(32, &[22])),
        vector("bad-vouch-signature", "vouch", end(48, &[0xff])),
        vector("bad-message-magic", "message", chunk(0, b"X")),
        vector("bad-message-version", "message", chunk(2, &[2])),
        vector("bad-message-type", "message", chunk(3, &[99])),
        vector(
            "bad-message-too-long",
            "message",
            chunk(4, &0x0010_0001_u32.to_le_bytes()),
        ),
        vector("bad-message-strand", "message", chunk(12, &[16])),
        vector("bad-message-reserved", "message", pull(8, &[1])),
        vector("bad-message-range", "message", pull(16, &[4])),
        vector("bad-message-overlap", "message", pull(24, &[3])),
    ]
}
