//! How long it takes when nothing goes wrong, and that nothing is sent twice.

use simnet::Rates;

use crate::plans::{SOURCE, Weave};
use crate::run::{MEGABIT, Session, content};
use rehearsal::Content;

const RATE: u64 = 100 * MEGABIT;

fn steady(weave: &Weave, content: Content) -> Session {
    let mut session = Session::flat(weave, content, RATE, 1);
    session.complete_within(600);
    assert_eq!(session.duplicates(), 0, "{}", session.describe());
    assert_eq!(session.pulled(), 0, "{}", session.describe());
    session
}

fn makespan_of(weave: &Weave, content: Content) -> f64 {
    steady(weave, content).makespan()
}

#[test]
fn strands_to_8_take_little_more_than_one_copy() {
    let ratio = makespan_of(&Weave::braid(8, 2, 2, &[]), content(16, 32));
    assert!(ratio < 1.06, "{ratio}");
}

#[test]
fn strands_to_16_take_little_more_than_one_copy() {
    let ratio = makespan_of(&Weave::braid(16, 2, 2, &[]), content(16, 32));
    assert!(ratio < 1.07, "{ratio}");
}

#[test]
fn strands_to_64_take_little_more_than_one_copy() {
    let ratio = makespan_of(&Weave::braid(64, 2, 2, &[]), content(8, 32));
    assert!(ratio < 1.15, "{ratio}");
}

#[test]
fn four_strands_to_16_take_little_more_than_one_copy() {
    let ratio = makespan_of(&Weave::braid(16, 4, 4, &[]), content(16, 32));
    assert!(ratio < 1.12, "{ratio}");
}

#[test]
fn a_chain_takes_one_copy_and_a_chunk_for_each_hop() {
    let ratio = makespan_of(&Weave::chain(8), content(16, 32));
    assert!(ratio < 1.06, "{ratio}");
}

#[test]
fn a_binary_tree_takes_two_copies() {
    let ratio = makespan_of(&Weave::tree(8, 2), content(8, 32));
    assert!((2.0..2.15).contains(&ratio), "{ratio}");
}

#[test]
fn a_star_takes_a_copy_for_each_and_serves_all_alike() {
    let session = steady(&Weave::star(5), content(4, 32));
    assert!(
        (5.0..5.1).contains(&session.makespan()),
        "{}",
        session.makespan()
    );
    let times = session
        .living()
        .filter_map(|(_, station)| station.completed_us);
    let first_us = times.min().unwrap();
    assert!(session.share_of_bound(first_us) > 4.9);
}

#[test]
fn one_receiver_is_served_by_all_strands_of_the_source() {
    let ratio = makespan_of(&Weave::braid(1, 2, 2, &[]), content(4, 32));
    assert!(ratio < 1.05, "{ratio}");
}

#[test]
fn the_source_sends_each_chunk_once() {
    let session = steady(&Weave::braid(8, 2, 2, &[]), content(16, 32));
    let (sent_bytes, _) = session.network.carried_bytes(SOURCE);
    let content_bytes = u64::from(session.content.chunk_count) * session.content.chunk_bytes;
    assert!(
        sent_bytes < content_bytes * 102 / 100,
        "{sent_bytes} of {content_bytes}"
    );
}

#[test]
fn a_slow_node_does_not_hold_the_others() {
    let slow = 5;
    let mut rates = vec![RATE; 8];
    rates[slow - 1] = RATE / 5;
    let weave = Weave::braid(8, 2, 2, &[slow]);
    let mut session = Session::mixed(&weave, content(32, 32), RATE, &rates, 1);
    session.complete_within(600);
    let mut times: Vec<(u64, usize)> = session
        .living()
        .map(|(node, station)| (station.completed_us.unwrap(), node))
        .collect();
    times.sort_unstable();
    let (last_us, last) = times.pop().unwrap();
    assert_eq!(last, slow);
    let others = session.share_of_bound(times.pop().unwrap().0);
    let own = session.share_of_bound(last_us) / 5.0;
    assert!(
        others < 1.35,
        "others {others}, the slow one {own} of its own bound"
    );
    assert!(
        own < 1.15,
        "others {others}, the slow one {own} of its own bound"
    );
}

