//! Nodes die, come back and come late: who lives completes, and does not pay for the others.

use simnet::Death;

use crate::plans::{SOURCE, Weave};
use crate::run::{MEGABIT, Session, content};
use rehearsal::{Content, Station, peer};
use spread::{HaveMap, Plan, Role};

const RATE: u64 = 100 * MEGABIT;

/// The makespan when the busiest relay dies at half, and whether others than ancestors adopt.
fn makespan_with_death(receivers: usize, adopters: bool) -> f64 {
    let weave = Weave::braid(receivers, 2, 2, &[]);
    let mut session = Session::flat(&weave, content(16, 32), RATE, 1);
    for node in 1..=receivers {
        if adopters {
            let plan = weave.part_with_adopters(node);
            session
                .network
                .order(node, |station, io| station.set_plan(plan, io));
        }
    }
    let dying = weave.busiest();
    session.run_until_share(dying, 50);
    session.reset(dying);
    session.complete_within(60);
    assert_eq!(
        session.pulled() + session.duplicates(),
        0,
        "{}",
        session.describe()
    );
    session.makespan()
}

#[test]
fn a_relay_that_dies_at_half_costs_an_ancestor_a_second_copy_of_a_quarter() {
    for receivers in [8, 16] {
        let ratio = makespan_with_death(receivers, false);
        assert!(ratio < 1.40, "{receivers}: {ratio}");
    }
}

#[test]
fn a_relay_that_dies_costs_nothing_when_those_adopt_who_have_a_slot_to_spare() {
    for receivers in [8, 16, 64] {
        let ratio = makespan_with_death(receivers, true);
        assert!(ratio < 1.10, "{receivers}: {ratio}");
    }
}

#[test]
fn every_relay_of_a_braid_can_die() {
    for dying in 1..=8 {
        let mut session = Session::flat(&Weave::braid(8, 2, 2, &[]), content(4, 32), RATE, 2);
        session.run_until_share(dying, 50);
        session.reset(dying);
        session.complete_within(60);
        assert!(session.makespan() < 2.5, "{dying}: {}", session.makespan());
    }
}

#[test]
fn a_node_of_a_chain_without_power_is_bridged_after_its_silence() {
    let mut session = Session::flat(&Weave::chain(6), content(16, 32), RATE, 2);
    session.run_until_share(3, 50);
    session.network.kill(3, Death::Silent);
    let died_us = session.network.now_us();
    session.complete_within(60);
    let last_us = session
        .living()
        .filter_map(|(_, station)| station.completed_us)
        .max()
        .unwrap();
    assert!(last_us < died_us + 6_000_000, "{last_us}, died {died_us}");
    assert!(session.duplicates() < 50, "{}", session.describe());
}

#[test]
fn all_complete_when_the_source_dies_after_one_copy_is_out() {
    let weave = Weave::chain(6);
    let mut rates = vec![RATE; 6];
    rates[0] = 4 * RATE;
    let mut session = Session::mixed(&weave, content(8, 32), 4 * RATE, &rates, 1);
    session.run_until_share(1, 100);
    session.reset(SOURCE);
    assert!(!session.network.process(6).unwrap().is_complete());
    session.complete_within(60);
    assert_eq!(session.pulled(), 0, "{}", session.describe());
}

#[test]
fn all_complete_when_the_nodes_hold_everything_between_them() {
    let content = content(4, 32);
    let mut session = Session::flat(&Weave::braid(8, 2, 2, &[]), content, RATE, 1);
    session.reset(SOURCE);
    for node in 1..=4 {
        session.reset(node);
        let mut have = HaveMap::new();
        let first = u32::try_from(node).unwrap() - 1;
        (first..content.chunk_count).step_by(4).for_each(|index| {
            have.insert(index);
        });
        let plan = Weave::braid(8, 2, 2, &[]).part_of(node);
        let station = Station::new(node, Role::Receiver, plan, content, Some(0));
        let disk = (content.chunk_count, Some(content.chunk_count), have);
        session.network.restart(node, station.with_disk(&disk));
    }
    session.complete_within(60);
    let needed = u64::from(content.chunk_count) * 7;
    assert!(session.duplicates() * 10 < needed, "{}", session.describe());
}

