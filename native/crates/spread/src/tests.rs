//! Goal: the rules of the core one by one, and that no peer can make it panic or grow.
//! Method: one core, its neighbours played by hand; then random inputs with its bounds checked.
//! What many cores do together is in `rehearsal/tests/simulation`.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use wire::NodeId;
use wire::limits::{CHUNK_COUNT_MAX, STRAND_PULLED};
use wire::peer::{Message, PeerRole};

use crate::limits::{ATTACHES_MAX, TICK_MS};
use crate::{Action, Core, Fault, LinkId, Peer, Plan, Role, Setup};

mod dealing;
mod downstream;
mod inputs;
mod upstream;

const ASSIGNMENT: [u8; 16] = [1; 16];
const CHUNKS: u32 = 100;

fn id(node: u8) -> NodeId {
    [node; 16]
}

fn peer(node: u8) -> Peer {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from(node) + 1));
    Peer {
        node: id(node),
        address,
    }
}

fn core(role: Role, parents: &[&[u8]], peers: &[u8]) -> Core {
    let line = |nodes: &&[u8]| nodes.iter().map(|node| peer(*node)).collect();
    let plan = Plan {
        strand_count: u8::try_from(parents.len()).unwrap(),
        parents: parents.iter().map(line).collect(),
        peers: peers.iter().map(|node| peer(*node)).collect(),
        slow: false,
    };
    let node = id(if role == Role::Source { 0 } else { 9 });
    Core::new(
        Setup {
            assignment: ASSIGNMENT,
            node,
            role,
            plan,
            seed: 5,
        },
        0,
    )
}

/// A source of `strands` strands with all chunks.
fn source(strands: usize) -> Core {
    let mut source = core(Role::Source, &vec![&[][..]; strands], &[]);
    source.vouched(CHUNKS, Some(CHUNKS), 0);
    source.produced(CHUNKS);
    source
}

/// A receiver of one strand with parents 1 and 2 that knows of all chunks.
fn receiver() -> Core {
    let mut receiver = core(Role::Receiver, &[&[1, 2]], &[3, 4]);
    receiver.vouched(CHUNKS, Some(CHUNKS), 0);
    receiver
}

fn attach(strand: u8, have: &[Range<u32>]) -> Message {
    let have = have.to_vec();
    Message::Attach {
        assignment: ASSIGNMENT,
        strand,
        vouched_count: 0,
        have,
    }
}

fn status(have_count: u32, backlog: u32, log_lengths: &[u32]) -> Message {
    let complete = have_count == CHUNKS;
    let log_lengths = log_lengths.to_vec();
    Message::Status {
        have_count,
        vouched_count: CHUNKS,
        backlog,
        complete,
        slow: false,
        log_lengths,
    }
}

/// Connects a child and lets it attach.
fn child(core: &mut Core, link: LinkId, node: u8, strand: u8, have: &[Range<u32>]) {
    core.incoming_up(link, id(node), 0);
    core.on_message(link, &attach(strand, have), 0).unwrap();
}

fn take(core: &mut Core, link: LinkId, count: usize) -> Vec<u32> {
    let next = |core: &mut Core| core.next_for(link, 0).map(|(index, _)| index);
    (0..count).map_while(|_| next(core)).collect()
}

fn connects(core: &mut Core) -> Vec<NodeId> {
    let node = |action| match action {
        Action::Connect { peer } => Some(peer.node),
        _ => None,
    };
    core.take_actions().into_iter().filter_map(node).collect()
}

fn sends(core: &mut Core, link: LinkId) -> Vec<Message> {
    let message = |action| match action {
        Action::Send { link: at, message } if at == link => Some(message),
        _ => None,
    };
    core.take_actions()
        .into_iter()
        .filter_map(message)
        .collect()
}

/// Ticks from `from_ms` to `to_ms`.
fn pass(core: &mut Core, from_ms: u64, to_ms: u64) {
    for now_ms in (from_ms..=to_ms).step_by(usize::try_from(TICK_MS).unwrap()) {
        core.tick(now_ms);
    }
}

