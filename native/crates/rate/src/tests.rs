//! Sessions in virtual time: what they may send, and who gets how much of it.

use proptest::prelude::*;

use crate::{Loan, Meter, Shares, Verdict};

const SECOND_NS: u64 = 1_000_000_000;
const MBIT: u64 = 1_000_000;

/// A session that sends chunks whenever it may, from a time on, up to a rate that its links take.
struct Sender {
    meter: Meter,
    id: u32,
    chunk_bytes: u64,
    /// What its links take: time between two chunks.
    gap_ns: u64,
    due_ns: u64,
    sent: Vec<(u64, u64)>,
}

struct Process {
    shares: Shares,
    senders: Vec<Sender>,
    loans: u64,
}

impl Process {
    fn new(rate_bps: Option<u64>) -> Self {
        let mut shares = Shares::default();
        shares.set_rate(rate_bps, 0);
        Self {
            shares,
            senders: Vec::new(),
            loans: 0,
        }
    }

    /// `link_bps` is what the session's links take: `None` is anything.
    fn add(&mut self, weight: u32, chunk_bytes: u64, link_bps: Option<u64>) -> &mut Sender {
        let gap_ns = link_bps.map_or(0, |bps| chunk_bytes * 8 * SECOND_NS / bps);
        self.senders.push(Sender {
            meter: Meter::default(),
            id: self.shares.join(weight, 0),
            chunk_bytes,
            gap_ns,
            due_ns: 0,
            sent: Vec::new(),
        });
        self.senders.last_mut().unwrap()
    }

    /// Runs until a time; `late_ns(n)` is how late the thread wakes the n-th time.
    fn run(&mut self, until_ns: u64, late_ns: impl Fn(u64) -> u64) {
        let mut wakes = 0;
        loop {
            let next = self.senders.iter_mut().min_by_key(|each| each.due_ns);
            let Some(sender) = next.filter(|each| each.due_ns < until_ns) else {
                return;
            };
            let now_ns = sender.due_ns;
            let (shares, loans, id) = (&mut self.shares, &mut self.loans, sender.id);
            let chunk = sender.chunk_bytes;
            let verdict = sender.meter.ask(chunk, now_ns, |unspent| {
                *loans += 1;
                shares.borrow(id, unspent, chunk, now_ns)
            });
            match verdict {
                Verdict::Go => {
                    sender.meter.spend(sender.chunk_bytes);
                    sender.sent.push((now_ns, sender.chunk_bytes));
                    // Even memory takes some time.
                    sender.due_ns += sender.gap_ns.max(sender.chunk_bytes / 10 + 1);
                }
                Verdict::Wait { wait_ns } => {
                    wakes += 1;
                    sender.due_ns += wait_ns + late_ns(wakes);
                }
                Verdict::Paused => sender.due_ns = until_ns,
            }
        }
    }

    fn sent_within(&self, from_ns: u64, to_ns: u64) -> u64 {
        let all = self
            .senders
            .iter()
            .map(|each| each.sent_within(from_ns, to_ns));
        all.sum()
    }
}

impl Sender {
    fn sent_within(&self, from_ns: u64, to_ns: u64) -> u64 {
        let within = self
            .sent
            .iter()
            .filter(|(at, _)| (from_ns..to_ns).contains(at));
        within.map(|(_, bytes)| bytes).sum()
    }
}

