//! The relay over real sockets and files. Several relays live in this process; what must come is
//! waited for, never timed.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use relay::Waited;
use spread::Plan;
use support::{
    CHUNK, Content, FakePeer, chunk_bytes, lie_until, open_relay, peer, plan, until, vouches_of,
};
use wire::peer::Message;
use wire::vouch::SigningKey;

const MIB: usize = 1 << 20;
const LONG: Duration = Duration::from_secs(90);

#[test]
fn a_star_serves_every_child() {
    let content = Content::new("star", 3 * MIB + 77, 16);
    let source_relay = open_relay(1);
    let source = content.open_source(&source_relay, 1);
    let root = peer(1, source_relay.address());
    let relays = [2, 3, 4].map(open_relay);
    let receivers = ["b", "c", "d"].map(|name| {
        let relay = &relays[usize::from(name.as_bytes()[0] - b'b')];
        (name, content.open_receiver(relay, name, plan(&[root])))
    });
    for (name, receiver) in &receivers {
        content.completes(receiver, name);
        assert_eq!(receiver.status().corrupt_chunks, 0);
    }
    until("the source counts its children", || {
        source.status().children.len() == 3
    });
    until("the source counts what it sent", || {
        source.status().bytes_sent >= 3 * content.bytes.len() as u64
    });
}

#[test]
fn a_chain_passes_on_what_it_receives() {
    let content = Content::new("chain", 4 * MIB + 1, 32);
    let relays = [1, 2, 3, 4].map(open_relay);
    let _source = content.open_source(&relays[0], 1);
    let at = |place: usize| peer(u8::try_from(place + 1).unwrap(), relays[place].address());
    // Each knows the node before it and nobody else.
    let last = content.open_receiver(&relays[3], "d", plan(&[at(2)]));
    let middle = content.open_receiver(&relays[2], "c", plan(&[at(1)]));
    let first = content.open_receiver(&relays[1], "b", plan(&[at(0)]));
    for (name, receiver) in [("b", &first), ("c", &middle), ("d", &last)] {
        content.completes(receiver, name);
    }
}

#[test]
fn two_strands_share_the_work_and_who_has_all_leaves() {
    let content = Content::new("strands", 4 * MIB, 16);
    let relays = [1, 2, 3, 4, 5].map(open_relay);
    let source = content.open_source(&relays[0], 2);
    let at = |place: usize| peer(u8::try_from(place + 1).unwrap(), relays[place].address());
    // Strand 0: source, 1, then the others below it; strand 1: source, 2, then the others.
    let receivers = ["b", "c", "d", "e"].map(|name| {
        let place = usize::from(name.as_bytes()[0] - b'a');
        let above = |inner: usize| match place {
            place if place == inner => vec![at(0)],
            _ => vec![at(inner)],
        };
        let parents = vec![above(1), above(2)];
        let plan = Plan {
            strand_count: 2,
            parents,
            peers: Vec::new(),
            slow: false,
        };
        (name, content.open_receiver(&relays[place], name, plan))
    });
    for (name, receiver) in &receivers {
        content.completes(receiver, name);
    }
    // Two of them are each other's parents: a child that has all must not keep its parent serving.
    until("nobody has a child any more", || {
        let sessions = receivers.iter().map(|(_, receiver)| receiver);
        let mut all = sessions.chain([&source]);
        all.all(|session| session.status().children.is_empty())
    });
}

