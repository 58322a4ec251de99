//! What a link can carry, of what was measured of it: by short trains, by bulk transfers, and by
//! what transfers showed by the way.
//!
//! *Trains.* Bytes sent back to back are spread out by the narrowest link on their way, and how
//! far apart they arrive tells its rate: C. Dovrolis, P. Ramanathan and D. Moore, "What do packet
//! dispersion techniques measure?", INFOCOM 2001, and "Packet-dispersion techniques and a
//! capacity-estimation methodology", IEEE/ACM Transactions on Networking 12 (6), 2004 (the tool
//! `pathrate`). Pairs and short trains find the link's capacity, beside which other traffic goes
//! unseen; the longer a train, the nearer its rate comes to what this other traffic leaves, and
//! that is what a transfer would get. So trains here are as long as their time allows.
//!
//! *What is seen of a train* is how many bytes had arrived by when. Systems hand bytes over in
//! batches and wake readers late, so one gap says nothing: arrivals that come together count as
//! one, by the last of them, by which all of their bytes are there; and the rate is the median of
//! the slopes over half of the train, which one late wake-up cannot move.
//!
//! *How it begins* is left out: TCP starts slowly, and a limited sender may have saved up some
//! milliseconds' worth. It ends where an eighth of the train comes at the rate of its second half.

use std::cmp::Reverse;

use crate::limits::{ARRIVALS_MIN, FRESH_NS, QUARTER_TRUST_NS, RATE_BPS_MAX, SPAN_COUNTED_NS_MAX};

/// How a rate was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By a short train of bytes, sent for this alone.
    Train,
    /// By many bytes, sent for this alone.
    Bulk,
    /// By what transfers sent anyway.
    Passive,
}

/// So many bytes had arrived by a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Since the first.
    pub bytes: u64,
    /// By the receiver's clock, whatever its zero is.
    pub at_ns: u64,
}

/// A rate, and how long it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Bits per second, at least 1.
    pub rate_bps: u64,
    /// Without the beginning.
    pub span_ns: u64,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// How it was made.
    pub how: How,
    /// What came of it.
    pub seen: Seen,
    /// When it was over.
    pub at_ns: u64,
}

/// What several measurements say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Bits per second.
    pub rate_bps: u64,
    /// Of the newest measurement.
    pub age_ns: u64,
    /// Of the measurement that counts most.
    pub how: How,
    /// All of it is too old to be relied on: measure again, or take it for a hint.
    pub is_stale: bool,
}

/// The rate of a train or a bulk transfer, as its receiver saw it. Arrivals that go back in time
/// or in bytes are left out.
///
/// None: too little came to say anything.
pub fn rate_of(arrivals: &[Arrival]) -> Option<Seen> {
    let all = ascending(arrivals);
    let points = coalesced(&all);
    let settled = points.get(settled_from(&points)..)?;
    if settled.len() < ARRIVALS_MIN {
        return rate_of_whole(&all);
    }
    let half = settled.len() / 2;
    let pairs = settled.iter().zip(settled.iter().skip(half));
    let mut slopes: Vec<u64> = pairs
        .filter_map(|(from, to)| slope_bps(*from, *to))
        .collect();
    slopes.sort_unstable();
    let rate_bps = *slopes.get(slopes.len() / 2)?;
    let span_ns = settled.last()?.at_ns - settled.first()?.at_ns;
    Some(Seen { rate_bps, span_ns })
}

/// Where a reader was woken too seldom to see how bytes came, how long all of them took is what is
/// left to tell.
fn rate_of_whole(arrivals: &[Arrival]) -> Option<Seen> {
    let (first, last) = (arrivals.first()?, arrivals.last()?);
    if arrivals.len() < ARRIVALS_MIN {
        return None;
    }
    let rate_bps = slope_bps(*first, *last)?;
    let span_ns = last.at_ns - first.at_ns;
    Some(Seen { rate_bps, span_ns })
}

