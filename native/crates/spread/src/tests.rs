//! Goal: the rules of the core one by one, and that no peer can make it panic or grow.
//! Method: one core, its neighbours played by hand; then random inputs with its bounds checked.
//! What many cores do together is in `tests/simulation`.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use wire::NodeId;
use wire::limits::{CHUNK_COUNT_MAX, STRAND_PULLED};
use wire::peer::{Message, PeerRole, Refusal};

use crate::limits::{
    AHEAD_MAX, ATTACHES_MAX, BACKLOG_MAX, CHILDREN_MAX, LAG_ALONE_MS, PULL_CHUNKS, PULL_QUEUE_MAX,
    SHUN_MS, SILENCE_MS, TICK_MS, UNKNOWN_PATIENCE_MS, UNKNOWN_RETRY_MS, WITHHELD_MS,
};
use crate::{Action, Core, Fault, LinkId, Peer, Plan, Role, Setup};

mod inputs;

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
fn the_source_waits_until_a_strand_has_a_child() {
    let mut core = source(2);
    assert_eq!(core.next_ready(), None);
    child(&mut core, 1, 1, 1, &[]);
    assert_eq!(core.next_ready(), Some(1));
    assert_eq!(core.next_for(1, 0), Some((0, 1)));
}

#[test]
fn each_chunk_goes_to_one_strand_and_neither_runs_ahead() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    child(&mut core, 2, 2, 1, &[]);
    let ahead = take(&mut core, 1, 50);
    assert_eq!(ahead.len(), AHEAD_MAX as usize);
    let mut given = [ahead, Vec::new()];
    while given[0].len() + given[1].len() < CHUNKS as usize {
        let link = core.next_ready().unwrap();
        given[link as usize - 1].extend(take(&mut core, link, 50));
    }
    let mut all = given.concat();
    all.sort_unstable();
    assert_eq!(all, (0..CHUNKS).collect::<Vec<_>>());
    assert!(given[0].len().abs_diff(given[1].len()) <= AHEAD_MAX as usize);
}

#[test]
fn a_strand_that_comes_alive_is_not_owed_what_others_had() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    assert_eq!(take(&mut core, 1, 60).len(), 60);
    child(&mut core, 2, 2, 1, &[]);
    assert_eq!(take(&mut core, 2, 50).len(), AHEAD_MAX as usize);
}

#[test]
fn a_strand_with_a_backlog_is_given_nothing_until_it_is_gone() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    child(&mut core, 2, 2, 1, &[]);
    core.on_message(1, &status(0, BACKLOG_MAX + 2, &[]), 1)
        .unwrap();
    assert_eq!(take(&mut core, 1, 50), Vec::<u32>::new());
    assert_eq!(take(&mut core, 2, 50).len(), AHEAD_MAX as usize);
    while core.next_ready().is_some() {}
    core.on_message(1, &status(0, 0, &[]), 2).unwrap();
    assert_eq!(core.ready_links(), vec![1, 2]);
    assert!(!take(&mut core, 1, 50).is_empty());
}

#[test]
fn a_backlog_is_reported_in_its_strand_alone_and_fades() {
    let mut core = core(Role::Receiver, &[&[1], &[2]], &[]);
    core.tick(0);
    core.outgoing_up(1, id(1), 1);
    core.outgoing_up(2, id(2), 1);
    child(&mut core, 3, 3, 0, &[]);
    core.on_message(3, &status(0, 10, &[]), 1).unwrap();
    core.take_actions();
    core.tick(100);
    let mut told = Vec::new();
    for action in core.take_actions() {
        if let Action::Send {
            link,
            message: Message::Status { backlog, .. },
        } = action
        {
            told.push((link, backlog));
        }
    }
    assert_eq!(told, vec![(1, 9), (2, 0), (3, 0)]);
}

#[test]
fn the_source_does_not_wait_for_ever_for_a_slow_strand() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    child(&mut core, 2, 2, 1, &[]);
    take(&mut core, 2, 1);
    take(&mut core, 1, 2);
    // The other child is given the rest of its log and takes nothing more.
    child(&mut core, 3, 3, 0, &[]);
    take(&mut core, 3, 2);
    for now_ms in (0..LAG_ALONE_MS * 2).step_by(50) {
        core.on_message(1, &status(0, 0, &[]), now_ms).unwrap();
        core.on_message(2, &status(0, 0, &[]), now_ms).unwrap();
        core.on_message(3, &status(0, 0, &[]), now_ms).unwrap();
        core.tick(now_ms);
        while core.next_for(2, now_ms).is_some() {}
        while core.next_for(3, now_ms).is_some() {}
    }
    assert_eq!(core.next_dealt, CHUNKS);
    assert_eq!(core.progress().lagging_children, 1);
    let rest = take(&mut core, 1, 200).len() + 2;
    assert_eq!(
        rest,
        core.strands[0].log.len(),
        "a slow child gets all of its strand"
    );
}

