//! Goal: each rule of peer messages refuses by its own name.
//! Method: one broken value for each rule.

// In a test a panic is the finding.
#![allow(clippy::expect_used)]

use wire::peer::{Message, MessageHeader, MessageType, PeerRole, ProbeArrival, Refusal};
use wire::{Fault, Part, WireError, limits};

#[test]
fn what_is_too_long_for_a_message_is_cut_and_still_read() {
    let long = "ä".repeat(400);
    let node = [1; 16];
    let hello = Message::Hello {
        role: PeerRole::Node,
        node,
        name: long.clone(),
        ticket: vec![1; 3000],
    };
    let Ok(Message::Hello { name, ticket, .. }) = Message::decode(&hello.encode()) else {
        unreachable!("it is read")
    };
    assert_eq!((name.len(), ticket.len()), (254, limits::TICKET_BYTES_MAX));
    let refuse = Message::Refuse {
        reason: Refusal::Closing,
        strand: 255,
        text: long,
    };
    let Ok(Message::Refuse { text, .. }) = Message::decode(&refuse.encode()) else {
        unreachable!("it is read")
    };
    assert_eq!(text.len(), 512);
    let many: Vec<_> = (0..10_000).map(|at| at * 2..at * 2 + 1).collect();
    let pull = Message::Pull {
        ranges: many.clone(),
    };
    assert_eq!(
        Message::decode(&pull.encode()),
        Ok(Message::Pull {
            ranges: many[..64].to_vec()
        })
    );
    let have = Message::Have {
        ranges: many.clone(),
    };
    let kept = many[..limits::HAVE_RANGE_COUNT_MAX].to_vec();
    assert_eq!(
        Message::decode(&have.encode()),
        Ok(Message::Have { ranges: kept })
    );
}

#[test]
fn a_message_header_is_checked_before_its_payload_is_awaited() {
    let header = |kind, length, a, b| MessageHeader { kind, length, a, b };
    let cases = [
        (
            header(MessageType::Hello, 4000, 0, 0),
            Fault::Limit("payload size"),
        ),
        (
            header(MessageType::Chunk, (1 << 20) + 1, 0, 0),
            Fault::Limit("payload size"),
        ),
        (
            header(MessageType::Chunk, 0, 0, 0),
            Fault::Value("chunk length"),
        ),
        (
            header(MessageType::Chunk, 1, 1 << 24, 0),
            Fault::Limit("chunk count"),
        ),
        (header(MessageType::Chunk, 1, 0, 16), Fault::Value("strand")),
        (
            header(MessageType::Chunk, 1, 0, 0x100),
            Fault::Value("strand"),
        ),
        (header(MessageType::Detach, 0, 0, 1), Fault::Reserved),
        (header(MessageType::Talk, 0, 0, 1), Fault::Reserved),
        (
            header(MessageType::Talk, 1, 0, 0),
            Fault::Limit("payload size"),
        ),
        (
            header(MessageType::Probe, 0, 0, 0),
            Fault::Value("probe size"),
        ),
        (
            header(MessageType::Probe, 0, limits::PROBE_BYTES_MAX + 1, 0),
            Fault::Limit("probe size"),
        ),
        (header(MessageType::Probe, 0, 1, 1), Fault::Reserved),
        (
            header(MessageType::Probe, 1, 1, 0),
            Fault::Limit("payload size"),
        ),
        (header(MessageType::Probed, 16, 1, 0), Fault::Reserved),
        (
            header(MessageType::Probed, 16 * 256 + 16, 0, 0),
            Fault::Limit("payload size"),
        ),
        (
            header(MessageType::Detach, 1, 0, 0),
            Fault::Limit("payload size"),
        ),
        (
            header(MessageType::Attach, 16, 254, 0),
            Fault::Value("strand"),
        ),
        (
            header(MessageType::Attach, 16, 0, u32::MAX),
            Fault::Limit("chunk count"),
        ),
        (header(MessageType::Refuse, 0, 8, 0), Fault::Type(8)),
        (header(MessageType::Status, 8, 0, 4), Fault::Reserved),
        (header(MessageType::Have, 8, 1, 0), Fault::Reserved),
    ];
    for (header, fault) in cases {
        let error = MessageHeader::decode(&header.encode()).expect_err("it is refused");
        assert_eq!(
            (error.part, error.fault),
            (Part::Message, fault),
            "{header:?}"
        );
        assert_eq!(error.code(), "ENGINE_ERR_PEER_MESSAGE");
    }
    let chunk = MessageHeader::chunk(7, 3, 4096);
    let message = Message::Chunk {
        index: 7,
        strand: 3,
        bytes: 4096,
    };
    assert_eq!(message.encode(), chunk.encode());
    assert_eq!(Message::from_parts(&chunk, &[]), Ok(message));
}

#[test]
fn arrivals_of_a_probe_ascend_and_are_no_more_than_it_may_have() {
    let read = |arrivals: &[(u64, u64)]| {
        let one = |(bytes, at_ns): &(u64, u64)| ProbeArrival {
            bytes: *bytes,
            at_ns: *at_ns,
        };
        let arrivals = arrivals.iter().map(one).collect();
        let message = Message::Probed { arrivals };
        Message::decode(&message.encode()).map_err(|error| error.fault)
    };
    assert!(read(&[]).is_ok());
    assert!(read(&[(0, 5), (1, 5), (2, 6)]).is_ok(), "two at one time");
    assert_eq!(read(&[(1, 5), (1, 6)]), Err(Fault::Order("arrivals")));
    assert_eq!(read(&[(1, 5), (2, 4)]), Err(Fault::Order("arrivals")));
    let beyond = u64::from(limits::PROBE_BYTES_MAX) + 1;
    assert_eq!(read(&[(beyond, 0)]), Err(Fault::Limit("probe size")));
}

#[test]
fn every_message_type_has_its_number_and_only_it() {
    for (number, kind) in (1_u8..).zip(MessageType::ALL) {
        assert_eq!(kind.number(), number);
        assert_eq!(MessageType::from_number(number), Some(*kind));
    }
    assert_eq!(MessageType::ALL.len(), 12);
    assert_eq!([0, 13, 255].map(MessageType::from_number), [None; 3]);
}

#[test]
fn each_part_has_its_stable_code() {
    let code = |part, fault| WireError::new(part, fault).code();
    for part in [Part::Header, Part::Steps, Part::Section, Part::Trailer] {
        assert_eq!(
            code(part, Fault::Truncated),
            "ENGINE_ERR_ASSIGNMENT_CORRUPT"
        );
    }
    assert_eq!(code(Part::Tree, Fault::Digest), "ENGINE_ERR_TREE_CORRUPT");
    assert_eq!(
        code(Part::Vouch, Fault::Signature),
        "ENGINE_ERR_VOUCH_INVALID"
    );
    assert_eq!(
        code(Part::Message, Fault::Version(2)),
        "ENGINE_ERR_PEER_MESSAGE"
    );
    for part in [Part::Steps, Part::Tree] {
        assert_eq!(code(part, Fault::PathEscapes), "ENGINE_ERR_PATH_ESCAPES");
    }
}
