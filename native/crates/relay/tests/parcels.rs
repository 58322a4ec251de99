//! Goal: a stretch that is kept apart arrives, is passed on and is found again like any other,
//! whatever of it was there before, and a file that a release has is never written to.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use relay::Session;
use stored::{StoredStream, parcel_name, parcels_directory};
use support::{CHUNK, Content, FakePeer, open_relay, peer, plan, until};
use wire::peer::Message;

const LENGTH: usize = 64 * CHUNK as usize + 777;
/// Begins and ends within chunks.
const APART: std::ops::Range<u64> = 8192..50 * CHUNK as u64 + 99;

/// What a stream's files hold together.
fn stored_bytes(path: &Path) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    let mut stream = StoredStream::open(path).unwrap();
    stream.find_parcels().unwrap();
    stream.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn parcel(path: &Path) -> std::path::PathBuf {
    parcels_directory(path).join(parcel_name(&APART))
}

fn is_complete(session: &Session) -> bool {
    let status = session.status();
    assert_eq!(status.failure, None);
    status.complete
}

#[test]
fn what_is_kept_apart_from_the_start_is_in_its_parcel_alone_and_goes_on_to_children() {
    let content = Content::new("apart", LENGTH, 16);
    let (source, middle, last) = (open_relay(1), open_relay(2), open_relay(3));
    let receiver = content.open_receiver(&middle, "middle.stream", plan(&[]));
    assert!(receiver.keep_apart(APART).is_empty());
    let origin = content.open_source(&source, 1);
    assert!(!origin.checks_chunks(), "it has the word of who writes");
    assert!(receiver.checks_chunks());
    receiver.set_plan(plan(&[peer(1, source.address())]));
    let child = content.open_receiver(&last, "last", plan(&[peer(2, middle.address())]));
    content.completes(&child, "last");
    until("the middle is complete", || is_complete(&receiver));
    receiver.seal(APART);
    let path = content.path("middle.stream");
    let range = APART.start as usize..APART.end as usize;
    assert!(fs::read(parcel(&path)).unwrap() == content.bytes[range]);
    assert!(receiver.keep_apart(APART).is_empty());
}

#[test]
fn what_came_before_is_told_and_sent_from_where_it_is() {
    let content = Content::new("late", LENGTH, 16);
    let (source, middle, last) = (open_relay(1), open_relay(2), open_relay(3));
    let _source = content.open_source(&source, 1);
    let receiver =
        content.open_receiver(&middle, "middle.stream", plan(&[peer(1, source.address())]));
    until("the middle is complete", || is_complete(&receiver));
    assert_eq!(receiver.keep_apart(APART), [APART]);
    assert_eq!(receiver.keep_apart(0..10).first(), Some(&(0..10)));
    assert!(receiver.keep_apart(5..20).is_empty(), "it overlaps another");
    let child = content.open_receiver(&last, "last", plan(&[peer(2, middle.address())]));
    content.completes(&child, "last");
}

/// Receives the first chunks of a stream, from a source that then is gone.
fn receive_some(content: &Content, name: &str, apart_after: usize, count: usize) {
    let relay = open_relay(2);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let session = content.open_receiver(&relay, name, plan(&[peer(1, address)]));
    let mut source = FakePeer::of(listener.accept().unwrap().0);
    source.expect("HELLO", |_| true);
    source.hello(1);
    source.expect("ATTACH", |message| {
        matches!(message, Message::Attach { .. })
    });
    for vouch in &content.vouches {
        source.send(&Message::Vouch {
            bytes: vouch.clone(),
        });
    }
    for index in 0..count {
        if index == apart_after {
            let before = index as u64 * u64::from(CHUNK);
            until("the first are there", || session.prefix().bytes() >= before);
            session.keep_apart(APART);
        }
        source.send_chunk(index as u32, content.chunk(index as u32));
    }
    let bytes = count as u64 * u64::from(CHUNK);
    until("some are there", || session.prefix().bytes() >= bytes);
    session.close();
    relay.close();
}

