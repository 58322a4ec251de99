//! Random inputs: they never break the core, and the same ones give the same actions.

use std::ops::Range;

use proptest::prelude::*;
use wire::limits::STRAND_PULLED;
use wire::peer::{Message, Refusal};

use super::{CHUNKS, attach, core, id, peer, status};
use crate::limits::{NEWS_MAX, PULL_CHUNKS, PULL_LINKS_MAX, PULL_QUEUE_MAX};
use crate::{Core, LinkId, Peer, Plan, Role};

fn any_ranges() -> impl Strategy<Value = Vec<Range<u32>>> {
    prop::collection::vec(
        (0..CHUNKS + 9, 0..12_u32).prop_map(|(at, len)| at..at + len),
        0..6,
    )
}

fn any_message() -> impl Strategy<Value = Message> {
    let strand = prop_oneof![0..4_u8, Just(STRAND_PULLED), any::<u8>()];
    let reason = prop_oneof![
        Just(Refusal::UnknownAssignment),
        Just(Refusal::Full),
        Just(Refusal::Circle),
        Just(Refusal::NotHeld),
        Just(Refusal::Closing),
    ];
    let said = (
        0..CHUNKS + 5,
        0..40_u32,
        prop::collection::vec(0..CHUNKS, 0..5),
    );
    prop_oneof![
        (strand.clone(), any_ranges()).prop_map(|(strand, have)| attach(strand, &have)),
        Just(Message::Talk),
        strand.clone().prop_map(|strand| Message::Detach { strand }),
        (strand, reason).prop_map(|(strand, reason)| Message::Refuse {
            strand,
            reason,
            text: String::new()
        }),
        any_ranges().prop_map(|ranges| Message::Pull { ranges }),
        any_ranges().prop_map(|ranges| Message::Have { ranges }),
        said.prop_map(|(have, backlog, logs)| status(have, backlog, &logs)),
    ]
}

#[derive(Debug, Clone)]
enum Input {
    Up(LinkId, u8, bool),
    Down(LinkId),
    Fails(u8),
    Hears(LinkId, Message),
    Chunk(LinkId, u8, u32),
    Receives(LinkId, u8),
    Corrupt(LinkId),
    Next(LinkId),
    Vouched(u32, bool),
    Produced(u32),
    Plan(u8, Vec<u8>),
    Passes(u64),
}

fn any_input() -> impl Strategy<Value = Input> {
    let link = 0..6_u32;
    let strand = prop_oneof![0..4_u8, Just(STRAND_PULLED)];
    prop_oneof![
        2 => (link.clone(), 0..10_u8, any::<bool>()).prop_map(|(l, n, o)| Input::Up(l, n, o)),
        1 => link.clone().prop_map(Input::Down),
        1 => (0..10_u8).prop_map(Input::Fails),
        6 => (link.clone(), any_message()).prop_map(|(l, m)| Input::Hears(l, m)),
        6 => (link.clone(), strand.clone(), 0..CHUNKS + 3)
            .prop_map(|(l, s, i)| Input::Chunk(l, s, i)),
        1 => (link.clone(), strand).prop_map(|(l, s)| Input::Receives(l, s)),
        1 => link.clone().prop_map(Input::Corrupt),
        6 => link.prop_map(Input::Next),
        1 => (0..=CHUNKS, any::<bool>()).prop_map(|(known, end)| Input::Vouched(known, end)),
        1 => (0..CHUNKS + 3).prop_map(Input::Produced),
        1 => (0..5_u8, prop::collection::vec(0..10_u8, 0..5))
            .prop_map(|(strands, nodes)| Input::Plan(strands, nodes)),
        3 => (1..700_u64).prop_map(Input::Passes),
    ]
}

fn feed(core: &mut Core, input: Input, now_ms: &mut u64) {
    let now = *now_ms;
    match input {
        Input::Up(link, node, true) => core.outgoing_up(link, id(node), now),
        Input::Up(link, node, false) => core.incoming_up(link, id(node), now),
        Input::Down(link) => core.link_down(link, now),
        Input::Fails(node) => core.connect_failed(id(node), now),
        Input::Hears(link, message) => drop(core.on_message(link, &message, now)),
        Input::Chunk(link, strand, index) => drop(core.on_chunk(link, strand, index, now)),
        Input::Receives(link, strand) => {
            core.receiving(link, strand, usize::from(strand) << (now % 16), now);
        }
        Input::Corrupt(link) => core.corrupt(link, now),
        Input::Next(link) => {
            if let Some((index, _)) = core.next_for(link, now) {
                assert!(core.has(index), "it gives what it does not have");
                core.sent(link, index, now);
            }
        }
        Input::Vouched(known, end) => core.vouched(known, end.then_some(CHUNKS), now),
        Input::Produced(count) => core.produced(count),
        Input::Plan(strand_count, nodes) => {
            let line: Vec<Peer> = nodes.iter().map(|node| peer(*node)).collect();
            let parents = vec![line.clone(); usize::from(strand_count)];
            core.set_plan(
                Plan {
                    strand_count,
                    parents,
                    peers: line,
                    slow: strand_count % 2 == 0,
                },
                now,
            );
        }
        Input::Passes(ms) => {
            *now_ms += ms;
            core.tick(*now_ms);
        }
    }
}

fn check_bounds(core: &mut Core) -> Result<(), TestCaseError> {
    let logged: usize = core.strands.iter().map(|strand| strand.log.len()).sum();
    prop_assert!(logged <= core.have.count() as usize);
    prop_assert!(core.have.count() <= core.vouched);
    prop_assert!(core.asked.len() <= (PULL_LINKS_MAX + 6) * PULL_CHUNKS);
    prop_assert!(core.news.len() <= NEWS_MAX);
    prop_assert!(core.dials.len() <= 16 && core.shuns.len() <= 16);
    prop_assert!(core.late.len() <= 6 && core.ready.len() <= 32);
    for (_, link) in core.links.iter() {
        prop_assert!(link.pull_queue.len() <= PULL_QUEUE_MAX);
        prop_assert!(link.feeds.len() <= core.strands.len());
        for feed in &link.feeds {
            let log = &core.strands[usize::from(feed.strand)].log;
            prop_assert!(feed.cursor <= log.len());
        }
    }
    for strand in &core.strands {
        prop_assert!(
            strand
                .children
                .iter()
                .all(|child| core.links.get(*child).is_some())
        );
        prop_assert!(
            strand
                .parent()
                .is_none_or(|parent| core.links.get(parent).is_some())
        );
    }
    prop_assert!(core.take_actions().len() < 200);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_input_breaks_it(
        is_source in any::<bool>(),
        inputs in prop::collection::vec(any_input(), 0..150),
    ) {
        let role = if is_source { Role::Source } else { Role::Receiver };
        let mut core = core(role, &[&[1, 2], &[2, 3]], &[4, 5, 6]);
        let mut now_ms = 0;
        for input in inputs {
            feed(&mut core, input, &mut now_ms);
            check_bounds(&mut core)?;
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_actions(
        inputs in prop::collection::vec(any_input(), 0..60),
    ) {
        let run = || {
            let mut core = core(Role::Receiver, &[&[1, 2], &[2, 3]], &[4, 5, 6]);
            let mut now_ms = 0;
            let mut actions = Vec::new();
            for input in inputs.clone() {
                feed(&mut core, input, &mut now_ms);
                actions.extend(core.take_actions());
            }
            actions
        };
        prop_assert_eq!(run(), run());
    }
}