#[test]
fn a_star_gives_everything_to_everybody() {
    let mut core = source(1);
    for node in 1..=3 {
        child(&mut core, u32::from(node), node, 0, &[]);
    }
    for link in 1..=3 {
        assert_eq!(take(&mut core, link, 200), (0..CHUNKS).collect::<Vec<_>>());
    }
}

#[test]
fn a_late_child_gets_the_log_in_its_order_without_what_it_has() {
    let mut core = receiver();
    core.incoming_up(1, id(1), 0);
    for index in [7, 3, 9, 4] {
        assert!(core.on_chunk(1, 0, index, 5));
    }
    child(&mut core, 2, 5, 0, &[3..4]);
    assert_eq!(take(&mut core, 2, 9), vec![7, 9, 4]);
    assert_eq!(core.ready_links(), vec![2]);
    assert_eq!(core.next_for(2, 6), None);
    core.on_chunk(1, 0, 8, 6);
    core.on_chunk(1, 0, 11, 6);
    assert_eq!(core.ready_links(), vec![2], "it comes up once");
    assert_eq!(take(&mut core, 2, 9), vec![8, 11]);
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

#[test]
fn a_parent_that_is_reset_is_followed_by_the_next() {
    let mut core = receiver();
    core.tick(0);
    assert_eq!(connects(&mut core), vec![id(1)]);
    core.outgoing_up(10, id(1), 1);
    assert!(matches!(
        sends(&mut core, 10)[..],
        [Message::Attach { strand: 0, .. }]
    ));
    core.on_chunk(10, 0, 4, 2);
    core.link_down(10, 3);
    assert_eq!(connects(&mut core), vec![id(2)]);
    core.outgoing_up(11, id(2), 4);
    match &sends(&mut core, 11)[..] {
        [Message::Attach { have, .. }] => assert_eq!(*have, vec![4..5]),
        other => panic!("{other:?}"),
    }
    assert_eq!(core.parents().collect::<Vec<_>>(), vec![Some(id(2))]);
}

#[test]
fn when_all_candidates_fail_they_are_tried_again_later() {
    let mut core = receiver();
    core.tick(0);
    core.connect_failed(id(1), 1);
    core.connect_failed(id(2), 2);
    assert_eq!(connects(&mut core), vec![id(1), id(2)]);
    pass(&mut core, 50, SHUN_MS * 4);
    let again = connects(&mut core);
    assert!(again.contains(&id(1)), "{again:?}");
}

#[test]
fn a_parent_that_does_not_know_the_assignment_yet_is_asked_again() {
    let mut core = core(Role::Receiver, &[&[1, 2]], &[]);
    core.tick(0);
    let refusal = Message::Refuse {
        reason: Refusal::UnknownAssignment,
        strand: STRAND_PULLED,
        text: String::new(),
    };
    let mut asked = 0;
    for now_ms in (50..UNKNOWN_PATIENCE_MS - UNKNOWN_RETRY_MS).step_by(50) {
        for node in connects(&mut core) {
            assert_eq!(node, id(1));
            asked += 1;
            core.outgoing_up(asked, node, now_ms);
            core.on_message(asked, &refusal, now_ms).unwrap();
            core.link_down(asked, now_ms);
        }
        core.tick(now_ms);
    }
    assert!(asked > 5, "{asked}");
    for now_ms in (UNKNOWN_PATIENCE_MS..UNKNOWN_PATIENCE_MS * 2).step_by(50) {
        for node in connects(&mut core) {
            asked += 1;
            if node == id(2) {
                return;
            }
            core.outgoing_up(asked, node, now_ms);
            core.on_message(asked, &refusal, now_ms).unwrap();
            core.link_down(asked, now_ms);
        }
        core.tick(now_ms);
    }
    panic!("never turned to the next candidate");
}

#[test]
fn a_silent_parent_is_closed_and_a_withholding_one_is_left() {
    for withholds in [false, true] {
        let mut core = receiver();
        core.tick(0);
        core.outgoing_up(10, id(1), 0);
        core.take_actions();
        let limit_ms = SILENCE_MS.max(WITHHELD_MS) + 500;
        for now_ms in (50..limit_ms).step_by(50) {
            if withholds {
                core.on_message(10, &status(50, 0, &[50]), now_ms).unwrap();
            }
            core.tick(now_ms);
        }
        let actions = core.take_actions();
        let turned = Action::Connect { peer: peer(2) };
        let closed = Action::Close {
            link: 10,
            reason: "silent parent",
        };
        let left = Action::Send {
            link: 10,
            message: Message::Detach { strand: 0 },
        };
        assert!(actions.contains(&turned), "{actions:?}");
        assert_eq!(actions.contains(&closed), !withholds);
        assert_eq!(actions.contains(&left), withholds);
    }
}

#[test]
fn who_sends_a_corrupt_chunk_is_left() {
    let mut core = receiver();
    core.tick(0);
    core.outgoing_up(10, id(1), 1);
    core.take_actions();
    core.corrupt(10, 2);
    let actions = core.take_actions();
    assert!(matches!(actions[0], Action::Close { link: 10, .. }));
    assert_eq!(actions[1], Action::Connect { peer: peer(2) });
    core.connect_failed(id(2), 3);
    pass(&mut core, 50, 20_000);
    assert!(!connects(&mut core).contains(&id(1)));
}

#[test]
fn a_parent_is_not_served_in_the_strand_in_which_it_serves() {
    let mut core = core(Role::Receiver, &[&[1], &[2]], &[]);
    core.tick(0);
    core.outgoing_up(10, id(1), 1);
    core.take_actions();
    child(&mut core, 20, 1, 0, &[]);
    let refusals = sends(&mut core, 20);
    assert!(matches!(
        refusals[..],
        [Message::Refuse {
            reason: Refusal::Circle,
            ..
        }]
    ));
    core.on_message(20, &attach(1, &[]), 2).unwrap();
    assert_eq!(core.progress().children, 1);
}

#[test]
fn a_node_that_connects_again_is_served_on_its_new_link_alone() {
    let mut core = source(1);
    child(&mut core, 1, 1, 0, &[]);
    take(&mut core, 1, 10);
    child(&mut core, 2, 1, 0, &[std::ops::Range { start: 0, end: 10 }]);
    assert_eq!(take(&mut core, 1, 10), Vec::<u32>::new());
    assert_eq!(take(&mut core, 2, 1), vec![10]);
    assert_eq!(core.progress().children, 1);
}

#[test]
fn children_and_links_are_bounded() {
    let mut core = source(1);
    let mut refused = 0;
    for link in 0..u32::try_from(CHILDREN_MAX).unwrap() + 200 {
        let mut node = [7; 16];
        node[..4].copy_from_slice(&link.to_le_bytes());
        core.incoming_up(link, node, 0);
        let _ = core.on_message(link, &attach(0, &[]), 0);
        let actions = core.take_actions();
        let is_refusal = |action: &Action| {
            matches!(action, Action::Close { .. })
                || matches!(
                    action,
                    Action::Send {
                        message: Message::Refuse { .. },
                        ..
                    }
                )
        };
        refused += usize::from(actions.iter().any(is_refusal));
    }
    assert_eq!(refused, 200);
    assert_eq!(core.progress().children as usize, CHILDREN_MAX);
}

#[test]
fn a_pull_is_answered_by_what_is_here_and_its_queue_is_bounded() {
    let mut core = source(1);
    core.incoming_up(1, id(1), 0);
    core.on_message(1, &attach(STRAND_PULLED, &[]), 0).unwrap();
    core.on_message(
        1,
        &Message::Pull {
            ranges: vec![5..7, 50..51],
        },
        1,
    )
    .unwrap();
    assert_eq!(
        sends(&mut core, 1),
        vec![Message::Have {
            ranges: vec![
                Range { start: 0, end: 5 },
                Range {
                    start: 5,
                    end: CHUNKS
                }
            ]
        }]
    );
    assert_eq!(core.next_ready(), Some(1));
    let pulled: Vec<_> = std::iter::from_fn(|| core.next_for(1, 2)).collect();
    assert_eq!(pulled, [5, 6, 50].map(|index| (index, STRAND_PULLED)));
    for _ in 0..10 {
        core.on_message(
            1,
            &Message::Pull {
                ranges: vec![Range {
                    start: 0,
                    end: CHUNKS,
                }],
            },
            3,
        )
        .unwrap();
    }
    assert_eq!(take(&mut core, 1, 500).len(), PULL_QUEUE_MAX);
}

#[test]
fn without_parents_what_is_missing_is_pulled_and_nothing_is_asked_twice() {
    let mut core = core(Role::Receiver, &[&[]], &[3, 4]);
    core.vouched(CHUNKS, Some(CHUNKS), 0);
    pass(&mut core, 0, 1_000);
    let mut dialed = connects(&mut core);
    dialed.sort_unstable();
    assert_eq!(dialed, vec![id(3), id(4)]);
    core.outgoing_up(10, id(3), 1_000);
    core.outgoing_up(11, id(4), 1_000);
    pass(&mut core, 1_050, 1_100);
    let mut asked = Vec::new();
    for action in core.take_actions() {
        if let Action::Send {
            message: Message::Pull { ranges },
            ..
        } = action
        {
            asked.extend(ranges.into_iter().flatten());
        }
    }
    let count = asked.len();
    assert_eq!(count, 2 * PULL_CHUNKS);
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), count);
}

#[test]
fn strand_beyond_the_plan_is_refused_not_served() {
    let mut core = source(1);
    child(&mut core, 1, 1, 1, &[]);
    let refusals = sends(&mut core, 1);
    assert!(
        matches!(refusals[..], [Message::Refuse { strand: 1, .. }]),
        "{refusals:?}"
    );
    assert_eq!(core.progress().children, 0);
}
