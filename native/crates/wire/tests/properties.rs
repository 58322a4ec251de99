//! Goal: what holds for every value and for any bytes. Method: random trees that share names and
//! contents, so that changes of type, renames and swaps are frequent; random messages, headers
//! and vouches; random bytes.

// In a test a panic is the finding.
#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Component, Path};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use wire::assignment::{Command, Header, Trailer};
use wire::path::check_path;
use wire::peer::{Message, MessageHeader, PeerRole, ProbeArrival, Refusal};
use wire::section::{SectionHeader, SectionKind};
use wire::steps::{self, Step};
use wire::tree::{Entry, EntryKind, Tree};
use wire::vouch::{SigningKey, StreamEnd, Vouch, public_key_of};
use wire::{Fault, digest_of, limits};

#[allow(unreachable_pub)]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

fn kinds() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        3 => Just(EntryKind::Directory),
        4 => (0_u8..6).prop_map(|content| EntryKind::File {
            size_bytes: u64::from(content),
            digest: digest_of(&vec![content; usize::from(content)]),
        }),
        1 => vec(1_u8.., 1..6).prop_map(|target| EntryKind::Link { target }),
    ]
}

/// Few names, some of which sort before `/`, so that trees collide in every way.
fn paths() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let name = prop_oneof![
        3 => proptest::sample::select(vec![&b"a"[..], b"b", b"c"]).prop_map(<[u8]>::to_vec),
        1 => proptest::sample::select(vec![&b"a."[..], b"a ", b"\xff", b"..."])
            .prop_map(<[u8]>::to_vec),
    ];
    vec(name, 1..5)
}

prop_compose! {
    fn trees()(
        root in (0_u32..0o1000, any::<i64>()),
        all in vec((paths(), kinds(), 0_u32..0o1000, 0_i64..3), 0..40),
    ) -> Tree {
        let directory = |mode, mtime_ns| (EntryKind::Directory, mode, mtime_ns);
        let mut places = BTreeMap::from([(Vec::new(), directory(root.0, root.1))]);
        for (components, kind, mode, mtime_ns) in all {
            let mut path = Vec::new();
            let mut blocked = false;
            for component in &components[..components.len() - 1] {
                path = join(&path, component);
                if !blocked {
                    let there = places.entry(path.clone()).or_insert(directory(0o755, 0));
                    blocked = there.0 != EntryKind::Directory;
                }
            }
            let path = join(&path, &components[components.len() - 1]);
            if !blocked {
                let mode = if matches!(kind, EntryKind::Link { .. }) { 0o777 } else { mode };
                places.entry(path).or_insert((kind, mode, mtime_ns));
            }
        }
        let entry = |(path, (kind, mode, mtime_ns))| Entry { path, mode, mtime_ns, kind };
        Tree::new(places.into_iter().map(entry).collect()).expect("a tree")
    }
}

fn join(parent: &[u8], component: &[u8]) -> Vec<u8> {
    let parts: &[&[u8]] = if parent.is_empty() {
        &[component]
    } else {
        &[parent, component]
    };
    parts.join(&b'/')
}

/// Ascending ranges, some of which touch.
fn ranges(max: usize) -> impl Strategy<Value = Vec<Range<u32>>> {
    vec((0_u32..50, 1_u32..50), 0..max).prop_map(|gaps| {
        let mut at = 0;
        let range = |(gap, length)| {
            let start = at + gap;
            at = start + length;
            start..at
        };
        gaps.into_iter().map(range).collect()
    })
}

fn strands() -> impl Strategy<Value = u8> {
    prop_oneof![0..limits::STRAND_COUNT_MAX, Just(limits::STRAND_PULLED)]
}

fn counts() -> impl Strategy<Value = u32> {
    0..=limits::CHUNK_COUNT_MAX
}