#[test]
fn a_corrupt_chunk_costs_its_sender_the_link_and_comes_from_elsewhere() {
    let content = Content::new("corrupt", MIB, 64);
    let source_relay = open_relay(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let liar = peer(9, listener.local_addr().unwrap());
    let relay = open_relay(2);
    let parents = plan(&[liar, peer(1, source_relay.address())]);
    let receiver = content.open_receiver(&relay, "b", parents);
    let mut wrong = content.chunk(1).to_vec();
    wrong[5000] ^= 1;
    let lies = [chunk_bytes(0, content.chunk(0)), chunk_bytes(1, &wrong)].concat();
    let caught = || receiver.status().corrupt_chunks > 0;
    let told = lie_until(&listener, 9, &content.vouches, &lies, caught);
    let _source = content.open_source(&source_relay, 1);
    content.completes(&receiver, "b");
    let status = receiver.status();
    assert!(status.corrupt_chunks <= told, "{status:?}");
    assert_eq!(status.last_fault, Some("corrupt chunk"));
}

#[test]
fn chunks_beyond_the_vouches_or_of_a_wrong_length_cost_the_link() {
    let content = Content::new("odd", MIB / 2, 8);
    let bad = [
        ("chunk without a vouch", chunk_bytes(20, content.chunk(20))),
        (
            "chunk of a wrong length",
            chunk_bytes(2, &content.chunk(2)[..100]),
        ),
    ];
    for (place, (fault, lie)) in bad.iter().enumerate() {
        let source_relay = open_relay(1);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let liar = peer(9, listener.local_addr().unwrap());
        let relay = open_relay(2);
        let name = format!("b{place}");
        let parents = plan(&[liar, peer(1, source_relay.address())]);
        let receiver = content.open_receiver(&relay, &name, parents);
        let caught = || receiver.status().faulty_links > 0;
        lie_until(&listener, 9, &content.vouches[..1], lie, caught);
        let _source = content.open_source(&source_relay, 1);
        content.completes(&receiver, &name);
        assert_eq!(receiver.status().last_fault, Some(*fault));
    }
}

#[test]
fn a_vouch_of_another_key_costs_its_sender_the_link() {
    let content = Content::new("forged", MIB / 2, 64);
    let source_relay = open_relay(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let liar = peer(9, listener.local_addr().unwrap());
    let relay = open_relay(2);
    let parents = plan(&[liar, peer(1, source_relay.address())]);
    let receiver = content.open_receiver(&relay, "b", parents);
    let other = SigningKey::from_bytes(&[0x44; 32]);
    let forged = vouches_of(content.assignment, &vec![1; MIB], 64, &other);
    let caught = || receiver.status().faulty_links > 0;
    lie_until(&listener, 9, &forged[..1], &[], caught);
    let _source = content.open_source(&source_relay, 1);
    content.completes(&receiver, "b");
    assert_eq!(
        receiver.status().last_fault,
        Some("vouch not signed by the source")
    );
    assert_eq!(receiver.status().corrupt_chunks, 0);
}

#[test]
fn a_receiver_that_comes_back_fetches_only_what_it_lacks() {
    let content = Content::new("back", 2 * MIB + 5, 32);
    let source_relay = open_relay(1);
    let source = source_relay.open_source(content.source_spec(1)).unwrap();
    let parents = plan(&[peer(1, source_relay.address())]);
    let half = 2 * 32 * u64::from(CHUNK);
    for vouch in &content.vouches[..2] {
        source.vouch(vouch.clone()).unwrap();
    }
    let relay = open_relay(2);
    let receiver = content.open_receiver(&relay, "b", parents.clone());
    assert!(matches!(
        receiver.prefix().wait(half, LONG),
        Waited::Ready(_)
    ));
    receiver.close();
    assert!(matches!(
        receiver.prefix().wait(half + 1, LONG),
        Waited::Closed(None)
    ));
    relay.close();
    // One stored chunk is damaged meanwhile, and the vouch file is torn.
    let file = std::fs::File::options()
        .write(true)
        .open(content.path("b"))
        .unwrap();
    file.write_all_at(&[0x5a; 100], 3 * u64::from(CHUNK) + 7)
        .unwrap();
    let torn = std::fs::File::options()
        .append(true)
        .open(content.path("b.vouch"))
        .unwrap();
    torn.write_all_at(
        b"DSTVCH01 torn",
        std::fs::metadata(content.path("b.vouch")).unwrap().len(),
    )
    .unwrap();
    content.vouch_all(&source);
    let relay = open_relay(2);
    let receiver = content.open_receiver(&relay, "b", parents);
    content.completes(&receiver, "b");
    let status = receiver.status();
    let lacked = content.bytes.len() as u64 - half + u64::from(CHUNK);
    let twice = status.duplicate_chunks * u64::from(CHUNK);
    assert!(status.bytes_received >= lacked, "{status:?}");
    assert!(status.bytes_received <= lacked + twice, "{status:?}");
}

#[test]
fn a_stream_is_received_while_its_source_still_grows() {
    let content = Content::new("grows", 2 * MIB + 9, 16);
    std::fs::write(content.path("source"), []).unwrap();
    let relay = open_relay(1);
    let source = relay.open_source(content.source_spec(1)).unwrap();
    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[peer(1, relay.address())]));
    let file = std::fs::File::options()
        .write(true)
        .open(content.path("source"))
        .unwrap();
    let batch_bytes = 16 * CHUNK as usize;
    let mut written = 0;
    for (bytes, vouch) in content.bytes.chunks(batch_bytes).zip(&content.vouches) {
        file.write_all_at(bytes, written).unwrap();
        source.vouch(vouch.clone()).unwrap();
        written += bytes.len() as u64;
        assert!(matches!(child.prefix().wait(written, LONG), Waited::Ready(n) if n == written));
    }
    content.completes(&child, "b");
    assert_eq!(
        child.prefix().wait(u64::MAX, LONG),
        Waited::Complete(written)
    );
    assert!(source.status().complete);
}

