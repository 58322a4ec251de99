//! Bytes that are sent to be timed: what is told of them, and that nobody can make more of it.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::ops::Range;
use std::time::{Duration, Instant};

use rate::How;
use relay::{ProbeSpec, Probed, Relay, RelayError};
use support::{FakePeer, node, open_relay, until};
use wire::peer::{Message, Refusal};

const MBIT: u64 = 1_000_000;

fn probe(from: &Relay, to: &Relay, number: u8, is_bulk: bool) -> Result<Probed, RelayError> {
    from.probe(&ProbeSpec {
        node: node(number),
        address: to.address(),
        is_bulk,
    })
}

/// On a machine that is busy with other things a train may be torn apart: one of a few is not.
fn told_within(expected: Range<u64>, mut probe: impl FnMut() -> u64) {
    let told: Vec<u64> = (0..5)
        .map(|_| probe())
        .take_while(|rate_bps| !expected.contains(rate_bps))
        .collect();
    assert!(told.len() < 5, "{told:?} and not {expected:?}");
}

#[test]
fn a_short_train_tells_what_a_limited_sender_may_give() {
    let (from, to) = (open_relay(1), open_relay(2));
    for limit in [MBIT, 8 * MBIT, 40 * MBIT, 160 * MBIT] {
        from.set_rate(Some(limit));
        told_within(limit * 7 / 10..limit * 13 / 10, || {
            let probed = probe(&from, &to, 2, false).unwrap();
            assert_eq!(probed.how, How::Train);
            probed.seen.rate_bps
        });
    }
    from.set_rate(None);
    told_within(160 * MBIT..u64::MAX, || {
        let free = probe(&from, &to, 2, false).unwrap();
        assert_eq!(free.bytes, 1 << 20);
        free.seen.rate_bps
    });
    assert!(to.counters().probes >= 5);
}

#[test]
fn a_bulk_sends_more_and_no_longer_than_it_may() {
    let (from, to) = (open_relay(1), open_relay(2));
    from.set_rate(Some(80 * MBIT));
    let began = Instant::now();
    told_within(60 * MBIT..100 * MBIT, || {
        let probed = probe(&from, &to, 2, true).unwrap();
        assert_eq!(probed.how, How::Bulk);
        assert!(probed.bytes < 40 << 20);
        probed.seen.rate_bps
    });
    assert!(began.elapsed() < Duration::from_secs(50));
}

#[test]
fn nobody_else_is_measured_in_its_place() {
    let (from, to) = (open_relay(1), open_relay(2));
    let why = probe(&from, &to, 3, false).unwrap_err();
    assert_eq!(why.code(), "ENGINE_ERR_PROBE_FAILED");
    assert!(why.to_string().contains("another node"), "{why}");
    to.close();
    let why = probe(&from, &to, 2, false).unwrap_err();
    assert_eq!(why.code(), "ENGINE_ERR_PROBE_FAILED");
}

#[test]
fn one_is_measured_at_a_time() {
    let (from, to) = (open_relay(1), open_relay(2));
    let mut slow = FakePeer::call(to.address(), 7);
    slow.send(&Message::Probe { bytes: 1000 });
    until("it is measured", || to.counters().probes == 1);
    let why = probe(&from, &to, 2, false).unwrap_err();
    assert!(why.to_string().contains("somebody else"), "{why}");
    slow.stream.write_all(&[0; 1000]).unwrap();
    slow.stream.shutdown(Shutdown::Write).unwrap();
    let is_answer = |message: &Message| matches!(message, Message::Probed { .. });
    let answer = slow.expect("PROBED", is_answer);
    let Message::Probed { arrivals } = answer else {
        panic!("{answer:?}");
    };
    assert!(arrivals.last().unwrap().bytes <= 1000);
    until("the next is measured", || {
        probe(&from, &to, 2, false).is_ok()
    });
}

#[test]
fn who_sends_more_than_was_said_is_cut_off() {
    let to = open_relay(2);
    let mut rude = FakePeer::call(to.address(), 7);
    rude.send(&Message::Probe { bytes: 1000 });
    // Whether all of it can be written is the system's affair.
    let _ = rude.stream.write_all(&vec![0; 1 << 20]);
    rude.expect("HELLO", |m| matches!(m, Message::Hello { .. }));
    rude.expect_close();
    let mut first = FakePeer::of(std::net::TcpStream::connect(to.address()).unwrap());
    first.send(&Message::Probe { bytes: 1000 });
    let is_refusal = |m: &Message| {
        matches!(
            m,
            Message::Refuse {
                reason: Refusal::Malformed,
                ..
            }
        )
    };
    first.expect("REFUSE", is_refusal);
}

#[test]
fn a_relay_that_closes_waits_for_no_probe() {
    let (from, to) = (open_relay(1), open_relay(2));
    let mut silent = FakePeer::call(to.address(), 7);
    silent.send(&Message::Probe { bytes: 1000 });
    until("it is measured", || to.counters().probes == 1);
    // Nobody ever says anything here.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = ProbeSpec {
        node: node(2),
        address: nobody.local_addr().unwrap(),
        is_bulk: true,
    };
    std::thread::scope(|scope| {
        let probing = scope.spawn(|| from.probe(&spec));
        std::thread::sleep(Duration::from_millis(50));
        let began = Instant::now();
        to.close();
        from.close();
        assert!(probing.join().unwrap().is_err());
        assert!(began.elapsed() < Duration::from_secs(2));
    });
}
