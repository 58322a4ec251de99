//! A session and its owner: what ends it, what is refused, what closing frees.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use relay::limits::LINKS_MAX;
use relay::{ListenLimits, Waited};
use support::{
    CHUNK, Content, FakePeer, node, open_relay, open_relay_at, open_relay_within, peer, plan,
    until, vouches_of,
};
use wire::peer::{Message, Refusal};
use wire::vouch::SigningKey;

const MIB: usize = 1 << 20;
const LONG: Duration = Duration::from_secs(90);

#[test]
fn a_full_disk_ends_its_session_alone() {
    let content = Content::new("full", MIB / 2, 8);
    let relay = open_relay(1);
    let _source = content.open_source(&relay, 1);
    let parents = plan(&[peer(1, relay.address())]);
    let child_relay = open_relay(2);
    let mut spec = content.receiver_spec("unused", parents.clone());
    spec.path = "/dev/full".into();
    let full = child_relay.open_receiver(spec).unwrap();
    until("the session fails", || full.status().failure.is_some());
    let failure = full.status().failure.unwrap();
    assert_eq!(failure.code, "ENGINE_ERR_NO_SPACE");
    assert_eq!(
        full.prefix().wait(u64::MAX, LONG),
        Waited::Closed(Some(failure))
    );
    // The process, the relay and the assignment go on.
    full.close();
    let child = content.open_receiver(&child_relay, "b", parents);
    content.completes(&child, "b");
}

#[test]
fn a_source_whose_file_was_cut_short_says_so() {
    let content = Content::new("cut", MIB / 2, 8);
    std::fs::write(content.path("source"), &content.bytes[..MIB / 4]).unwrap();
    let relay = open_relay(1);
    let source = content.open_source(&relay, 1);
    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[peer(1, relay.address())]));
    until("the source fails", || source.status().failure.is_some());
    assert_eq!(source.status().failure.unwrap().code, "ENGINE_ERR_IO");
    assert_eq!(child.status().failure, None);
}

#[test]
fn wrong_vouches_of_the_owner_are_refused_or_end_the_session() {
    let content = Content::new("owner", MIB / 2, 8);
    let relay = open_relay(1);
    let source = relay.open_source(content.source_spec(1)).unwrap();
    let other = SigningKey::from_bytes(&[0x44; 32]);
    let forged = vouches_of(content.assignment, &content.bytes, 8, &other);
    let error = source.vouch(forged[0].clone()).unwrap_err();
    assert_eq!(error.code(), "ENGINE_ERR_DIGEST_MISMATCH");
    source.vouch(content.vouches[1].clone()).unwrap();
    until("the gap ends the session", || {
        source.status().failure.is_some()
    });
    assert_eq!(
        source.status().failure.unwrap().code,
        "ENGINE_ERR_DIGEST_MISMATCH"
    );
}

#[test]
fn an_assignment_has_one_session_at_a_time() {
    let content = Content::new("one", MIB / 4, 8);
    let relay = open_relay(1);
    let source = content.open_source(&relay, 1);
    let error = relay.open_source(content.source_spec(1)).unwrap_err();
    assert_eq!(error.code(), "ENGINE_ERR_CONFLICT");
    source.close();
    let mut missing = content.source_spec(1);
    missing.path = content.path("missing");
    assert_eq!(
        relay.open_source(missing).unwrap_err().code(),
        "ENGINE_ERR_IO"
    );
    let _again = content.open_source(&relay, 1);
    let mut wrong = content.source_spec(1);
    wrong.chunk_bytes = 12_345;
    assert_eq!(
        relay.open_source(wrong).unwrap_err().code(),
        "ENGINE_ERR_INVALID_ARGUMENT"
    );
}

