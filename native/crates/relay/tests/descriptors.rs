//! A process without free descriptors. It is alone in its process: the limit is everybody's.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::net::TcpStream;
use std::time::Duration;

use relay::ListenLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use support::{FakePeer, open_relay_within, until};
use wire::peer::Message;

#[test]
fn who_is_late_is_cut_off_even_while_no_caller_can_be_let_in() {
    let relay = open_relay_within(
        1,
        ListenLimits {
            handshake_deadline: Duration::from_secs(3),
            ..ListenLimits::default()
        },
    );
    let greeted = |m: &Message| matches!(m, Message::Hello { .. });
    let mut silent = FakePeer::of(TcpStream::connect(relay.address()).unwrap());
    silent.expect("HELLO", greeted);
    // The second caller has its descriptor; the listening thread finds none for it.
    let next = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let before = getrlimit(Resource::Nofile);
    let none_free = Rlimit {
        current: Some(0),
        ..before
    };
    setrlimit(Resource::Nofile, none_free).unwrap();
    next.connect(&relay.address().into()).unwrap();
    until("an accept fails", || relay.counters().accept_errors > 0);
    until("the silent one is cut off", || {
        relay.counters().too_slow == 1
    });
    silent.expect_close();
    setrlimit(Resource::Nofile, before).unwrap();
    FakePeer::of(next.into()).expect("HELLO", greeted);
}