fn close_to(what: u64, wanted: u64, percent: u64, slack: u64) -> bool {
    what.abs_diff(wanted) <= wanted * percent / 100 + slack
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Over any second after the first, greedy sessions together send what the rate says, within
    /// 2 % and a chunk each; each gets its part by weight within 5 % over the whole time, and none
    /// waits for ever.
    #[test]
    fn greedy_sessions_fill_the_rate_and_share_it_by_weight(
        rate_mbit in 2_u64..2_000,
        weights in proptest::collection::vec(1_u32..=100, 1..6),
        chunk_kib in prop::sample::select(vec![16_u64, 32, 64, 256]),
        late_us in 0_u64..5_000,
        phase_ms in 0_u64..1_000,
    ) {
        let rate_bps = rate_mbit * MBIT;
        let chunk = chunk_kib << 10;
        let mut process = Process::new(Some(rate_bps));
        for weight in &weights {
            process.add(*weight, chunk, None);
        }
        // Long enough that a chunk is small beside what the least gets.
        let sum = u64::from(weights.iter().sum::<u32>());
        let least = u64::from(*weights.iter().min().unwrap());
        let chunk_ns = chunk * 8 * SECOND_NS / rate_bps;
        let seconds = (3 + 40 * chunk_ns * sum / least / SECOND_NS).min(2_000);
        process.run(seconds * SECOND_NS, |wakes| late_us * 1_000 * (wakes % 3) / 2);
        let slack = chunk * weights.len() as u64;
        for second in 1..seconds - 1 {
            let from = second * SECOND_NS + phase_ms * 1_000_000;
            let sent = process.sent_within(from, from + SECOND_NS);
            prop_assert!(close_to(sent, rate_bps / 8, 2, slack), "{sent} of {}", rate_bps / 8);
        }
        let all = process.sent_within(0, seconds * SECOND_NS);
        for (sender, weight) in process.senders.iter().zip(&weights) {
            let sent = sender.sent_within(0, seconds * SECOND_NS);
            let wanted = all * u64::from(*weight) / sum;
            prop_assert!(close_to(sent, wanted, 5, 2 * chunk), "{sent} of {wanted}");
            prop_assert!(sent > 0);
        }
    }

    /// What sessions do not use, others get: slow links and idle sessions cost the rate nothing,
    /// and who wants less than its part gets all that it wants.
    #[test]
    fn what_one_does_not_use_others_do(
        slow_share in 1_u64..40,
        idle in 0_usize..5,
        weight_slow in 1_u32..=100,
        weight_greedy in 1_u32..=100,
    ) {
        let rate_bps = 200 * MBIT;
        let part = rate_bps * u64::from(weight_slow)
            / (u64::from(weight_slow + weight_greedy) + 10 * idle as u64);
        let slow_bps = (part * slow_share / 50).max(MBIT);
        prop_assume!(slow_bps < part * 9 / 10);
        let chunk = 8 << 10;
        let mut process = Process::new(Some(rate_bps));
        process.add(weight_greedy, chunk, None);
        process.add(weight_slow, chunk, Some(slow_bps));
        for _ in 0..idle {
            process.add(10, chunk, None).due_ns = u64::MAX;
        }
        process.run(4 * SECOND_NS, |_| 500_000);
        let (from, to) = (SECOND_NS, 4 * SECOND_NS);
        let sent = process.sent_within(from, to);
        prop_assert!(close_to(sent, rate_bps / 8 * 3, 2, 2 * chunk), "{sent}");
        let slow = process.senders[1].sent_within(from, to);
        prop_assert!(close_to(slow, slow_bps / 8 * 3, 5, 2 * chunk), "{slow} of {slow_bps}");
    }

    /// Whatever happens, no more goes out in any time than the rate brings, 20 ms' worth and a
    /// chunk each.
    #[test]
    fn nothing_exceeds_the_rate_by_more_than_a_burst(
        rate_mbit in 1_u64..500,
        steps in proptest::collection::vec((0_usize..3, 0_u64..400_000, 1_u64..300_000), 1..400),
    ) {
        let rate_bps = rate_mbit * MBIT;
        let mut shares = Shares::default();
        shares.set_rate(Some(rate_bps), 0);
        let ids = [1, 10, 100].map(|weight| shares.join(weight, 0));
        let mut meters = [(); 3].map(|()| Meter::default());
        // What went out beyond the rate, as if it drained from a bucket at the rate.
        let (mut now_ns, mut beyond, mut most) = (0_u64, 0_u64, 0_u64);
        for (who, pause_us, bytes) in steps {
            // Long pauses and short ones.
            let pause_us = if pause_us % 3 == 0 { pause_us } else { pause_us / 100 };
            now_ns += pause_us * 1_000;
            beyond = beyond.saturating_sub(rate_bps / 8 * pause_us / 1_000_000);
            let borrow = |left| shares.borrow(ids[who], left, bytes, now_ns);
            let verdict = meters[who].ask(bytes, now_ns, borrow);
            if verdict == Verdict::Go {
                meters[who].spend(bytes);
                beyond += bytes;
                most = most.max(bytes);
            }
            let burst = rate_bps / 8 / 50;
            prop_assert!(beyond <= burst + 3 * most, "{beyond} beyond, {burst} is a burst");
        }
    }

    /// A session's own limit holds beside the process's, whichever is lower.
    #[test]
    fn the_lower_limit_holds(process_mbit in 4_u64..400, own_mbit in 4_u64..400) {
        let mut process = Process::new(Some(process_mbit * MBIT));
        process.add(10, 32 << 10, None).meter.set(Some(own_mbit * MBIT), false, 0);
        process.run(4 * SECOND_NS, |_| 0);
        let lower = process_mbit.min(own_mbit) * MBIT / 8;
        let sent = process.sent_within(SECOND_NS, 4 * SECOND_NS);
        prop_assert!(close_to(sent, lower * 3, 2, 64 << 10), "{sent} of {}", lower * 3);
    }
}