#[test]
fn a_second_session_is_refused_before_it_touches_the_files_of_the_first() {
    let content = Content::new("untouched", MIB / 4, 8);
    let relay = open_relay(1);
    let _source = content.open_source(&relay, 1);
    let child_relay = open_relay(2);
    let parents = plan(&[peer(1, relay.address())]);
    let child = content.open_receiver(&child_relay, "b", parents.clone());
    content.completes(&child, "b");
    // What the first has just begun to write looks torn to a second.
    let mut vouches = content.vouches.concat();
    vouches.extend(b"DSTVCH01 begun");
    std::fs::write(content.path("b.vouch"), &vouches).unwrap();
    let second = child_relay.open_receiver(content.receiver_spec("b", parents));
    assert_eq!(second.unwrap_err().code(), "ENGINE_ERR_CONFLICT");
    assert!(std::fs::read(content.path("b.vouch")).unwrap() == vouches);
}

#[test]
fn a_plan_can_name_a_parent_later() {
    let content = Content::new("later", MIB / 2, 8);
    let relay = open_relay(1);
    let _source = content.open_source(&relay, 1);
    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[]));
    child.set_plan(plan(&[peer(1, relay.address())]));
    content.completes(&child, "b");
    assert_eq!(child.status().parents, [node(1)]);
}

#[test]
fn closing_joins_threads_and_frees_the_port() {
    let content = Content::new("closing", 2 * MIB, 8);
    // An address of its own: whoever else listens or calls on this machine cannot take its port.
    let relay = open_relay_at("127.0.0.2:0", 1, ListenLimits::default());
    let source = content.open_source(&relay, 1);
    let child_relay = open_relay(2);
    let child = content.open_receiver(&child_relay, "b", plan(&[peer(1, relay.address())]));
    let name = format!(
        "relay-{:02x}{:02x}",
        content.assignment[0], content.assignment[1]
    );
    until("both sessions run", || threads_named(&name) == 2);
    child_relay.close();
    assert!(!child_relay.is_listening());
    until("one session runs", || threads_named(&name) == 1);
    let address = relay.address();
    relay.close();
    relay.close();
    until("no session runs", || threads_named(&name) == 0);
    drop(TcpListener::bind(address).unwrap());
    assert!(TcpStream::connect(address).is_err());
    assert!(matches!(
        child.prefix().wait(u64::MAX, LONG),
        Waited::Closed(None) | Waited::Complete(_)
    ));
    assert_eq!(
        relay
            .open_source(content.source_spec(1))
            .unwrap_err()
            .code(),
        "ENGINE_ERR_NATIVE_CLOSED"
    );
    drop(source);
}

fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

#[test]
fn who_finds_no_room_in_a_session_is_told_so_and_counted() {
    let relay = open_relay_within(
        1,
        ListenLimits {
            handshake_deadline: Duration::from_secs(60),
            ..ListenLimits::default()
        },
    );
    let content = Content::new("full", CHUNK as usize, 1);
    let source = content.open_source(&relay, 1);
    let call = || {
        let mut caller = FakePeer::call(relay.address(), 7);
        caller.attach(content.assignment);
        caller
    };
    // It has its vouch, or it has its refusal.
    let is_refused = |caller: &mut FakePeer| {
        let answer = caller.expect("an answer", |m| !matches!(m, Message::Hello { .. }));
        let reason = Refusal::Full;
        matches!(answer, Message::Refuse { reason: told, .. } if told == reason)
    };
    let mut callers: Vec<FakePeer> = Vec::new();
    while callers.len() < LINKS_MAX {
        let mut some: Vec<FakePeer> = (0..LINKS_MAX / 10).map(|_| call()).collect();
        assert!(!some.iter_mut().any(is_refused), "after {}", callers.len());
        callers.append(&mut some);
    }
    assert!(is_refused(&mut call()));
    assert_eq!(relay.counters().refused_full, 1);
    source.close();
}

#[test]
fn who_waits_for_a_session_is_taken_in_as_soon_as_it_has_begun() {
    let relay = open_relay_within(
        1,
        ListenLimits {
            unknown_wait: LONG,
            ..ListenLimits::default()
        },
    );
    let content = Content::new("waited for", CHUNK as usize, 1);
    let mut caller = FakePeer::call(relay.address(), 7);
    caller.attach(content.assignment);
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    let source = content.open_source(&relay, 1);
    caller.expect("a vouch", |m| matches!(m, Message::Vouch { .. }));
    assert!(begun.elapsed() < LONG / 2);
    source.close();
}