#[test]
fn a_restarted_node_gets_only_what_it_lacks() {
    let weave = Weave::braid(8, 2, 2, &[]);
    let mut session = Session::flat(&weave, content(16, 32), RATE, 1);
    let dying = weave.busiest();
    session.run_until_share(dying, 90);
    let disk = session.reset(dying);
    let lacking = session.content.chunk_count - disk.core().have().count();
    let later_us = session.network.now_us() + 300_000;
    session.network.run_until(later_us);
    session.bring_back(dying, weave.part_of(dying), &disk);
    session.complete_within(60);
    let progress = session.network.process(dying).unwrap().core().progress();
    assert_eq!(progress.received_chunks, u64::from(lacking));
    assert!(
        progress.duplicate_chunks <= u64::from(lacking) / 10,
        "{progress:?}"
    );
}

#[test]
fn a_restarted_source_goes_on_where_the_nodes_stand() {
    let weave = Weave::braid(8, 2, 2, &[]);
    let mut session = Session::flat(&weave, content(16, 32), RATE, 1);
    session.run_until_share(1, 40);
    session.reset(SOURCE);
    session.network.run_until(3_000_000);
    let now_us = session.network.now_us();
    let source = Station::new(
        SOURCE,
        Role::Source,
        weave.source_part(),
        session.content,
        Some(now_us),
    );
    session.network.restart(SOURCE, source);
    session.complete_within(60);
    let chunks = u64::from(session.content.chunk_count) * 8;
    assert!(session.duplicates() * 50 < chunks, "{}", session.describe());
    let (sent_bytes, _) = session.network.carried_bytes(SOURCE);
    let content_bytes = u64::from(session.content.chunk_count) * session.content.chunk_bytes;
    assert!(
        sent_bytes < content_bytes * 5 / 4,
        "{sent_bytes} of {content_bytes} {}",
        session.describe()
    );
}

#[test]
fn who_comes_late_gets_everything_from_the_start() {
    let weave = Weave::braid(8, 2, 2, &[]);
    let mut session = Session::flat(&weave, content(16, 32), RATE, 1);
    session.run_until_share(8, 50);
    let now_us = session.network.now_us();
    let late = session.add_late(weave.part_of_late(9), now_us);
    session.complete_within(60);
    let others = (1..=8)
        .filter_map(|node| session.network.process(node)?.completed_us)
        .max();
    let ratio = session.share_of_bound(others.unwrap());
    assert!(ratio < 1.25, "the others took {ratio}");
    let progress = session.network.process(late).unwrap().core().progress();
    assert_eq!((progress.duplicate_chunks, progress.pulled_chunks), (0, 0));
    assert_eq!(session.duplicates(), 0, "{}", session.describe());
}

#[test]
fn who_comes_when_all_is_done_gets_everything_from_a_node() {
    let weave = Weave::star(3);
    let mut session = Session::flat(&weave, content(4, 32), RATE, 1);
    session.complete_within(60);
    session.reset(SOURCE);
    let plan = Plan {
        strand_count: 1,
        parents: vec![vec![peer(2)]],
        peers: vec![peer(3)],
        slow: false,
    };
    let now_us = session.network.now_us();
    session.add_late(plan, now_us);
    session.complete_within(60);
    assert_eq!(session.duplicates(), 0, "{}", session.describe());
}

#[test]
fn vouches_that_a_dead_parent_did_not_pass_on_come_from_the_next() {
    let content = Content {
        made_per_10_ms: 10,
        ..content(8, 32)
    };
    let mut session = Session::flat(&Weave::chain(4), content, RATE, 1);
    session.run_until_share(2, 50);
    session.network.kill(2, Death::Silent);
    session.complete_within(60);
}