fn messages() -> impl Strategy<Value = Message> {
    let roles = prop_oneof![Just(PeerRole::Coordinator), Just(PeerRole::Node)];
    let refusals = (1_u32..8).prop_map(|number| Refusal::from_number(number).expect("a reason"));
    prop_oneof![
        (
            roles,
            any::<[u8; 16]>(),
            ".{0,60}",
            vec(any::<u8>(), 0..300)
        )
            .prop_map(|(role, node, name, ticket)| Message::Hello {
                role,
                node,
                name,
                ticket
            }),
        (any::<[u8; 16]>(), strands(), counts(), ranges(40)).prop_map(
            |(assignment, strand, vouched_count, have)| Message::Attach {
                assignment,
                strand,
                vouched_count,
                have
            }
        ),
        Just(Message::Talk),
        (1..=limits::PROBE_BYTES_MAX).prop_map(|bytes| Message::Probe { bytes }),
        vec((1..1000_u64, 0..1_000_000_u64), 0..300).prop_map(|steps| {
            let (mut bytes, mut at_ns) = (0, 0);
            let arrivals = steps.into_iter().take(limits::PROBE_ARRIVAL_COUNT_MAX);
            let arrivals = arrivals.map(|(more, later)| {
                (bytes, at_ns) = (bytes + more, at_ns + later);
                ProbeArrival { bytes, at_ns }
            });
            Message::Probed {
                arrivals: arrivals.collect(),
            }
        }),
        strands().prop_map(|strand| Message::Detach { strand }),
        (refusals, strands(), ".{0,100}").prop_map(|(reason, strand, text)| Message::Refuse {
            reason,
            strand,
            text
        }),
        vec(any::<u8>(), 0..400).prop_map(|bytes| Message::Vouch { bytes }),
        (
            0..limits::CHUNK_COUNT_MAX,
            strands(),
            1..=limits::CHUNK_BYTES_MAX
        )
            .prop_map(|(index, strand, bytes)| Message::Chunk {
                index,
                strand,
                bytes
            }),
        ranges(64).prop_filter_map("none", |ranges| {
            (!ranges.is_empty()).then_some(Message::Pull { ranges })
        }),
        ranges(200).prop_map(|ranges| Message::Have { ranges }),
        (
            counts(),
            counts(),
            any::<u32>(),
            any::<[bool; 2]>(),
            vec(any::<u32>(), 0..17)
        )
            .prop_map(
                |(have_count, vouched_count, backlog, [complete, slow], logs)| Message::Status {
                    have_count,
                    vouched_count,
                    backlog,
                    complete,
                    slow,
                    log_lengths: logs
                }
            ),
    ]
}

prop_compose! {
    fn headers()(
        (serial, release, base) in (1_u64.., 1_u64.., any::<bool>()),
        digests in any::<[[u8; 32]; 3]>(),
        (raw, packed) in (0..=limits::STEPS_RAW_BYTES_MAX, any::<u32>()),
        (step_count, entry_count) in
            (0..=limits::STEP_COUNT_MAX, 1..=limits::ENTRY_COUNT_MAX),
        (content_bytes, disk_bytes, created_ns) in
            (0..=limits::CONTENT_BYTES_MAX, any::<u64>(), any::<u64>()),
        pages in 1_u32..=256,
        site in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    ) -> Header {
        let base = base && release > 1 && digests[0] != [0; 32];
        Header {
            serial,
            command: if base { Command::Publish } else { Command::Replicate },
            release,
            base_release: if base { release - 1 } else { 0 },
            base_hash: if base { digests[0] } else { [0; 32] },
            result_hash: digests[1],
            steps_digest: digests[2],
            steps_packed_bytes: packed % (limits::packed_bytes_max(raw) + 1),
            steps_raw_bytes: raw,
            step_count,
            entry_count,
            content_bytes,
            disk_bytes,
            created_ns,
            chunk_bytes: pages * limits::CHUNK_BYTES_MIN,
            site,
        }
    }
}

/// The most steps that a difference may take: one for each path that changed, one more where
/// the type did.
fn changes_between(base: &Tree, target: &Tree) -> usize {
    let gone = base
        .entries()
        .iter()
        .filter(|entry| target.get(&entry.path).is_none())
        .count();
    let other_type = |was: &Entry, new: &Entry| {
        std::mem::discriminant(&was.kind) != std::mem::discriminant(&new.kind)
    };
    let cost = |new: &Entry| match base.get(&new.path) {
        None => 1,
        Some(was) if was == new => 0,
        Some(was) => 1 + usize::from(other_type(was, new)),
    };
    gone + target.entries().iter().map(cost).sum::<usize>()
}

