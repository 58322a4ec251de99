//! Callers of a relay that are no peers, or bad ones: told, counted, bounded, cut off.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use relay::ListenLimits;
use support::{CHUNK, Content, FakePeer, open_relay, open_relay_within, peer, plan, until};
use wire::peer::{Message, Refusal};

const MIB: usize = 1 << 20;

/// Bounds that cut off no caller of a test which is not about that.
fn patient() -> ListenLimits {
    ListenLimits {
        handshake_deadline: Duration::from_secs(60),
        ..ListenLimits::default()
    }
}

#[test]
fn what_is_not_in_the_protocol_ends_the_link_and_nothing_else() {
    let content = Content::new("nonsense", MIB / 2, 64);
    let relay = open_relay(1);
    let source = content.open_source(&relay, 1);
    let bad: [fn(&mut FakePeer); 4] = [
        |fake| fake.send_chunk(0, &[0; CHUNK as usize]),
        |fake| fake.hello(8),
        |fake| fake.stream.write_all(&[0xff; 64]).unwrap(),
        |fake| fake.attach([0xee; 16]),
    ];
    for (count, misbehave) in bad.iter().enumerate() {
        let mut fake = FakePeer::call(relay.address(), 8);
        fake.attach(content.assignment);
        fake.expect("VOUCH", |message| matches!(message, Message::Vouch { .. }));
        misbehave(&mut fake);
        fake.expect_close();
        until("the fault is counted", || {
            source.status().faulty_links == count as u64 + 1
        });
    }
    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[peer(1, relay.address())]));
    content.completes(&child, "b");
}

#[test]
fn strangers_who_talk_nonsense_are_told_and_counted() {
    let content = Content::new("strangers", MIB / 2, 8);
    let relay = open_relay_within(1, patient());
    let _source = content.open_source(&relay, 1);

    let mut garbage = FakePeer::of(TcpStream::connect(relay.address()).unwrap());
    garbage
        .stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let refusal = garbage.expect("REFUSE", |m| matches!(m, Message::Refuse { .. }));
    assert!(matches!(
        refusal,
        Message::Refuse {
            reason: Refusal::Malformed,
            ..
        }
    ));
    garbage.expect_close();
    until("garbage is counted", || relay.counters().malformed == 1);

    let mut oversized = FakePeer::of(TcpStream::connect(relay.address()).unwrap());
    let mut header = Message::Detach { strand: 0 }.encode();
    header[3] = 1; // a HELLO
    header[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    oversized.stream.write_all(&header).unwrap();
    oversized.expect_close();
    until("an oversized message is counted", || {
        relay.counters().malformed == 2
    });

    let mut unknown = FakePeer::call(relay.address(), 7);
    unknown.attach([0xab; 16]);
    let refusal = unknown.expect("REFUSE", |m| matches!(m, Message::Refuse { .. }));
    assert!(matches!(
        refusal,
        Message::Refuse {
            reason: Refusal::UnknownAssignment,
            ..
        }
    ));
    unknown.expect_close();
    assert_eq!(relay.counters().refused_unknown, 1);

    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[peer(1, relay.address())]));
    content.completes(&child, "b");
    assert!(relay.counters().admitted >= 1);
}

#[test]
fn strangers_who_do_not_say_what_they_want_are_cut_off() {
    let handshake_deadline = Duration::from_millis(100);
    let relay = open_relay_within(
        1,
        ListenLimits {
            handshake_deadline,
            ..ListenLimits::default()
        },
    );
    let mut silent = FakePeer::of(TcpStream::connect(relay.address()).unwrap());
    silent.expect_close();
    until("silence is counted", || relay.counters().too_slow == 1);
    let mut half = FakePeer::call(relay.address(), 7);
    half.expect_close();
    until("half a handshake is counted", || {
        relay.counters().too_slow == 2
    });
    assert_eq!(relay.counters().admitted, 0);
}

#[test]
fn callers_are_bounded_in_all_and_by_address() {
    let few_handshakes = ListenLimits {
        handshakes_max: 2,
        ..patient()
    };
    let few_connections = ListenLimits {
        connections_from_loopback_max: 2,
        ..patient()
    };
    for limits in [few_handshakes, few_connections] {
        let relay = open_relay_within(1, limits);
        let mut taken = [7, 8].map(|number| FakePeer::call(relay.address(), number));
        for fake in &mut taken {
            fake.expect("HELLO", |message| matches!(message, Message::Hello { .. }));
        }
        let mut third = FakePeer::of(TcpStream::connect(relay.address()).unwrap());
        third.expect_close();
        assert_eq!(relay.counters().refused_full, 1);
        // A place that is given back can be taken again.
        drop(taken);
        until("a place is free", || {
            let mut again = FakePeer::of(TcpStream::connect(relay.address()).unwrap());
            again.next().is_some()
        });
    }
}