#[test]
fn who_comes_back_has_what_it_had_before_and_after_it_was_kept_apart() {
    let content = Content::new("back", LENGTH, 16);
    let path = content.path("back.stream");
    receive_some(&content, "back.stream", 20, 40);
    let (relay, source) = (open_relay(2), open_relay(1));
    let receiver = content.open_receiver(&relay, "back.stream", plan(&[]));
    until("what was there is found", || {
        receiver.status().chunks_have == 40
    });
    assert!(
        receiver.keep_apart(APART).is_empty(),
        "all of it is where it belongs by now"
    );
    let _source = content.open_source(&source, 1);
    receiver.set_plan(plan(&[peer(1, source.address())]));
    until("all is there", || is_complete(&receiver));
    assert!(stored_bytes(&path) == content.bytes);
    let fetched = receiver.status().bytes_received;
    assert_eq!(fetched, LENGTH as u64 - 40 * u64::from(CHUNK));
}

#[test]
fn what_the_file_had_taken_for_a_parcel_is_given_back() {
    let content = Content::new("space", LENGTH, 16);
    let path = content.path("space.stream");
    let (relay, source) = (open_relay(2), open_relay(1));
    let _source = content.open_source(&source, 1);
    let receiver =
        content.open_receiver(&relay, "space.stream", plan(&[peer(1, source.address())]));
    until("all is there", || is_complete(&receiver));
    let bytes_of = |path: &Path| fs::metadata(path).unwrap().blocks() * 512;
    let before = bytes_of(&path);
    assert_eq!(receiver.keep_apart(APART), [APART]);
    let stream = StoredStream::open(&path).unwrap();
    let mut strays = vec![0; (APART.end - APART.start) as usize];
    stream.read_exact_at(&mut strays, APART.start).unwrap();
    fs::write(parcel(&path), &strays).unwrap();
    receiver.seal(APART);
    let given_back = APART.end - APART.start - 2 * 4096;
    assert!(
        bytes_of(&path) <= before - given_back,
        "{before} {}",
        bytes_of(&path)
    );
    assert!(stored_bytes(&path) == content.bytes);
}

/// What is done to a release's file that is a parcel, too, or to what is known of its stream.
type Change = fn(&Content, &mut Vec<u8>);

fn changes() -> [(&'static str, Change); 3] {
    [
        ("edited", |_, file| file[300_000] ^= 1),
        ("appended to", |_, file| file.push(1)),
        ("with its vouches lost", |content, _| {
            fs::remove_file(content.path("mine.stream.vouch")).unwrap();
        }),
    ]
}

#[test]
fn a_file_of_a_release_that_was_changed_is_left_alone_and_its_content_comes_again() {
    for (what, change) in changes() {
        is_left_alone(what, change);
    }
}

fn is_left_alone(what: &str, change: Change) {
    let content = Content::new(what, LENGTH, 16);
    let path = content.path("mine.stream");
    let (relay, source) = (open_relay(2), open_relay(1));
    let _source = content.open_source(&source, 1);
    let receiver = content.open_receiver(&relay, "mine.stream", plan(&[]));
    receiver.keep_apart(APART);
    receiver.set_plan(plan(&[peer(1, source.address())]));
    until("all is there", || is_complete(&receiver));
    receiver.close();
    let release = content.path("release");
    fs::hard_link(parcel(&path), &release).unwrap();
    let mut edited = fs::read(&release).unwrap();
    change(&content, &mut edited);
    fs::write(&release, &edited).unwrap();
    let again = content.open_receiver(&relay, "mine.stream", plan(&[]));
    // Answered once it has looked at what there is.
    again.seal(0..1);
    assert!(again.status().chunks_have < 20, "{what}");
    assert_eq!(fs::metadata(&release).unwrap().nlink(), 1, "{what}");
    assert!(again.keep_apart(APART).is_empty());
    again.set_plan(plan(&[peer(1, source.address())]));
    until("all is there again", || is_complete(&again));
    assert!(stored_bytes(&path) == content.bytes);
    assert!(fs::read(&release).unwrap() == edited, "nobody wrote to it");
}
