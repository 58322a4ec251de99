//! Callers that talk instead of attaching: handed over with nothing of theirs read, bounded, and
//! refused where nobody listens.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use relay::{ListenLimits, Relay};
use support::{FakePeer, node, open_relay, open_relay_within, until};
use wire::peer::{Message, Refusal};

/// Opens a relay's talks and counts the pokes.
fn poked(relay: &Relay) -> Arc<AtomicUsize> {
    let pokes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pokes);
    relay.open_talks(Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    pokes
}

fn talk(relay: &Relay, number: u8) -> FakePeer {
    let mut fake = FakePeer::call(relay.address(), number);
    fake.send(&Message::Talk);
    fake
}

fn expect_refusal(fake: &mut FakePeer, expected: Refusal) {
    let message = fake.expect("REFUSE", |m| matches!(m, Message::Refuse { .. }));
    assert!(
        matches!(message, Message::Refuse { reason, .. } if reason == expected),
        "{message:?}"
    );
    fake.expect_close();
}

#[test]
fn a_talk_is_handed_over_with_all_that_was_said_after_it() {
    let relay = open_relay(1);
    let pokes = poked(&relay);
    let mut fake = FakePeer::call(relay.address(), 7);
    let mut bytes = Message::Talk.encode();
    bytes.extend_from_slice(b"{\"said\":\"in one breath\"}\n");
    fake.stream.write_all(&bytes).unwrap();
    until("a poke", || pokes.load(Ordering::SeqCst) == 1);
    let taken = relay.take_talk().unwrap();
    assert_eq!((taken.node, taken.name.as_str()), (node(7), "fake"));
    assert!(relay.take_talk().is_none(), "it is handed over once");
    let mut ours = TcpStream::from(taken.stream);
    ours.set_nonblocking(false).unwrap();
    let mut said = [0; 25];
    ours.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"{\"said\":\"in one breath\"}\n");
    ours.write_all(b"answer").unwrap();
    fake.expect("HELLO", |m| matches!(m, Message::Hello { .. }));
    let mut answer = [0; 6];
    fake.stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    assert_eq!(relay.counters().talks, 1);
}

#[test]
fn nobody_talks_where_nobody_listens() {
    let relay = open_relay(1);
    expect_refusal(&mut talk(&relay, 7), Refusal::Full);
    assert_eq!(relay.counters().talks, 0);
    // TALK is no first message, and none after itself is read.
    poked(&relay);
    let mut rude = FakePeer::of(TcpStream::connect(relay.address()).unwrap());
    rude.send(&Message::Talk);
    expect_refusal(&mut rude, Refusal::Malformed);
}

#[test]
fn talks_are_bounded_until_they_end() {
    let relay = open_relay_within(
        1,
        ListenLimits {
            talks_max: 2,
            ..ListenLimits::default()
        },
    );
    poked(&relay);
    let _first = talk(&relay, 7);
    let _second = talk(&relay, 8);
    until("both are in", || relay.counters().talks == 2);
    expect_refusal(&mut talk(&relay, 9), Refusal::Full);
    let taken = relay.take_talk().unwrap();
    expect_refusal(&mut talk(&relay, 9), Refusal::Full);
    relay.end_talk(taken.number);
    let _third = talk(&relay, 9);
    until("a place is free", || relay.counters().talks == 3);
    // Its place counts for its address as long as it lasts.
    assert_eq!(relay.counters().refused_full, 2);
}

#[test]
fn a_talk_keeps_its_place_at_its_address() {
    let limits = ListenLimits {
        connections_from_loopback_max: 1,
        ..ListenLimits::default()
    };
    let relay = open_relay_within(1, limits);
    poked(&relay);
    let _first = talk(&relay, 7);
    until("it is in", || relay.counters().talks == 1);
    let taken = relay.take_talk().unwrap();
    let mut other = FakePeer::of(TcpStream::connect(relay.address()).unwrap());
    other.expect_close();
    relay.end_talk(taken.number);
    let _second = talk(&relay, 7);
    until("its place was given back", || relay.counters().talks == 2);
}

#[test]
fn a_relay_that_closes_cuts_off_talks_that_wait() {
    let relay = open_relay(1);
    poked(&relay);
    let mut waiting = talk(&relay, 7);
    until("it is in", || relay.counters().talks == 1);
    relay.close();
    waiting.expect_close();
    assert!(relay.take_talk().is_none());
}