#[test]
fn at_a_fast_rate_a_slower_relay_sets_the_pace_and_no_less() {
    let (fast_bps, share) = (100 * RATE, 90);
    let weave = Weave::braid(8, 2, 2, &[]);
    let mut session = Session::flat(&weave, content(256, 256), fast_bps, 1);
    let rates = Rates {
        up_bps: fast_bps * share / 100,
        down_bps: fast_bps,
    };
    session.network.set_rates(weave.busiest(), rates);
    session.complete_within(60);
    assert!(session.makespan() < 1.20, "{}", session.makespan());
}

#[test]
fn chunks_leave_while_later_ones_are_still_made() {
    let made_per_10_ms = 2;
    let content = Content {
        made_per_10_ms,
        ..content(16, 32)
    };
    let session = steady(&Weave::braid(8, 2, 2, &[]), content);
    let made_us = u64::from(content.chunk_count / made_per_10_ms) * 10_000;
    let last_us = session
        .living()
        .filter_map(|(_, station)| station.completed_us)
        .max();
    assert!(
        last_us.unwrap() < made_us + 300_000,
        "{last_us:?} of {made_us}"
    );
}

#[test]
fn a_pause_of_the_source_is_no_reason_to_pull() {
    let content = Content {
        made_per_10_ms: 1,
        ..content(1, 32)
    };
    let mut session = Session::flat(&Weave::braid(8, 2, 2, &[]), content, RATE, 3);
    session.network.run_until(150_000);
    session
        .network
        .order(SOURCE, |station, _| station.pause(8_000_000));
    session.complete_within(60);
    assert_eq!(
        session.pulled() + session.duplicates(),
        0,
        "{}",
        session.describe()
    );
}

#[test]
fn a_pause_of_the_network_is_no_reason_to_pull() {
    let mut session = Session::flat(&Weave::braid(8, 2, 2, &[]), content(16, 32), RATE, 1);
    session.run_until_share(8, 50);
    session
        .network
        .set_rates(SOURCE, Rates::symmetric(MEGABIT / 10));
    let now_us = session.network.now_us();
    session.network.run_until(now_us + 2_500_000);
    session.network.set_rates(SOURCE, Rates::symmetric(RATE));
    session.complete_within(60);
    assert_eq!(
        session.pulled() + session.duplicates(),
        0,
        "{}",
        session.describe()
    );
}

#[test]
#[ignore = "prints the table of makespans; run it with --release"]
#[allow(clippy::print_stdout)]
fn table_of_makespans() {
    let sizes = [8, 16, 64, 256];
    println!("| × size/rate, 100 Mbit/s, 128 MiB, 32 KiB | {sizes:?} |");
    let row = |name: &str, weave: &dyn Fn(usize) -> Weave, content: Content| {
        let cell = |size: &usize| format!("{:.3}", makespan_of(&weave(*size), content));
        let cells: Vec<String> = sizes.iter().map(cell).collect();
        println!("| {name} | {} |", cells.join(" | "));
    };
    let whole = content(128, 32);
    row("chain", &Weave::chain, whole);
    row("binary tree", &|n| Weave::tree(n, 2), whole);
    row("2×2", &|n| Weave::braid(n, 2, 2, &[]), whole);
    row("4×4", &|n| Weave::braid(n, 4, 4, &[]), whole);
    row("8×8", &|n| Weave::braid(n, 8, 8, &[]), whole);
    row(
        "2×2, 256 KiB",
        &|n| Weave::braid(n, 2, 2, &[]),
        content(128, 256),
    );
}