/// The rate at which a sender got rid of so many bytes while it had something to send, as systems
/// count it for each connection.
///
/// None: it had nothing to send.
pub fn rate_of_count(bytes: u64, busy_ns: u64) -> Option<Seen> {
    let from = Arrival { bytes: 0, at_ns: 0 };
    let to = Arrival {
        bytes,
        at_ns: busy_ns,
    };
    let rate_bps = slope_bps(from, to)?;
    let span_ns = busy_ns;
    Some(Seen { rate_bps, span_ns })
}

/// What measurements of one link say together: each counts by how long it saw the link, and the
/// less the older it is. None: there is none.
pub fn estimate_of(now_ns: u64, measures: &[Measure]) -> Option<Estimate> {
    let age_of = |measure: &Measure| now_ns.saturating_sub(measure.at_ns);
    let age_ns = measures.iter().map(age_of).min()?;
    let counted = |measure: &Measure| weight_of(measure.seen.span_ns, age_of(measure));
    let weights: u128 = measures.iter().map(counted).sum();
    let weighted: u128 = measures
        .iter()
        .map(|each| counted(each) * u128::from(each.seen.rate_bps.min(RATE_BPS_MAX)))
        .sum();
    let how = measures
        .iter()
        .max_by_key(|each| (counted(each), Reverse(age_of(each))))?
        .how;
    Some(Estimate {
        rate_bps: u64::try_from(weighted / weights.max(1))
            .unwrap_or(RATE_BPS_MAX)
            .max(1),
        age_ns,
        how,
        is_stale: age_ns > FRESH_NS,
    })
}

/// At least 1, so that what is as old as can be still says something where there is nothing else.
fn weight_of(span_ns: u64, age_ns: u64) -> u128 {
    let span = u128::from(span_ns.clamp(1, SPAN_COUNTED_NS_MAX));
    let (halves, age) = (u128::from(QUARTER_TRUST_NS), u128::from(age_ns));
    let trust = |weight: u128| weight * halves / (halves + age);
    // Twice, so that what is ten times as old as the newest counts a hundredth.
    trust(trust(span << 20)).max(1)
}

fn ascending(arrivals: &[Arrival]) -> Vec<Arrival> {
    let mut kept: Vec<Arrival> = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let is_next = |last: &Arrival| arrival.bytes > last.bytes && arrival.at_ns >= last.at_ns;
        if kept.last().is_none_or(is_next) {
            kept.push(*arrival);
        }
    }
    kept
}

/// Arrivals that come within an eighth of the mean gap are one: the last of them.
fn coalesced(arrivals: &[Arrival]) -> Vec<Arrival> {
    let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else {
        return Vec::new();
    };
    let mean_ns = (last.at_ns - first.at_ns) / arrivals.len() as u64;
    let mut kept: Vec<Arrival> = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        match kept.last_mut() {
            Some(last) if arrival.at_ns - last.at_ns <= mean_ns / 8 => *last = *arrival,
            _ => kept.push(*arrival),
        }
    }
    kept
}

/// Where the beginning is over: the first eighth that comes nearly at the rate of the second half.
fn settled_from(points: &[Arrival]) -> usize {
    let (middle, eighth) = (points.len() / 2, points.len().div_ceil(8));
    let rate = |from: usize, to: usize| slope_bps(*points.get(from)?, *points.get(to)?);
    let Some(later) = rate(middle, points.len().saturating_sub(1)) else {
        return 0;
    };
    let is_near = |from: &usize| {
        let here = rate(*from, *from + eighth).unwrap_or(0);
        here >= later / 4 * 3 && here <= later.saturating_mul(4) / 3
    };
    (1..middle).find(is_near).unwrap_or(middle)
}

/// Bits per second between two arrivals; none where no time or nothing came between them.
fn slope_bps(from: Arrival, to: Arrival) -> Option<u64> {
    let bytes = to
        .bytes
        .checked_sub(from.bytes)
        .filter(|bytes| *bytes > 0)?;
    let span_ns = to.at_ns.checked_sub(from.at_ns).filter(|span| *span > 0)?;
    let rate = u128::from(bytes) * 8_000_000_000 / u128::from(span_ns);
    Some(
        u64::try_from(rate)
            .unwrap_or(RATE_BPS_MAX)
            .clamp(1, RATE_BPS_MAX),
    )
}

#[cfg(test)]
mod tests;
