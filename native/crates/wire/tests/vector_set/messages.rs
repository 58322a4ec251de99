//! The peer messages of the vectors.

use wire::peer::{Message, PeerRole, ProbeArrival, Refusal};

use super::Vector;
use super::samples::{publish_header, vector, vouch};

pub(super) fn probes() -> [Vector; 2] {
    let arrival = |bytes, at_ns| ProbeArrival { bytes, at_ns };
    let arrivals = vec![arrival(16_384, 0), arrival(49_152, 262_144)];
    [
        ("message-probe", Message::Probe { bytes: 1 << 20 }),
        ("message-probed", Message::Probed { arrivals }),
    ]
    .map(|(name, message)| vector(name, "message", message.encode()))
}

pub(super) fn messages() -> Vec<Vector> {
    let message = |name, message: Message| vector(name, "message", message.encode());
    let hello = |role, name: &str, ticket: &[u8]| {
        let node = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        Message::Hello {
            role,
            node,
            name: name.to_owned(),
            ticket: ticket.to_vec(),
        }
    };
    let log_lengths = vec![70_000, 65_536, 3];
    vec![
        message("message-hello", hello(PeerRole::Node, "löwe-3", b"")),
        message(
            "message-hello-ticket",
            hello(PeerRole::Coordinator, "", b"\x01\x02\x03"),
        ),
        message(
            "message-attach",
            Message::Attach {
                assignment: publish_header().id(),
                strand: 1,
                vouched_count: 1024,
                have: vec![0..7, 9..10, 500..1000],
            },
        ),
        message("message-detach", Message::Detach { strand: 255 }),
        message("message-talk", Message::Talk),
        message(
            "message-refuse",
            Message::Refuse {
                reason: Refusal::Full,
                strand: 2,
                text: "eight children".to_owned(),
            },
        ),
        message(
            "message-vouch",
            Message::Vouch {
                bytes: vouch(19, 2, Some(21)).encode(),
            },
        ),
        message(
            "message-chunk",
            Message::Chunk {
                index: 66_051,
                strand: 1,
                bytes: 262_144,
            },
        ),
        message(
            "message-pull",
            Message::Pull {
                ranges: vec![3..4, 4..12],
            },
        ),
        message(
            "message-have",
            Message::Have {
                ranges: std::iter::once(0..0x0100_0000).collect(),
            },
        ),
        message("message-have-none", Message::Have { ranges: vec![] }),
        message(
            "message-status",
            Message::Status {
                have_count: 135_539,
                vouched_count: 140_000,
                backlog: 5,
                complete: false,
                slow: false,
                log_lengths,
            },
        ),
        message(
            "message-status-complete",
            Message::Status {
                have_count: 21,
                vouched_count: 21,
                backlog: 0,
                complete: true,
                slow: false,
                log_lengths: vec![],
            },
        ),
        message(
            "message-status-slow",
            Message::Status {
                have_count: 21,
                vouched_count: 30,
                backlog: 0,
                complete: false,
                slow: true,
                log_lengths: vec![11, 10],
            },
        ),
    ]
}