#[test]
fn nonsense_is_a_fault_and_changes_nothing() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    let before = core.progress();
    let range = |end| Fault::Range {
        end,
        chunk_count: CHUNKS,
    };
    let other = Message::Attach {
        assignment: [2; 16],
        strand: 0,
        vouched_count: 0,
        have: Vec::new(),
    };
    let count = Fault::Count {
        count: CHUNKS + 1,
        chunk_count: CHUNKS,
    };
    let long = Fault::Count {
        count: u32::MAX,
        chunk_count: CHUNK_COUNT_MAX,
    };
    let cases = [
        (other, Fault::OtherAssignment),
        (attach(16, &[]), Fault::Strand(16)),
        (Message::Detach { strand: 200 }, Fault::Strand(200)),
        (attach(0, &[90..101]), range(101)),
        (attach(0, &[10..20, 5..8]), range(8)),
        (attach(0, &[7..7]), range(7)),
        (
            Message::Pull {
                ranges: vec![0..u32::MAX],
            },
            range(u32::MAX),
        ),
        (
            Message::Pull {
                ranges: (0..65).map(|at| at..at + 1).collect(),
            },
            Fault::Flood,
        ),
        (
            Message::Have {
                ranges: vec![100..101],
            },
            range(101),
        ),
        (status(CHUNKS + 1, 0, &[]), count),
        (status(1, CHUNKS + 1, &[]), count),
        (status(1, 0, &[u32::MAX]), long),
    ];
    for (message, fault) in cases {
        assert_eq!(core.on_message(1, &message, 1), Err(fault), "{message:?}");
    }
    assert_eq!(
        core.on_message(2, &attach(0, &[]), 1),
        Err(Fault::UnknownLink)
    );
    assert_eq!(core.progress(), before);
}

#[test]
fn what_the_relay_handles_alone_is_out_of_place() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    let hello = Message::Hello {
        role: PeerRole::Node,
        node: id(1),
        name: String::new(),
        ticket: vec![],
    };
    let vouch = Message::Vouch { bytes: vec![] };
    let chunk = Message::Chunk {
        index: 0,
        strand: 0,
        bytes: 1,
    };
    for message in [hello, vouch, chunk] {
        assert_eq!(core.on_message(1, &message, 1), Err(Fault::OutOfPlace));
    }
}

#[test]
fn asking_for_the_same_over_and_over_is_a_fault() {
    let mut core = source(1);
    child(&mut core, 1, 1, 0, &[]);
    let outcomes = (0..100 * ATTACHES_MAX).map(|_| core.on_message(1, &attach(0, &[]), 1));
    assert!(
        outcomes
            .into_iter()
            .any(|outcome| outcome == Err(Fault::Flood))
    );
    assert!(core.links.get(1).unwrap().feeds.len() <= 1);
}

#[test]
fn a_chunk_that_was_pulled_first_is_forwarded_when_its_strand_brings_it() {
    let mut core = receiver();
    child(&mut core, 2, 5, 0, &[]);
    core.incoming_up(1, id(1), 0);
    assert!(core.on_chunk(1, STRAND_PULLED, 7, 5));
    assert_eq!(take(&mut core, 2, 9), Vec::<u32>::new());
    assert!(!core.on_chunk(1, 0, 7, 6));
    assert!(!core.on_chunk(1, 0, 7, 6));
    assert_eq!(take(&mut core, 2, 9), vec![7]);
    assert_eq!(core.progress().duplicate_chunks, 2);
}

#[test]
fn chunks_nobody_vouched_for_are_ignored() {
    let mut core = receiver();
    core.incoming_up(1, id(1), 0);
    assert!(!core.on_chunk(1, 0, CHUNKS, 5));
    assert!(!core.on_chunk(1, 0, u32::MAX, 5));
    assert_eq!(core.progress().have_count, 0);
}

#[test]
fn it_is_complete_once() {
    let mut core = core(Role::Receiver, &[&[1]], &[]);
    core.vouched(3, None, 0);
    core.restored([0..2]);
    core.incoming_up(1, id(1), 0);
    core.on_chunk(1, 0, 2, 1);
    assert!(!core.progress().complete, "the end is not known");
    core.vouched(3, Some(3), 2);
    core.vouched(3, Some(3), 3);
    core.on_chunk(1, 0, 2, 4);
    let done = core
        .take_actions()
        .into_iter()
        .filter(|action| *action == Action::Complete);
    assert_eq!(done.count(), 1);
}