#[test]
fn a_source_is_opened_again_from_its_vouch_file() {
    let content = Content::new("again", MIB, 16);
    std::fs::write(content.path("source.vouch"), content.vouches.concat()).unwrap();
    let relay = open_relay(1);
    let mut spec = content.source_spec(1);
    spec.vouch_path = Some(content.path("source.vouch"));
    let source = relay.open_source(spec).unwrap();
    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[peer(1, relay.address())]));
    content.completes(&child, "b");
    assert_eq!(source.status().chunk_count, Some(content.chunk_count()));
}

#[test]
fn a_child_that_does_not_read_holds_up_nobody() {
    let content = Content::new("slow", 24 * MIB, 512);
    let relay = open_relay(1);
    let source = content.open_source(&relay, 1);
    let mut slow = FakePeer::call(relay.address(), 8);
    slow.attach(content.assignment);
    until("the slow child is attached", || {
        source.status().children.len() == 1
    });
    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[peer(1, relay.address())]));
    content.completes(&child, "b");
}

#[test]
fn a_child_goes_on_with_others_when_the_source_dies() {
    let content = Content::new("orphan", 2 * MIB, 64);
    let relays = [1, 2, 3].map(open_relay);
    let source = content.open_source(&relays[0], 1);
    let at = |place: usize| peer(u8::try_from(place + 1).unwrap(), relays[place].address());
    let first = content.open_receiver(&relays[1], "b", plan(&[at(0)]));
    content.completes(&first, "b");
    source.close();
    relays[0].close();
    let mut orphan_plan = plan(&[at(0)]);
    orphan_plan.peers = vec![at(1)];
    let orphan = content.open_receiver(&relays[2], "c", orphan_plan);
    content.completes(&orphan, "c");
}

#[test]
fn who_asks_a_moment_before_the_session_opens_is_let_in_when_it_does() {
    let content = Content::new("moment", MIB / 2, 8);
    let relay = open_relay(1);
    let mut child = FakePeer::call(relay.address(), 7);
    child.attach(content.assignment);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(relay.counters().admitted, 0);
    let _source = content.open_source(&relay, 1);
    child.expect("CHUNK", |message| matches!(message, Message::Chunk { .. }));
    // The session may have answered before the listener has counted it.
    until("it is counted", || relay.counters().admitted == 1);
    assert_eq!(relay.counters().refused_unknown, 0);
}

#[test]
fn a_receiver_that_is_there_before_its_source_waits_for_it() {
    let content = Content::new("early", MIB / 2, 8);
    let relay = open_relay(1);
    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[peer(1, relay.address())]));
    until("the caller is refused", || {
        relay.counters().refused_unknown > 0
    });
    let _source = content.open_source(&relay, 1);
    content.completes(&child, "b");
}
