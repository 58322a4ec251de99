//! Towards parents: whom a node turns to, when it leaves them, what it pulls.

use wire::limits::STRAND_PULLED;
use wire::peer::{Message, Refusal};

use super::{CHUNKS, connects, core, id, pass, peer, receiver, sends, status};
use crate::limits::{
    ARRIVAL_BYTES, PULL_CHUNKS, RETURN_MS_MAX, RETURN_MS_MIN, SHUN_MS, SILENCE_MS,
    UNKNOWN_PATIENCE_MS, UNKNOWN_RETRY_MS, UNUSED_MS, WITHHELD_MS,
};
use crate::{Action, Role};

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
fn a_parent_that_does_not_know_the_assignment_yet_is_waited_for_in_all_strands() {
    let mut core = core(Role::Receiver, &[&[1, 2], &[1, 2]], &[]);
    core.tick(0);
    // It refuses what it was asked first, and hangs up.
    let refusal = Message::Refuse {
        reason: Refusal::UnknownAssignment,
        strand: 0,
        text: String::new(),
    };
    core.outgoing_up(10, id(1), 1);
    core.on_message(10, &refusal, 2).unwrap();
    core.link_down(10, 2);
    pass(&mut core, 50, 50 + UNKNOWN_RETRY_MS);
    assert_eq!(connects(&mut core), vec![id(1), id(1)]);
    core.outgoing_up(11, id(1), 200);
    assert_eq!(core.parents().collect::<Vec<_>>(), vec![Some(id(1)); 2]);
}