#[test]
fn a_low_limit_is_smooth() {
    let mut process = Process::new(Some(40 * MBIT));
    process.add(10, 32 << 10, None);
    process.run(4 * SECOND_NS, |_| 1_000_000);
    for window in 0..(3 * 50) {
        let from = SECOND_NS + window * 20_000_000;
        // 20 ms bring 100 kB; a burst is as much again at most, or a chunk.
        let sent = process.sent_within(from, from + 20_000_000);
        assert!((50_000..=200_000).contains(&sent), "{sent} in 20 ms");
    }
}

#[test]
fn who_comes_late_gets_its_part_at_once() {
    let mut process = Process::new(Some(80 * MBIT));
    process.add(10, 32 << 10, None);
    process.add(10, 32 << 10, None).due_ns = 2 * SECOND_NS;
    process.run(4 * SECOND_NS, |_| 500_000);
    let alone = process.senders[0].sent_within(SECOND_NS, 2 * SECOND_NS);
    assert!(close_to(alone, 10_000_000, 2, 32 << 10), "{alone}");
    for sender in &process.senders {
        let half = sender.sent_within(2 * SECOND_NS, 3 * SECOND_NS);
        assert!(close_to(half, 5_000_000, 5, 64 << 10), "{half}");
    }
}

#[test]
fn sessions_meet_each_few_milliseconds_and_not_for_each_chunk() {
    let mut process = Process::new(Some(4_000 * MBIT));
    process.add(10, 32 << 10, None);
    process.run(2 * SECOND_NS, |_| 0);
    let chunks = process.senders[0].sent.len() as u64;
    assert!(chunks > 25_000, "{chunks}");
    assert!(process.loans < 3_000, "{} loans", process.loans);
}

#[test]
fn a_paused_session_sends_nothing_until_it_is_told_to() {
    let mut meter = Meter::default();
    assert!(meter.is_free());
    meter.set(None, true, 0);
    assert!(!meter.is_free());
    assert_eq!(meter.ask(9, 1, |_| Loan::Unlimited), Verdict::Paused);
    meter.set(None, false, 2);
    assert_eq!(meter.ask(9, 3, |_| Loan::Unlimited), Verdict::Go);
    assert!(meter.is_free());
}

#[test]
fn a_limit_that_changes_or_ends_takes_no_debt_along() {
    let mut shares = Shares::default();
    let id = shares.join(10, 0);
    assert_eq!(shares.borrow(id, 0, 1 << 40, 1), Loan::Unlimited);
    shares.set_rate(Some(80 * MBIT), 2);
    assert!(matches!(shares.borrow(id, 0, 9, 2), Loan::Wait { wait_ns } if wait_ns <= 3_000_000));
    assert_eq!(
        shares.borrow(id, 0, 1 << 40, 10_000_002),
        Loan::Bytes(1 << 40)
    );
    assert!(matches!(
        shares.borrow(id, 0, 9, 20_000_002),
        Loan::Wait { .. }
    ));
    shares.set_rate(Some(8 * MBIT), 20_000_003);
    assert!(matches!(
        shares.borrow(id, 0, 9, 30_000_003),
        Loan::Bytes(_)
    ));
    shares.set_rate(None, 30_000_004);
    assert_eq!(shares.borrow(id, 0, 9, 30_000_005), Loan::Unlimited);
}

#[test]
fn a_member_that_left_holds_nothing_back() {
    let mut process = Process::new(Some(80 * MBIT));
    process.add(10, 32 << 10, None);
    let gone = process.shares.join(100, 0);
    process.shares.leave(gone, 0);
    assert!(matches!(
        process.shares.borrow(gone, 0, 9, 1),
        Loan::Wait { .. }
    ));
    process.run(3 * SECOND_NS, |_| 0);
    let sent = process.sent_within(SECOND_NS, 3 * SECOND_NS);
    assert!(close_to(sent, 20_000_000, 2, 32 << 10), "{sent}");
}
