//! Goal: whatever was made a parcel, and when, a stream reads as what was written to it; files
//! that are not ours stay.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::Range;

use proptest::prelude::*;
use stored::{StoredStream, parcel_name, parcels_directory};

const LENGTH: usize = 300;

/// What a test does to a stream.
#[derive(Debug, Clone)]
enum Act {
    Write(Range<usize>),
    Part(Range<usize>),
    Reopen,
}

fn ranges() -> impl Strategy<Value = Range<usize>> {
    (0..LENGTH, 1..80_usize).prop_map(|(start, length)| start..(start + length).min(LENGTH))
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => ranges().prop_map(Act::Write),
        2 => ranges().prop_map(Act::Part),
        1 => Just(Act::Reopen),
    ];
    proptest::collection::vec(act, 1..40)
}

fn wide(range: &Range<usize>) -> Range<u64> {
    range.start as u64..range.end as u64
}

proptest! {
    #[test]
    fn a_stream_reads_as_it_was_written(acts in acts()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("7.stream");
        let mut stream = StoredStream::create(&path).unwrap();
        let mut expected: Vec<Option<u8>> = vec![None; LENGTH];
        let mut parcels: Vec<Range<u64>> = Vec::new();
        let mut value = 0_u8;
        for act in acts {
            match act {
                Act::Write(range) => {
                    value = value.wrapping_add(1);
                    expected[range.clone()].fill(Some(value));
                    stream.write_all_at(&vec![value; range.len()], range.start as u64).unwrap();
                }
                Act::Part(range) => {
                    let range = wide(&range);
                    let known = parcels.contains(&range);
                    let free = !parcels.iter().any(|p| p.start < range.end && range.start < p.end);
                    prop_assert_eq!(stream.add_parcel(&range).unwrap(), known || free);
                    if !known && free {
                        for at in range.clone() {
                            if expected[usize::try_from(at).unwrap()].is_some() {
                                stream.add_stray(&(at..at + 1));
                            }
                        }
                        parcels.push(range);
                    }
                }
                Act::Reopen => {
                    // Strays are known to who made the parcel alone; a reader needs none.
                    for range in &parcels {
                        for stray in stream.strays(range).to_vec() {
                            let at = usize::try_from(stray.start).unwrap();
                            let length = usize::try_from(stray.end - stray.start).unwrap();
                            let mut bytes = vec![0; length];
                            stream.read_exact_at(&mut bytes, stray.start).unwrap();
                            stream.copy_stray(&bytes, stray.start).unwrap();
                            prop_assert_eq!(bytes[0], expected[at].unwrap());
                        }
                        stream.seal(range).unwrap();
                        prop_assert!(stream.strays(range).is_empty());
                    }
                    stream = StoredStream::open_to_write(&path).unwrap();
                }
            }
            for (at, byte) in expected.iter().enumerate() {
                if let Some(byte) = byte {
                    let mut found = [0];
                    stream.read_exact_at(&mut found, at as u64).unwrap();
                    prop_assert_eq!(found[0], *byte);
                }
            }
        }
    }
}

#[test]
fn a_reader_takes_up_parcels_that_were_made_since() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("7.stream");
    let mut writer = StoredStream::create(&path).unwrap();
    let mut reader = StoredStream::open(&path).unwrap();
    writer.write_all_at(b"head", 0).unwrap();
    assert!(writer.add_parcel(&(4..10)).unwrap());
    writer.write_all_at(b"parcel, tail", 4).unwrap();
    writer.sync().unwrap();
    reader.find_parcels().unwrap();
    let mut found = [0; 16];
    reader.read_exact_at(&mut found, 0).unwrap();
    assert_eq!(&found, b"headparcel, tail");
    assert_eq!(
        fs::read(parcels_directory(&path).join(parcel_name(&(4..10)))).unwrap(),
        b"parcel"
    );
}

#[test]
fn what_is_no_parcel_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("7.stream");
    let mut stream = StoredStream::create(&path).unwrap();
    assert!(stream.add_parcel(&(0..8)).unwrap());
    let parcels = parcels_directory(&path);
    for name in ["notes", "07-8", "9-0", "18446744073709551615-9", "4-8"] {
        fs::write(parcels.join(name), "theirs").unwrap();
    }
    let mut again = StoredStream::open(&path).unwrap();
    again.find_parcels().unwrap();
    assert!(again.parcel(&(4..12)).is_some() != again.parcel(&(0..8)).is_some());
    StoredStream::remove(&path).unwrap();
    assert!(!path.exists());
    let mut left: Vec<_> = fs::read_dir(&parcels)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["07-8", "18446744073709551615-9", "9-0", "notes"]);
}

#[test]
fn a_parcel_that_became_read_only_is_written_to_again_and_a_sealed_one_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("7.stream");
    let mut stream = StoredStream::create(&path).unwrap();
    let script = b"#!/bin/true\n";
    let range = 0..script.len() as u64;
    assert!(stream.add_parcel(&range).unwrap());
    stream.write_all_at(script, 0).unwrap();
    stream.seal(&range).unwrap();
    let file = parcels_directory(&path).join(parcel_name(&range));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o555)).unwrap();
    assert!(
        std::process::Command::new(&file)
            .status()
            .unwrap()
            .success()
    );
    stream.write_all_at(b"#!/bin/TRUE\n", 0).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"#!/bin/TRUE\n");
}

#[test]
fn a_parcel_is_untouched_when_each_of_its_pages_was_written_and_it_has_one_name() {
    const PAGE: usize = 4096;
    let directory = tempfile::tempdir().unwrap();
    let range = 0..16 * PAGE as u64;
    for lost in [None, Some(0), Some(7), Some(15)] {
        let mut stream = StoredStream::create(&directory.path().join("1.stream")).unwrap();
        assert!(!stream.is_untouched(&range), "there is none");
        assert!(stream.add_parcel(&range).unwrap());
        for page in (0..16).filter(|page| Some(*page) != lost) {
            let written = stream.write_all_at(&[0; PAGE], (page * PAGE) as u64);
            written.unwrap();
        }
        assert_eq!(stream.is_untouched(&range), lost.is_none(), "{lost:?}");
        let shorter = 0..range.end - 1;
        assert!(!stream.is_untouched(&shorter), "it is another stretch");
        let parcels = parcels_directory(stream.path());
        let other = directory.path().join(format!("{lost:?}"));
        fs::hard_link(parcels.join(parcel_name(&range)), other).unwrap();
        assert!(!stream.is_untouched(&range), "it is a release's file");
    }
}