#[test]
fn what_a_peer_has_in_no_log_is_not_pulled_until_a_first_chunk_has_come() {
    for has_begun in [false, true] {
        let mut core = receiver();
        core.vouched(CHUNKS, None, 0);
        core.tick(0);
        core.outgoing_up(10, id(1), 0);
        core.incoming_up(11, id(4), 0);
        if has_begun {
            core.on_chunk(10, 0, 0, 0);
        }
        core.take_actions();
        let mut asks = 0;
        for now_ms in (50..2_500).step_by(50) {
            let unlogged = status(2, 0, &[1]);
            core.on_message(11, &unlogged, now_ms).unwrap();
            core.on_message(10, &status(1, 0, &[1]), now_ms).unwrap();
            core.tick(now_ms);
            let sent = sends(&mut core, 11);
            let is_pull = |message: &&Message| matches!(message, Message::Pull { .. });
            asks += sent.iter().filter(is_pull).count();
        }
        assert_eq!(asks > 0, has_begun, "{asks}");
    }
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

/// Whether a node has turned to another, parted from one, or pulled.
fn turned_away(core: &mut crate::Core) -> bool {
    let elsewhere = |action: &Action| match action {
        Action::Connect { .. } | Action::Close { .. } => true,
        Action::Send { message, .. } => {
            matches!(message, Message::Detach { .. } | Message::Pull { .. })
        }
        Action::Complete => false,
    };
    core.take_actions().iter().any(elsewhere)
}

const LARGE_BYTES: usize = 256 << 10;

#[test]
fn a_link_of_64_kbit_on_which_a_chunk_takes_half_a_minute_is_no_reason_to_turn_away() {
    let mut core = core(Role::Receiver, &[&[1, 2], &[1, 2]], &[3]);
    core.vouched(CHUNKS, Some(CHUNKS), 0);
    core.tick(0);
    core.outgoing_up(10, id(1), 0);
    let logs = [CHUNKS / 2, CHUNKS / 2];
    core.on_message(10, &status(0, 0, &[0, 0]), 1).unwrap();
    core.on_message(10, &status(CHUNKS - 1, 0, &logs), 2)
        .unwrap();
    core.take_actions();
    let bytes_in = |now_ms: u64| usize::try_from(now_ms * 64_000 / 8 / 1000).unwrap();
    let mut now_ms = 50;
    for index in 0..6 {
        let strand = u8::try_from(index % 2).unwrap();
        let begun_ms = now_ms;
        while bytes_in(now_ms - begun_ms) < LARGE_BYTES {
            // A packet is nearly 1,500 bytes, and some are lost for a second.
            let is_late = (now_ms / 1000).is_multiple_of(7);
            if now_ms.is_multiple_of(200) && !is_late {
                let missing = LARGE_BYTES - bytes_in(now_ms - begun_ms);
                core.receiving(10, strand, missing, now_ms);
            }
            core.tick(now_ms);
            assert!(!turned_away(&mut core), "chunk {index} at {now_ms}");
            now_ms += 50;
        }
        core.on_chunk(10, strand, index, now_ms);
        core.on_message(10, &status(CHUNKS - 1, 0, &logs), now_ms)
            .unwrap();
        now_ms += 250;
        core.tick(now_ms);
        assert!(!turned_away(&mut core), "after chunk {index}");
    }
}

/// When a node turns away from its parent, where so much of a chunk has come by a time, from the
/// parent on link 10 or from a child on link 11.
fn turns_away_at(link: crate::LinkId, come_by: impl Fn(u64) -> usize) -> u64 {
    let mut core = receiver();
    core.tick(0);
    core.outgoing_up(10, id(1), 0);
    core.incoming_up(11, id(4), 0);
    core.take_actions();
    for now_ms in (50..LARGE_BYTES as u64).step_by(50) {
        core.receiving(link, 0, LARGE_BYTES - come_by(now_ms), now_ms);
        core.on_message(10, &status(50, 0, &[50]), now_ms).unwrap();
        core.tick(now_ms);
        let turned = Action::Connect { peer: peer(2) };
        if core.take_actions().contains(&turned) {
            return now_ms;
        }
    }
    panic!("never");
}

#[test]
fn a_parent_whose_chunk_only_trickles_is_left_as_one_that_gives_nothing() {
    let soon = WITHHELD_MS..WITHHELD_MS + 500;
    let trickle = |now_ms: u64| usize::try_from(now_ms / 50).unwrap();
    assert!(soon.contains(&turns_away_at(10, trickle)));
    let almost_whole = |_| LARGE_BYTES - 1;
    assert!(soon.contains(&turns_away_at(10, almost_whole)));
    let too_slow = |now_ms: u64| {
        let least = ARRIVAL_BYTES as u64 / 2 * now_ms / WITHHELD_MS;
        usize::try_from(least).unwrap()
    };
    assert!(soon.contains(&turns_away_at(10, too_slow)));
}

#[test]
fn what_a_child_sends_in_a_strand_that_it_does_not_serve_excuses_no_parent() {
    let soon = WITHHELD_MS..WITHHELD_MS + 500;
    let well_paced = |now_ms: u64| usize::try_from(now_ms * 20).unwrap();
    assert!(soon.contains(&turns_away_at(11, well_paced)));
}

#[test]
fn what_is_pulled_slowly_is_no_reason_not_to_pull_from_others() {
    let mut core = receiver();
    core.tick(0);
    core.outgoing_up(10, id(1), 0);
    core.incoming_up(11, id(4), 0);
    core.on_chunk(10, 0, 0, 0);
    core.take_actions();
    for now_ms in (50..2_500).step_by(50) {
        let arrived = usize::try_from(now_ms).unwrap() * 10;
        core.receiving(11, STRAND_PULLED, LARGE_BYTES - arrived, now_ms);
        core.on_message(11, &status(CHUNKS - 1, 0, &[50]), now_ms)
            .unwrap();
        core.on_message(10, &status(0, 0, &[0]), now_ms).unwrap();
        core.tick(now_ms);
        let asks = sends(&mut core, 11);
        if asks
            .iter()
            .any(|message| matches!(message, Message::Pull { .. }))
        {
            return;
        }
    }
    panic!("never pulled");
}

#[test]
fn who_is_a_parent_no_more_and_sends_what_is_here_is_parted_from() {
    let mut core = core(Role::Receiver, &[&[1]], &[]);
    core.vouched(1, None, 0);
    core.tick(0);
    core.outgoing_up(10, id(1), 0);
    core.on_chunk(10, 0, 0, 1);
    let turned = crate::Plan {
        strand_count: 1,
        parents: vec![vec![peer(2)]],
        ..crate::Plan::default()
    };
    core.set_plan(turned, 2);
    core.outgoing_up(11, id(2), 3);
    core.take_actions();
    for now_ms in (50..UNUSED_MS + 500).step_by(50) {
        core.on_chunk(10, 0, 0, now_ms);
        core.heard(11, now_ms);
        core.tick(now_ms);
    }
    let closed = Action::Close {
        link: 10,
        reason: "unused",
    };
    assert!(core.take_actions().contains(&closed));
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
fn an_idle_parent_is_asked_for_what_another_strand_still_brings_unless_it_is_far() {
    for is_far in [false, true] {
        let mut core = core(Role::Receiver, &[&[1], &[2]], &[]);
        core.vouched(CHUNKS, Some(CHUNKS), 0);
        core.tick(0);
        core.outgoing_up(10, id(1), 1);
        core.outgoing_up(11, id(2), 1);
        if is_far {
            core.mark_far(10);
        }
        let mut asks = 0;
        for step in 1..40 {
            let now_ms = u64::from(step) * 50;
            core.on_message(10, &status(CHUNKS, 0, &[CHUNKS / 2]), now_ms)
                .unwrap();
            core.on_chunk(11, 1, step, now_ms);
            core.tick(now_ms);
            let actions = core.take_actions().into_iter();
            asks += actions
                .filter(|action| {
                    matches!(
                        action,
                        Action::Send {
                            link: 10,
                            message: Message::Pull { .. }
                        }
                    )
                })
                .count();
        }
        assert_eq!(asks > 0, !is_far, "{asks}");
    }
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

/// A node whose first parent was reset, and that the next serves since, until it dials again.
fn served_by_the_next() -> (crate::Core, u64) {
    let mut core = receiver();
    core.tick(0);
    core.outgoing_up(10, id(1), 0);
    core.link_down(10, 1);
    core.outgoing_up(11, id(2), 2);
    core.take_actions();
    let until = dials_again(&mut core, 2);
    (core, until)
}

/// Lets time pass in which node 2 feeds it, until node 1 is dialled.
fn dials_again(core: &mut crate::Core, since_ms: u64) -> u64 {
    for now_ms in (since_ms..since_ms + RETURN_MS_MAX * 2).step_by(50) {
        core.on_message(11, &status(0, 0, &[0]), now_ms).unwrap();
        core.tick(now_ms);
        if connects(core) == vec![id(1)] {
            return now_ms;
        }
    }
    panic!("it never turned back");
}

#[test]
fn who_is_served_by_the_next_of_its_line_turns_back_to_the_first() {
    let (mut core, at_ms) = served_by_the_next();
    assert!((RETURN_MS_MIN..RETURN_MS_MIN + 100).contains(&at_ms));
    assert_eq!(core.parents().collect::<Vec<_>>(), vec![Some(id(2))]);
    core.outgoing_up(12, id(1), at_ms + 5);
    assert!(matches!(
        sends(&mut core, 12)[..],
        [Message::Attach { strand: 0, .. }]
    ));
    assert_eq!(core.parents().collect::<Vec<_>>(), vec![Some(id(1))]);
}

#[test]
fn a_first_parent_that_is_not_to_be_had_is_asked_ever_more_seldom_and_nobody_waits_for_it() {
    let (mut core, first_ms) = served_by_the_next();
    core.connect_failed(id(1), first_ms + 1);
    assert_eq!(core.parents().collect::<Vec<_>>(), vec![Some(id(2))]);
    let second_ms = dials_again(&mut core, first_ms + 1);
    assert!(second_ms - first_ms >= 2 * RETURN_MS_MIN);
    core.outgoing_up(12, id(1), second_ms + 1);
    core.take_actions();
    let refusal = Message::Refuse {
        reason: Refusal::Circle,
        strand: 0,
        text: String::new(),
    };
    core.on_message(12, &refusal, second_ms + 2).unwrap();
    assert_eq!(core.parents().collect::<Vec<_>>(), vec![Some(id(2))]);
}

#[test]
fn a_parent_hears_of_what_the_one_before_it_still_brings() {
    let mut core = receiver();
    core.tick(0);
    core.outgoing_up(1, id(1), 0);
    core.outgoing_up(2, id(2), 0);
    core.link_down(1, 1);
    pass(&mut core, 1, 500);
    core.outgoing_up(3, id(2), 500);
    core.outgoing_up(4, id(1), 500);
    core.take_actions();
    assert!(core.on_chunk(3, 0, 7, 501));
    assert!(core.on_chunk(4, 0, 8, 501));
    pass(&mut core, 550, 700);
    let told = core
        .take_actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Send {
                message: Message::Have { ranges },
                ..
            } => Some(ranges),
            _ => None,
        });
    assert_eq!(told.collect::<Vec<_>>(), vec![vec![8..9]]);
}
