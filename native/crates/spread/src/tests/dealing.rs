//! Which chunk the source gives to which strand, and what it waits for.

use wire::limits::STRAND_PULLED;
use wire::peer::Message;

use super::{CHUNKS, attach, child, core, id, source, status, take};
use crate::limits::{AHEAD_MAX, BACKLOG_MAX, LAG_ALONE_MS, LAG_QUEUE, LAG_SAID_MS};
use crate::{Action, Role};

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
    assert_eq!(take(&mut core, 1, 10).len(), 10);
    core.on_message(1, &status(0, BACKLOG_MAX + 2, &[]), 1)
        .unwrap();
    assert_eq!(take(&mut core, 1, 50), Vec::<u32>::new());
    assert_eq!(take(&mut core, 2, 50).len(), 10 + AHEAD_MAX as usize);
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
    core.vouched(CHUNKS, Some(CHUNKS), 1);
    for index in 0..20 {
        core.on_chunk(1, 0, index, 1);
    }
    take(&mut core, 3, 20);
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
fn a_child_has_no_more_to_pass_on_than_it_was_given() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    child(&mut core, 2, 2, 1, &[]);
    take(&mut core, 1, 3);
    core.on_message(1, &status(0, CHUNKS, &[]), 1).unwrap();
    assert_eq!(core.progress().backlog, 3);
}

/// For how long, of as long as can be, children with nothing to do in their own queues hold up a
/// source, when one says what `says` has it say at each tick.
fn held_up_ms(total_ms: u64, says: impl Fn(u64) -> u32) -> u64 {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    child(&mut core, 2, 2, 1, &[]);
    take(&mut core, 1, 10);
    take(&mut core, 2, 10);
    let mut held_ms = 0;
    for now_ms in (0..total_ms).step_by(50) {
        core.on_message(1, &status(0, says(now_ms), &[]), now_ms)
            .unwrap();
        core.on_message(2, &status(0, 0, &[]), now_ms).unwrap();
        core.tick(now_ms);
        held_ms += if core.backlog_of(0) > LAG_QUEUE {
            50
        } else {
            0
        };
    }
    held_ms
}

#[test]
fn a_child_that_goes_on_saying_that_a_queue_is_below_it_is_not_waited_for_ever() {
    let told = held_up_ms(60_000, |_| CHUNKS);
    assert!((LAG_ALONE_MS..=LAG_SAID_MS).contains(&told), "{told}");
}

#[test]
fn who_says_now_that_there_is_a_queue_and_now_that_there_is_none_holds_up_a_fifth_of_the_time() {
    for period_ms in [100, 500, 2_000, 4_000] {
        let told = held_up_ms(60_000, |now_ms| {
            if now_ms % period_ms < period_ms - 50 {
                CHUNKS
            } else {
                0
            }
        });
        assert!(told < 60_000 / 5 + LAG_SAID_MS, "{period_ms}: {told}");
    }
}

#[test]
fn who_is_not_believed_is_again_when_the_queue_is_gone() {
    let since_ms = LAG_SAID_MS * 2;
    let says = |now_ms| {
        let is_short = (since_ms..since_ms + 3_000).contains(&now_ms);
        if is_short { 0 } else { CHUNKS }
    };
    let (first_ms, both_ms) = (held_up_ms(since_ms, says), held_up_ms(60_000, says));
    assert!(both_ms > first_ms + 500, "{first_ms} {both_ms}");
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
fn nobody_waits_for_a_child_that_says_it_is_slow() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    child(&mut core, 2, 2, 1, &[]);
    child(&mut core, 3, 3, 0, &[]);
    let mut slow = status(0, 0, &[]);
    if let Message::Status { slow, .. } = &mut slow {
        *slow = true;
    }
    core.on_message(3, &slow, 1).unwrap();
    while core.next_dealt < CHUNKS {
        let dealt = core.next_dealt;
        for link in [1, 2] {
            take(&mut core, link, 4);
        }
        assert!(core.next_dealt > dealt, "stands at {dealt}");
    }
    assert_eq!(take(&mut core, 3, 200).len(), core.strands[0].log.len());
}

#[test]
fn a_node_whose_plan_says_that_it_is_slow_tells_its_parents_at_once() {
    let mut core = core(Role::Receiver, &[&[1]], &[]);
    core.tick(0);
    core.outgoing_up(1, id(1), 1);
    core.take_actions();
    let told = |core: &mut crate::Core| {
        core.tick(core.ticked_ms.unwrap_or(0) + 50);
        let actions = core.take_actions().into_iter();
        let said = actions.filter_map(|action| match action {
            Action::Send {
                message: Message::Status { slow, .. },
                ..
            } => Some(slow),
            _ => None,
        });
        said.collect::<Vec<_>>()
    };
    assert_eq!(told(&mut core), vec![false]);
    assert_eq!(told(&mut core), Vec::<bool>::new());
    let plan = |slow| crate::Plan {
        strand_count: 1,
        parents: vec![vec![super::peer(1)]],
        peers: Vec::new(),
        slow,
    };
    core.set_plan(plan(true), 100);
    assert_eq!(told(&mut core), vec![true]);
    core.set_plan(plan(false), 200);
    assert_eq!(told(&mut core), vec![false]);
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
fn what_is_pulled_from_the_source_is_dealt_by_that_and_not_once_more() {
    let mut core = source(2);
    child(&mut core, 1, 1, 0, &[]);
    child(&mut core, 2, 2, 1, &[]);
    core.incoming_up(3, id(3), 0);
    core.on_message(3, &attach(STRAND_PULLED, &[]), 0).unwrap();
    let pull = Message::Pull {
        ranges: vec![1..2, 90..92],
    };
    core.on_message(3, &pull, 0).unwrap();
    let pulled: Vec<_> = std::iter::from_fn(|| core.next_for(3, 0)).collect();
    let strand_of = |index: u32| pulled.iter().find(|(of, _)| *of == index).unwrap().1;
    assert!([1, 90, 91].map(strand_of).iter().all(|strand| *strand < 2));
    let mut sent: Vec<Vec<u32>> = vec![Vec::new(); 2];
    for turn in 0..2 * usize::try_from(CHUNKS).unwrap() {
        sent[turn % 2].extend(take(&mut core, [1, 2][turn % 2], 1));
    }
    let mut all = sent.concat();
    all.sort_unstable();
    assert_eq!(all, (0..CHUNKS).collect::<Vec<_>>());
    for index in [1, 90, 91] {
        assert!(
            sent[usize::from(strand_of(index))].contains(&index),
            "{index}"
        );
    }
}
