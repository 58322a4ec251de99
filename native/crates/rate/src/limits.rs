//! Spans that pacing works in, each with its reason.

/// What a session did not use of its own limit this long may be caught up with: a thread that
/// wakes a bit late loses nothing, and nobody sees a burst.
pub(crate) const BURST_NS: u64 = 20_000_000;
/// The same of a member's part of a shared rate. With the pot, and what is lent, it is no more.
pub(crate) const PART_BURST_NS: u64 = 8_000_000;
/// What nobody had room for is kept for whoever asks, as time at the whole rate.
pub(crate) const POT_NS: u64 = 4_000_000;
/// Least that is lent at once, as time at the borrower's part: about 500 loans a second.
pub(crate) const LOAN_NS_MIN: u64 = 2_000_000;
/// Most that is lent at once, as time at the whole rate: what a slow borrower holds is no loss.
pub(crate) const LOAN_NS_MAX: u64 = 2_000_000;
/// A loan that is not spent by then is given back, so that others have the use of it.
pub(crate) const LOAN_AGE_NS: u64 = 10_000_000;
/// Longest wait that is told: others may stop using their part at any time.
pub(crate) const WAIT_NS_MAX: u64 = 50_000_000;
/// Shortest: sleeping less costs more than it is worth.
pub(crate) const WAIT_NS_MIN: u64 = 1_000_000;
/// Fewest arrivals of a train, without its beginning, that say anything: two pairs.
pub(crate) const ARRIVALS_MIN: usize = 4;
/// Highest rate that is told, ten thousand times that of the fastest link there is: what is beyond
/// was measured by a clock that stood still.
pub(crate) const RATE_BPS_MAX: u64 = 1 << 52;
/// What saw a link for longer counts no more: by then it has seen all that there is to see.
pub(crate) const SPAN_COUNTED_NS_MAX: u64 = 10_000_000_000;
/// After this time a measurement counts a quarter of what it did, after nine times that a
/// hundredth: others' traffic on a link is rarely the same after some minutes.
pub(crate) const QUARTER_TRUST_NS: u64 = 60_000_000_000;
/// What was measured longer ago is stale: links of servers change within hours, not within
/// minutes, and a job that sends for longer than this measures them itself.
pub(crate) const FRESH_NS: u64 = 600_000_000_000;
