//! Goal: each rule of assignments and vouches refuses by its own name.
//! Method: one broken value for each rule.

// In a test a panic is the finding.
#![allow(clippy::expect_used)]

use wire::assignment::{Command, Header, site_allowed};
use wire::section::{SectionHeader, SectionKind};
use wire::steps::{self, Step};
use wire::vouch::{SigningKey, StreamEnd, Vouch};
use wire::{WireError, digest_of, limits};

fn write(path: &str) -> Step {
    let path = path.as_bytes().to_vec();
    Step::WriteFile {
        path,
        mode: 0o644,
        mtime_ns: 0,
        size_bytes: 1,
        digest: [1; 32],
    }
}

fn why<T: std::fmt::Debug>(result: Result<T, WireError>) -> String {
    result.expect_err("it is refused").to_string()
}

fn header() -> Header {
    let raw = steps::encode(&[write("a"), write("b")]);
    Header {
        serial: 1,
        command: Command::Publish,
        release: 2,
        base_release: 1,
        base_hash: [1; 32],
        result_hash: [2; 32],
        steps_digest: digest_of(&raw),
        steps_packed_bytes: 10,
        steps_raw_bytes: u32::try_from(raw.len()).expect("few"),
        step_count: 2,
        entry_count: 3,
        content_bytes: 2,
        disk_bytes: 3,
        created_ns: 4,
        chunk_bytes: 4096,
        site: "www".to_owned(),
    }
}

#[test]
fn a_header_is_refused_by_the_name_of_its_field() {
    type Break = fn(&mut Header);
    let cases: [(Break, &str); 17] = [
        (|header| header.serial = 0, "serial"),
        (|header| header.release = 0, "release"),
        (|header| header.base_release = 2, "base release"),
        (|header| header.base_release = 0, "base hash"),
        (|header| header.base_hash = [0; 32], "base hash"),
        (
            |header| header.steps_raw_bytes = (256 << 20) + 1,
            "steps size",
        ),
        (
            |header| header.steps_packed_bytes = 2000,
            "packed steps size",
        ),
        (|header| header.step_count = 20_000_001, "step count"),
        (|header| header.entry_count = 0, "entry count"),
        (|header| header.entry_count = 10_000_001, "entry count"),
        (|header| header.content_bytes = 1 << 63, "content size"),
        (|header| header.chunk_bytes = 2048, "chunk size"),
        (|header| header.chunk_bytes = 2 << 20, "chunk size"),
        (|header| header.chunk_bytes = 5000, "chunk size"),
        (|header| header.site = String::new(), "site"),
        (|header| header.site = ".www".to_owned(), "site"),
        (|header| header.site = "a/b".to_owned(), "site"),
    ];
    for (break_it, field) in cases {
        let mut header = header();
        break_it(&mut header);
        let said = why(Header::decode(&header.encode()));
        assert!(said.ends_with(field), "{said} should name {field}");
        assert_eq!(said, why(header.check()));
    }
    assert!(!site_allowed(&"w".repeat(65)) && site_allowed(&"w".repeat(64)));
    assert_eq!(header().id()[..], digest_of(&header().encode())[..16]);
}

#[test]
fn steps_are_read_only_as_the_header_says() {
    let raw = steps::encode(&[write("a"), write("b")]);
    assert_eq!(header().read_steps(&raw).map(|steps| steps.len()), Ok(2));
    let other = steps::encode(&[write("a"), write("c")]);
    let cases = [
        (header(), other.as_slice(), "does not match its digest"),
        (header(), &raw[1..], "length"),
        (
            Header {
                step_count: 3,
                ..header()
            },
            raw.as_slice(),
            "count",
        ),
        (
            Header {
                content_bytes: 3,
                ..header()
            },
            raw.as_slice(),
            "content size",
        ),
    ];
    for (header, raw, reason) in cases {
        let error = header.read_steps(raw).expect_err("it is refused");
        assert!(error.to_string().ends_with(reason), "{error}");
        assert_eq!(error.code(), "ENGINE_ERR_ASSIGNMENT_CORRUPT");
    }
}