/// A failing case is written beside this file, to be committed and tried first from then on.
fn cases(cases: u32) -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("regressions");
    ProptestConfig {
        failure_persistence: Some(Box::new(persistence)),
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn applying_a_difference_to_the_base_makes_the_target(base in trees(), target in trees()) {
        let steps = target.diff(Some(&base));
        prop_assert_eq!(steps.len(), changes_between(&base, &target));
        let decoded = steps::decode(&steps::encode(&steps)).expect("a difference is in order");
        prop_assert_eq!(&decoded, &steps);
        prop_assert_eq!(Tree::apply(Some(&base), &decoded), Ok(target));
    }

    #[test]
    fn a_first_release_is_a_difference_from_nothing(target in trees()) {
        let steps = target.diff(None);
        prop_assert_eq!(steps.len(), target.entries().len());
        prop_assert_eq!(steps::decode(&steps::encode(&steps)), Ok(steps.clone()));
        prop_assert_eq!(Tree::apply(None, &steps), Ok(target.clone()));
        prop_assert_eq!(target.diff(Some(&target)), vec![]);
    }

    #[test]
    fn content_that_the_base_has_is_never_sent(base in trees(), target in trees()) {
        let held: HashSet<&EntryKind> = base.entries().iter().map(|entry| &entry.kind).collect();
        for step in target.diff(Some(&base)) {
            match step {
                Step::WriteFile { size_bytes, digest, .. } => {
                    let kind = EntryKind::File { size_bytes, digest };
                    prop_assert!(size_bytes == 0 || !held.contains(&kind));
                }
                Step::CopyFile { from, .. } => {
                    let source = base.get(&from).map(|entry| &entry.kind);
                    let has_bytes = matches!(
                        source,
                        Some(EntryKind::File { size_bytes, .. }) if *size_bytes > 0
                    );
                    prop_assert!(has_bytes);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_step_left_out_never_makes_the_target(base in trees(), target in trees(), at: usize) {
        let mut steps = target.diff(Some(&base));
        if !steps.is_empty() {
            steps.remove(at % steps.len());
            prop_assert_ne!(Tree::apply(Some(&base), &steps), Ok(target));
        }
    }

    #[test]
    fn trees_are_read_as_they_were_written(tree in trees(), at: prop::sample::Index, bit in 0..8) {
        let mut bytes = tree.encode();
        let body = bytes.len() - 32;
        prop_assert_eq!(&tree.hash(), &bytes[body..]);
        prop_assert_eq!(Tree::decode(&bytes), Ok(tree.clone()));
        bytes[at.index(body + 32)] ^= 1_u8 << bit;
        prop_assert!(Tree::decode(&bytes).is_err());
    }

    #[test]
    fn messages_are_read_as_they_were_written(message in messages()) {
        let bytes = message.encode();
        let header = MessageHeader::decode(&bytes).expect("a header");
        prop_assert_eq!(header.kind, message.kind());
        if !matches!(message, Message::Chunk { .. }) {
            prop_assert_eq!(header.length as usize, bytes.len() - 16);
            for end in 0..bytes.len() {
                let error = Message::decode(&bytes[..end]).expect_err("a part is no message");
                prop_assert!(error.is_truncated());
            }
        }
        prop_assert_eq!(Message::decode(&bytes), Ok(message));
    }

    #[test]
    fn headers_are_read_as_they_were_written(header in headers(), tail: Vec<u8>) {
        let mut bytes = header.encode();
        let length = bytes.len();
        prop_assert_eq!(header.check(), Ok(()));
        for end in 0..length {
            let error = Header::decode(&bytes[..end]).expect_err("a part is no header");
            prop_assert!(error.is_truncated());
        }
        bytes.extend(tail);
        prop_assert_eq!(Header::decode(&bytes), Ok((header, length)));
    }

    #[test]
    fn sections_and_trailers_are_read_as_they_were_written(
        (first_step, raw_bytes) in (0_u32..1000, 1..=limits::SECTION_RAW_BYTES_MAX),
        (base_offset, base_bytes) in (0..1_u64 << 60, 1..=limits::DELTA_BASE_BYTES_MAX),
        packed in any::<u32>(),
        (data_digest, stream_bytes) in (any::<[u8; 32]>(), 0..1_u64 << 60),
    ) {
        let delta = SectionKind::Delta { base_offset, base_bytes };
        for kind in [SectionKind::Plain, SectionKind::Zstd, delta] {
            let packed_bytes = match kind {
                SectionKind::Plain => raw_bytes,
                _ => 1 + packed % limits::packed_bytes_max(raw_bytes),
            };
            let section = SectionHeader { kind, first_step, raw_bytes, packed_bytes };
            prop_assert_eq!(SectionHeader::decode(&section.encode()), Ok(section));
        }
        let whole = SectionHeader::whole(first_step, 1 + base_offset, base_bytes % 4096);
        prop_assert_eq!(SectionHeader::decode(&whole.encode()), Ok(whole));
        prop_assert_eq!(whole.stream_bytes(), 1 + base_offset + u64::from(base_bytes % 4096));
        let steps_digest = digest_of(&data_digest);
        let trailer = Trailer { section_count: packed, data_digest, steps_digest, stream_bytes };
        prop_assert_eq!(Trailer::decode(&trailer.encode()), Ok(trailer));
    }

    #[test]
    fn a_path_that_is_allowed_stays_beneath_the_root(path in vec(
        proptest::sample::select(b"./ab\0".to_vec()), 0..12,
    )) {
        use std::os::unix::ffi::OsStrExt;
        let standard = Path::new(std::ffi::OsStr::from_bytes(&path));
        let normal = standard.components().all(|part| matches!(part, Component::Normal(_)));
        let same = standard.components().collect::<std::path::PathBuf>();
        let one_form = same.as_os_str().as_bytes() == path;
        let allowed = normal && one_form && !path.contains(&0);
        prop_assert_eq!(check_path(&path).is_ok(), allowed);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        read_anything(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_magic_are_read_or_refused(
        magic in proptest::sample::select(vec![
            &b"DSTASN01"[..], b"DSTEND01", b"DSTTRE01", b"DSTVCH01", b"DS\x01", b"\x01", b"\x06",
        ]),
        bytes in vec(prop_oneof![Just(0), 1_u8..9, any::<u8>()], 0..300),
    ) {
        read_anything(&[magic, &bytes].concat());
    }
}

fn read_anything(bytes: &[u8]) {
    targets::decode_header(bytes);
    targets::decode_peer(bytes);
    targets::decode_steps(bytes);
    targets::decode_tree(bytes);
    targets::decode_vouch(bytes);
}

proptest! {
    // Signing takes milliseconds without optimisation.
    #![proptest_config(cases(48))]

    #[test]
    fn a_vouch_is_trusted_only_as_it_was_signed(
        (assignment, seed) in any::<([u8; 16], [u8; 32])>(),
        (first, digests) in (0_u32..1_000_000, vec(any::<[u8; 32]>(), 1..20)),
        ended: bool,
        (at, bit) in (any::<prop::sample::Index>(), 0..8),
    ) {
        let chunk_count = first + u32::try_from(digests.len()).expect("few");
        let stream_bytes = u64::from(chunk_count) * 4096 - 17;
        let end = ended.then_some(StreamEnd { chunk_count, stream_bytes });
        let key = SigningKey::from_bytes(&seed);
        let vouch = Vouch::sign(assignment, first, digests, end, &key).expect("a vouch");
        let bytes = vouch.encode();
        let public_key = public_key_of(&seed);
        prop_assert_eq!(Vouch::decode(&bytes), Ok(vouch.clone()));
        prop_assert_eq!(vouch.verify(&public_key), Ok(()));
        let other = public_key_of(&digest_of(&seed));
        prop_assert_eq!(vouch.verify(&other).map_err(|error| error.fault), Err(Fault::Signature));

        let mut bent = bytes.clone();
        bent[at.index(bytes.len())] ^= 1_u8 << bit;
        prop_assert!(Vouch::decode(&bent).and_then(|bent| bent.verify(&public_key)).is_err());

        let mut many = bytes.clone();
        many.extend_from_slice(&bytes[..at.index(bytes.len())]);
        prop_assert_eq!(Vouch::decode_first(&many), Ok((vouch, bytes.len())));
        let torn = Vouch::decode_first(&many[bytes.len()..]).expect_err("a torn vouch");
        prop_assert!(torn.is_truncated());
    }
}
