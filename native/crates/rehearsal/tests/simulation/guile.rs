//! Parents that do not do what they say, orders that come late, and plans that change.

use crate::plans::{SOURCE, Weave};
use crate::run::{MEGABIT, Session, content};
use rehearsal::{Guile, node_id, peer};
use simnet::Rates;
use spread::Plan;

const RATE: u64 = 100 * MEGABIT;

fn chain_with(node: usize, guile: Guile) -> Session {
    let weave = Weave::chain(5);
    let mut session = Session::flat(&weave, content(4, 32), RATE, 1);
    session
        .network
        .order(node, |station, _| station.set_guile(guile));
    session
}

#[test]
fn a_parent_that_gives_no_chunks_is_left() {
    let guile = Guile {
        withholds_chunks: true,
        ..Guile::default()
    };
    let mut session = chain_with(2, guile);
    session.complete_within(60);
    let parents: Vec<_> = session
        .network
        .process(3)
        .unwrap()
        .core()
        .parents()
        .collect();
    assert_ne!(parents, vec![Some(node_id(2))]);
}

#[test]
fn a_parent_that_gives_no_vouches_is_left() {
    let guile = Guile {
        withholds_vouches: true,
        ..Guile::default()
    };
    let mut session = chain_with(2, guile);
    session.complete_within(60);
}

#[test]
fn a_relay_of_a_braid_that_gives_nothing_does_not_stall_the_others() {
    let weave = Weave::braid(8, 2, 2, &[]);
    let mut session = Session::flat(&weave, content(4, 32), RATE, 1);
    let guile = Guile {
        withholds_chunks: true,
        ..Guile::default()
    };
    session
        .network
        .order(weave.busiest(), |station, _| station.set_guile(guile));
    session.complete_within(60);
}

/// Plans of two strands: a braid, and a path in which both go the same way.
fn of_two_strands() -> [Weave; 2] {
    let path = Weave::chain(8).strands[0].clone();
    let path = Weave {
        strands: vec![path.clone(), path],
    };
    [Weave::braid(8, 2, 2, &[]), path]
}

#[test]
fn a_node_that_lies_about_its_backlog_does_not_stall_the_others() {
    for weave in of_two_strands() {
        for seed in 1..=8 {
            let mut session = Session::flat(&weave, content(64, 32), RATE, seed);
            let guile = Guile {
                exaggerates_backlog: true,
                ..Guile::default()
            };
            let liar = usize::try_from(seed).unwrap();
            session
                .network
                .order(liar, |station, _| station.set_guile(guile));
            session.complete_within(60);
            let believed = session.share_of_bound(2_600_000);
            let makespan = session.makespan();
            assert!(makespan < 1.06 + believed, "liar {liar}: {makespan}");
            assert_eq!(session.pulled(), 0, "{}", session.describe());
        }
    }
}

#[test]
fn a_parent_that_is_not_told_yet_is_waited_for() {
    let weave = Weave::braid(8, 2, 2, &[]);
    let mut session = Session::flat(&weave, content(32, 32), RATE, 1);
    for node in session.receivers().collect::<Vec<_>>() {
        session.reset(node);
        let opens_us = (node as u64 * 370_000) % 1_300_000;
        session.restart(node, weave.part_of(node), None, opens_us);
    }
    session.complete_within(60);
    for (node, station) in session.living() {
        let planned: Vec<_> = weave
            .strands
            .iter()
            .map(|strand| Some(node_id(strand[node - 1])))
            .collect();
        assert_eq!(
            station.core().parents().collect::<Vec<_>>(),
            planned,
            "node {node}"
        );
    }
}

#[test]
fn a_plan_can_change_in_mid_session() {
    let before = Weave::braid(8, 2, 2, &[]);
    for after in [Weave::chain(8), Weave::star(8), Weave::braid(8, 4, 4, &[])] {
        let mut session = Session::flat(&before, content(8, 32), RATE, 1);
        session.run_until_share(4, 40);
        for node in session.receivers().collect::<Vec<_>>() {
            let plan = after.part_of(node);
            session
                .network
                .order(node, |station, io| station.set_plan(plan, io));
        }
        let plan = after.source_part();
        session
            .network
            .order(SOURCE, |station, io| station.set_plan(plan, io));
        session.complete_within(60);
        let faults: u32 = session.living().map(|(_, station)| station.faults).sum();
        assert_eq!(faults, 0);
    }
}

#[test]
fn a_new_plan_brings_nodes_back_to_their_parents() {
    let weave = Weave::chain(4);
    let mut session = Session::flat(&weave, content(16, 32), RATE, 1);
    session.run_until_share(4, 30);
    let disk = session.reset(2);
    session.network.run_until(1_000_000);
    session.bring_back(2, weave.part_of(2), &disk);
    session.network.run_until(1_200_000);
    let parent = |session: &Session| session.network.process(3).unwrap().core().parents().next();
    assert_eq!(parent(&session), Some(Some(node_id(1))));
    session
        .network
        .order(3, |station, io| station.set_plan(weave.part_of(3), io));
    session.network.run_until(1_300_000);
    assert_eq!(parent(&session), Some(Some(node_id(2))));
    session.complete_within(60);
}

#[test]
fn a_circle_of_parents_is_broken() {
    let weave = Weave::chain(4);
    let mut session = Session::flat(&weave, content(4, 32), RATE, 1);
    session.network.run_until(20_000);
    for (node, parents) in [(2, [4, 1]), (3, [2, 1]), (4, [3, 1])] {
        let mut plan = weave.part_of(node);
        plan.parents = vec![parents.into_iter().map(peer).collect()];
        session
            .network
            .order(node, |station, io| station.set_plan(plan, io));
    }
    session.complete_within(60);
}

#[test]
fn who_waits_for_its_turn_opens_nothing_and_then_begins_as_anybody_does() {
    let weave = Weave::star(2);
    // So slow that it is looked around before the first chunk is there.
    let rate = 4 * MEGABIT;
    let mut session = Session::flat(&weave, content(1, 32), rate, 1);
    let waiting = Plan {
        strand_count: 1,
        ..Plan::default()
    };
    let node = session.add(Rates::symmetric(rate), None, waiting.clone(), None);
    session.set_plan(node, waiting);
    session.network.run_until(10_000_000);
    assert!(!session.is_complete());
    assert_eq!(session.network.carried_bytes(node), (0, 0));
    let turn = Plan {
        strand_count: 1,
        parents: vec![vec![peer(1), peer(SOURCE)]],
        peers: vec![peer(2)],
        slow: false,
    };
    session.set_plan(node, turn);
    session.complete_within(60);
    // One that had been open since the beginning would take itself for starved.
    assert_eq!((session.pulled(), session.duplicates()), (0, 0));
    assert!(session.makespan() - session.share_of_bound(10_000_000) < 1.1);
}
