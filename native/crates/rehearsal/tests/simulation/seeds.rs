//! Whatever the topology, the rates, the deaths, the restarts and the late: all living nodes
//! complete as long as the source lives, or all is out when it dies.

use simnet::{Death, NodeIndex, Random};

use crate::plans::{SOURCE, Weave};
use crate::run::{MEGABIT, Session};
use rehearsal::{Content, Station};

const SEEDS: u64 = 200;
const LIMIT_S: u64 = 300;

fn weave_by(random: &mut Random, receivers: usize) -> Weave {
    match random.below(6) {
        0 => Weave::star(receivers),
        1 => Weave::chain(receivers),
        2 => Weave::tree(receivers, 1 + below(random, 4)),
        3 => Weave::braid(receivers, 4, 4, &[]),
        _ => Weave::braid(receivers, 2, 2, &[]),
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap()
}

fn session_by(random: &mut Random, weave: &Weave, seed: u64) -> Session {
    let receivers = weave.strands[0].len();
    let content = Content {
        chunk_count: 1 + u32::try_from(random.below(120)).unwrap(),
        chunk_bytes: 32 * 1024,
        made_per_10_ms: u32::try_from(random.below(4)).unwrap(),
    };
    let rates: Vec<u64> = (0..receivers)
        .map(|_| (20 + random.below(100)) * MEGABIT)
        .collect();
    Session::mixed(weave, content, 100 * MEGABIT, &rates, seed)
}

struct Fate {
    at_us: u64,
    node: NodeIndex,
    what: u64,
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let receivers = 1 + below(&mut random, 16);
    let weave = weave_by(&mut random, receivers);
    let mut session = session_by(&mut random, &weave, seed);
    let mut fates: Vec<Fate> = (0..random.below(8))
        .map(|_| Fate {
            at_us: random.below(1_500_000),
            node: 1 + below(&mut random, receivers),
            what: random.below(5),
        })
        .collect();
    fates.sort_by_key(|fate| fate.at_us);
    let adopters = random.chance(50);
    let part = |weave: &Weave, node| {
        if adopters {
            weave.part_with_adopters(node)
        } else {
            weave.part_of(node)
        }
    };
    for node in 1..=receivers {
        let plan = part(&weave, node);
        session
            .network
            .order(node, |station, io| station.set_plan(plan, io));
    }
    let mut disks: Vec<(NodeIndex, Station)> = Vec::new();
    for Fate { at_us, node, what } in fates {
        session.network.run_until(at_us);
        match what {
            0 | 1 => {
                let death = if what == 0 {
                    Death::Reset
                } else {
                    Death::Silent
                };
                disks.extend(
                    session
                        .network
                        .kill(node, death)
                        .map(|station| (node, station)),
                );
            }
            2 => {
                if let Some((node, disk)) = disks.pop() {
                    session.bring_back(node, part(&weave, node), &disk);
                }
            }
            3 => {
                let late = session.receivers().count() + 1;
                session.add_late(weave.part_of_late(late), at_us + random.below(500_000));
            }
            _ => {
                let other = weave_by(&mut random, receivers);
                let plan = part(&other, node);
                session
                    .network
                    .order(node, |station, io| station.set_plan(plan, io));
            }
        }
    }
    let held = |(node, station): (NodeIndex, &Station)| node <= receivers && station.is_complete();
    if random.chance(30) && session.living().any(held) {
        session.reset(SOURCE);
    }
    session.complete_within(LIMIT_S);
    let faults: u32 = session.living().map(|(_, station)| station.faults).sum();
    assert_eq!(faults, 0, "{}", session.describe());
}

fn run_all(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn all_living_nodes_complete_for_every_seed() {
    run_all(0..SEEDS);
}

#[test]
#[ignore = "takes minutes; run it with --release"]
fn all_living_nodes_complete_for_many_more_seeds() {
    run_all(SEEDS..5_000);
}