#[test]
fn a_section_is_refused_by_the_name_of_its_field() {
    let section = |kind, first_step, raw_bytes, packed_bytes| SectionHeader {
        kind,
        first_step,
        raw_bytes,
        packed_bytes,
    };
    let window = |base_offset, base_bytes| SectionKind::Delta {
        base_offset,
        base_bytes,
    };
    let padded = |file_bytes, padding_bytes| SectionKind::Whole {
        file_bytes,
        padding_bytes,
    };
    let whole = |file_bytes| padded(file_bytes, 0);
    let (plain, zstd, large) = (SectionKind::Plain, SectionKind::Zstd, 2 << 20);
    let cases = [
        (section(plain, 0, 9, 8), "packed section size"),
        (section(plain, 0, 0, 0), "section size"),
        (section(zstd, 0, 9, 0), "packed section size"),
        (section(zstd, 0, 9, 2000), "packed section size"),
        (section(plain, 0, large, large), "section size"),
        (section(zstd, 0, large, large), "section size"),
        (section(window(0, 1), 0, 3 * large, 1), "section size"),
        (section(window(0, 0), 0, 9, 9), "base window"),
        (section(window(0, (16 << 20) + 1), 0, 9, 9), "base window"),
        (section(window(u64::MAX, 1), 0, 9, 9), "base window"),
        (section(zstd, u32::MAX, 9, 9), "step count"),
        (section(whole(0), 0, 0, 0), "section size"),
        (section(whole(u64::MAX), 0, 0, 0), "section size"),
        (section(whole(9), 0, 9, 9), "section size"),
        (section(whole(9), 0, 0, 9), "packed section size"),
        (section(padded(9, 4096), 0, 0, 0), "padding"),
    ];
    for (section, field) in cases {
        let said = why(SectionHeader::decode(&section.encode()));
        assert!(said.ends_with(field), "{said} should name {field}");
    }
    let mut plain_with_window = section(plain, 0, 9, 9).encode();
    plain_with_window[24] = 1;
    assert!(why(SectionHeader::decode(&plain_with_window)).ends_with("base window"));
    assert!(SectionHeader::decode(&section(window(5, 1), 0, large, 1).encode()).is_ok());
}

#[test]
fn a_vouch_says_only_what_can_be() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let sign = |first, count, end| Vouch::sign([1; 16], first, vec![[2; 32]; count], end, &key);
    let end = |chunk_count, stream_bytes| {
        Some(StreamEnd {
            chunk_count,
            stream_bytes,
        })
    };
    assert!(why(sign(0, 0, None)).ends_with("digest count"));
    assert!(why(sign(0, 1025, None)).ends_with("digest count"));
    assert!(why(sign(limits::CHUNK_COUNT_MAX - 1, 2, None)).ends_with("chunk count"));
    assert!(why(sign(u32::MAX, 2, None)).ends_with("chunk count"));
    assert!(why(sign(5, 2, end(8, 40_000))).ends_with("end"));
    assert!(why(sign(5, 2, end(7, 3))).ends_with("end"));
    let vouch = sign(5, 1024, end(1029, 4_000_000)).expect("a vouch");
    assert_eq!(vouch.next(), 1029);
    assert_eq!(vouch.encode().len(), wire::vouch::VOUCH_BYTES_MAX);
    assert_eq!(
        why(vouch.verify(&[0xff; 32])),
        "vouch is not signed by the coordinator"
    );
    let mut twice = vouch.encode();
    twice.push(0);
    assert!(why(Vouch::decode(&twice)).ends_with("has bytes after its end"));
}

#[test]
fn the_end_of_a_stream_knows_the_length_of_each_chunk() {
    let end = StreamEnd {
        chunk_count: 3,
        stream_bytes: 2 * 4096 + 1,
    };
    assert!(end.fits(4096) && !end.fits(8192) && !end.fits(0) && !end.fits(100));
    assert_eq!(
        [0, 1, 2].map(|index| end.chunk_length(index, 4096)),
        [4096, 4096, 1]
    );
    let even = StreamEnd {
        chunk_count: 2,
        stream_bytes: 2 * 4096,
    };
    assert!(even.fits(4096));
    assert_eq!(even.chunk_length(1, 4096), 4096);
    let huge = StreamEnd {
        chunk_count: u32::MAX,
        stream_bytes: u64::from(u32::MAX) << 20,
    };
    assert_eq!(huge.chunk_length(0, 1 << 20), 1 << 20);
}
