//! Towards children: who is served, in which order, within which bounds.

use std::ops::Range;

use wire::limits::STRAND_PULLED;
use wire::peer::{Message, Refusal};

use super::{CHUNKS, attach, child, core, id, pass, receiver, sends, source, take};
use crate::limits::{CHILDREN_MAX, PULL_QUEUE_MAX};
use crate::{Action, Role};

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

/// Children that lag after three seconds, in which the only one took a chunk each `chunk_ms` at
/// first, with a long queue for it all the time.
fn lagging_after(chunk_ms: usize) -> u32 {
    let mut core = receiver();
    child(&mut core, 2, 5, 0, &[]);
    core.incoming_up(1, id(1), 0);
    for index in 0..60 {
        core.on_chunk(1, 0, index, 0);
    }
    for now_ms in (0..3_000).step_by(chunk_ms).take(20) {
        core.next_for(2, now_ms);
    }
    pass(&mut core, 0, 3_000);
    core.progress().lagging_children
}

#[test]
fn a_long_queue_makes_a_child_slow_unless_each_chunk_takes_long_anyway() {
    assert_eq!(lagging_after(5), 1);
    assert_eq!(lagging_after(150), 0);
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
    assert_eq!(pulled, [5, 6, 50].map(|index| (index, 0)));
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

#[test]
fn a_chunk_that_comes_from_elsewhere_goes_on_in_its_strand() {
    let mut core = core(Role::Receiver, &[&[1], &[2]], &[3]);
    core.vouched(CHUNKS, Some(CHUNKS), 0);
    core.incoming_up(3, id(3), 0);
    core.on_message(3, &attach(STRAND_PULLED, &[]), 0).unwrap();
    child(&mut core, 4, 4, 1, &[]);
    assert!(core.on_chunk(3, 1, 7, 1));
    assert_eq!(core.next_for(4, 1), Some((7, 1)));
    assert!(core.on_chunk(3, STRAND_PULLED, 8, 1));
    assert_eq!(core.next_for(4, 1), None, "nobody knows whose it is");
}
