//! Limits of what is sent: of the process, of a session, and pauses.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Instant;

use relay::{Pace, Relay, Session};
use support::{Content, open_relay, peer, plan, until};

const MIB: usize = 1 << 20;
const MBIT: u64 = 1_000_000;

/// Sources of one relay, and who fetches from them.
struct Spread {
    content: Content,
    source: Arc<Session>,
    children: Vec<(Relay, Arc<Session>, String)>,
}

impl Spread {
    /// Children fetch from the source alone.
    fn open(relay: &Relay, name: &str, length: usize, pace: Pace, count: u8) -> Self {
        let content = Content::new(name, length, 64);
        let mut spec = content.source_spec(1);
        spec.pace = pace;
        let source = relay.open_source(spec).unwrap();
        let children = (2..2 + count).map(|number| {
            let own = open_relay(number);
            let file = format!("child-{number}");
            let from = plan(&[peer(1, relay.address())]);
            let session = content.open_receiver(&own, &file, from);
            (own, session, file)
        });
        let children = children.collect();
        Self {
            content,
            source,
            children,
        }
    }

    fn sent(&self) -> u64 {
        self.source.status().bytes_sent
    }

    fn completes(&self) {
        for (_, session, file) in &self.children {
            self.content.completes(session, file);
        }
    }
}

fn weight(weight: u32) -> Pace {
    Pace {
        weight,
        ..Pace::default()
    }
}

fn paused(is_paused: bool) -> Pace {
    Pace {
        is_paused,
        ..Pace::default()
    }
}

/// What a rate has brought since then.
fn brought(rate_bps: u64, begun: Instant) -> u64 {
    rate_bps / 8 * u64::try_from(begun.elapsed().as_millis()).unwrap() / 1000
}

#[test]
fn sessions_share_the_limit_of_the_process_by_weight_and_use_what_others_leave() {
    let relay = open_relay(1);
    relay.set_rate(Some(200 * MBIT));
    assert_eq!(relay.rate_bps(), Some(200 * MBIT));
    let light = Spread::open(&relay, "light", 16 * MIB, weight(1), 3);
    let heavy = Spread::open(&relay, "heavy", 24 * MIB, weight(3), 3);
    let begun = Instant::now();
    light.content.vouch_all(&light.source);
    heavy.content.vouch_all(&heavy.source);
    let sent = || (light.sent(), heavy.sent());
    until("both are under way", || {
        light.sent() > 0 && heavy.sent() > 8 << 20
    });
    let before = sent();
    until("a good part is sent", || heavy.sent() > 64 << 20);
    let after = sent();
    let percent = 100 * (after.1 - before.1) / (after.0 - before.0);
    assert!((270..=330).contains(&percent), "{percent}");
    // Alone, the light one has all of it: nobody counts the time, but the sum is what was allowed.
    light.completes();
    heavy.completes();
    let brought = brought(200 * MBIT, begun);
    let all = light.sent() + heavy.sent();
    assert!(all <= brought + 2_000_000, "{all} of {brought}");
}

#[test]
fn a_limit_holds_for_all_links_together_and_all_get_on() {
    let relay = open_relay(1);
    let own = Pace {
        rate_bps: Some(80 * MBIT),
        ..Pace::default()
    };
    let spread = Spread::open(&relay, "own", MIB, own, 8);
    let begun = Instant::now();
    spread.content.vouch_all(&spread.source);
    until("half is sent", || {
        let brought = brought(80 * MBIT, begun);
        let sent = spread.sent();
        // What comes at once: 20 ms' worth, and a chunk.
        assert!(sent <= brought + 300_000, "{sent} of {brought}");
        sent > 4 << 20
    });
    let least = spread
        .children
        .iter()
        .map(|(_, session, _)| session.status().bytes_received);
    assert!(least.min().unwrap() > 256 << 10, "somebody is left behind");
    spread.completes();
}

#[test]
fn a_paused_session_begins_nothing_while_others_go_on_and_loses_nothing() {
    let relay = open_relay(1);
    let held = Spread::open(&relay, "held", 4 * MIB, paused(true), 2);
    held.content.vouch_all(&held.source);
    until("its children are there", || {
        held.children
            .iter()
            .all(|(_, session, _)| !session.status().parents.is_empty())
    });
    let free = Spread::open(&relay, "free", 4 * MIB, Pace::default(), 2);
    free.content.vouch_all(&free.source);
    free.completes();
    assert_eq!(held.sent(), 0);
    held.source.set_pace(paused(false));
    held.completes();
    until("all is counted", || held.sent() >= 8 << 20);
    assert_eq!(held.sent(), 8 << 20);
}

#[test]
fn a_session_that_is_paused_in_its_midst_stops_within_a_moment() {
    let relay = open_relay(1);
    relay.set_rate(Some(80 * MBIT));
    let spread = Spread::open(&relay, "midst", 2 * MIB, Pace::default(), 2);
    spread.content.vouch_all(&spread.source);
    until("some is sent", || spread.sent() > 512 << 10);
    spread.source.set_pace(paused(true));
    // The note is read before the figures are told next; what is sent after is a chunk a link.
    let noticed = spread.sent();
    let other = Spread::open(&relay, "other", 2 * MIB, Pace::default(), 1);
    other.content.vouch_all(&other.source);
    other.completes();
    let since = spread.sent() - noticed;
    // 50 ms between figures at 10 MB/s, and what each socket was about to take.
    assert!(since < 1 << 20, "{since}");
    spread.source.set_pace(Pace::default());
    spread.completes();
}

#[test]
fn a_limit_that_is_lifted_lets_go_at_once() {
    let relay = open_relay(1);
    relay.set_rate(Some(MBIT / 10));
    let spread = Spread::open(&relay, "lifted", 8 * MIB, Pace::default(), 2);
    spread.content.vouch_all(&spread.source);
    until("something is sent", || spread.sent() > 0);
    relay.set_rate(None);
    spread.completes();
    // At the old rate it would have taken 20 minutes.
    relay.set_rate(Some(MBIT));
    assert_eq!(relay.rate_bps(), Some(MBIT));
}
