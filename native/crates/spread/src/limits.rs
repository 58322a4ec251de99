//! Bounds and times of the core, each with its reason. What peers must agree on is in
//! `wire::limits`. Times are milliseconds, counts are chunks unless they say otherwise.

/// Pace at which [`crate::Core::tick`] wants to be called, and at which backlogs travel up.
pub const TICK_MS: u64 = TICK_SPAN_MS as u64;
pub(crate) const TICK_SPAN_MS: u32 = 50;
/// Shortest time between two looks at whether a parent must hear of a backlog before the tick.
pub const PULSE_MS: u64 = 4;
/// Longest silence between two STATUS on a link, so that the other end knows we live.
pub const HEARTBEAT_MS: u64 = 1_000;
/// Shortest time between two STATUS to a child: it needs them for repair, not for pace.
pub const STATUS_DOWN_MS: u64 = 200;
/// A parent that says nothing for three heartbeats is dead.
pub const SILENCE_MS: u64 = 3_000;
/// A child that says nothing this long is cut off. Longer than `SILENCE_MS`: it costs us little.
pub const CHILD_SILENCE_MS: u64 = 15_000;
/// A parent that says it has more but gives nothing this long is left for the next.
pub const WITHHELD_MS: u64 = 3_000;
/// A parent that gives nothing in a strand this long, while others say that the strand goes on, is
/// cut off from it, or serves us in a circle. Twice `SILENCE_MS`: it may seek a parent itself.
pub const STARVED_MS: u64 = 6_000;
/// Time for a connection to be up before the next candidate is tried.
pub const CONNECT_MS: u64 = 4_000;
/// A peer that did not yet know the assignment is asked again after this time.
pub const UNKNOWN_RETRY_MS: u64 = 100;
/// So long is a parent waited for that does not yet know the assignment: orders reach nodes at
/// different times, and turning to an ancestor at once would undo the plan at its start.
pub const UNKNOWN_PATIENCE_MS: u64 = 2_000;
/// A node that failed, refused or withheld is left alone for this long.
pub const SHUN_MS: u64 = 2_000;
/// A node that sent a corrupt chunk is left alone for this long: not for ever, it may be the only
/// one, and what it sends is checked.
pub const DISTRUST_MS: u64 = 30_000;
/// Who is served by another than the first of its line turns to that one again after this time,
/// each time twice as long: what failed for a moment would else leave a plan lopsided for good.
pub const RETURN_MS_MIN: u64 = 8_000;
/// Longest time between two such returns.
pub const RETURN_MS_MAX: u64 = 128_000;
/// Time until all candidates are tried again when none was left; doubles up to the next one.
pub const RETRY_MS_MIN: u64 = 250;
/// Longest time between two rounds through the candidates.
pub const RETRY_MS_MAX: u64 = 4_000;
/// With nothing more by strands for this long, a node pulls what somebody it is linked with can
/// only give in this way, or what an absent parent owes.
pub const STALL_MS: u64 = 500;
/// With nothing for this long, a node pulls although every strand has a parent and nobody around
/// has more: what is missing is most likely not out yet, and asking around costs others.
pub const STALL_FED_MS: u64 = 3_000;
/// The same until a first chunk has come: through a deep plan of slow links it takes long. Until
/// then `STALL_FED_MS` counts instead of `STALL_MS`.
pub const STALL_FIRST_MS: u64 = 12_000;
/// All hold where strands bring a chunk in this time or less; else they are longer by as much.
pub const STALL_GAP_MS: u64 = 125;
/// Who has waited long for a chunk does not wait that much longer for the next.
pub const GAP_MS_MAX: u64 = 1_000;
/// Each chunk that comes sooner makes what the next may take shorter by this part.
pub const GAP_PARTS: u64 = 8;
/// So much of a chunk within `WITHHELD_MS` counts as something given: a third of what a link of
/// 64 kbit/s brings, on which the largest chunks take minutes.
pub const ARRIVAL_BYTES: usize = 8 << 10;
/// What was asked for and does not come for this long is asked elsewhere.
pub const PULL_TIMEOUT_MS: u64 = 3_000;
/// A peer that lacked what was asked for is asked again after this time.
pub const PULL_LACK_MS: u64 = 500;
/// A link that serves nobody is closed after this time.
pub const UNUSED_MS: u64 = 5_000;

/// Chunks asked for in one PULL: small enough that who is slow holds up little.
pub const PULL_CHUNKS: usize = 8;
/// A peer is asked for more when fewer than this are still to come from it, so that it never waits.
pub const PULL_REFILL: usize = 4;
/// Peers asked at once: enough to fill a downlink, few enough to leave others their share.
pub const PULL_LINKS_MAX: usize = 4;
/// Chunks that one peer may have asked for and not yet been sent; more is not promised.
pub const PULL_QUEUE_MAX: usize = 64;
/// Ranges of the have-map that answer a PULL: 4 KiB, and most maps whole.
pub const ANSWER_RANGES_MAX: usize = 512;
/// Pulled chunks told to parents at once, so that they skip them.
pub const NEWS_MAX: usize = 64;

/// Backlog above which a strand is given nothing: about 40 ms at 100 Mbit/s and 32 KiB. At a higher
/// pace it is what the source deals in `BACKLOG_PACE_MS`.
pub const BACKLOG_MAX: u32 = 16;
/// Reports of a backlog are about this old when they come through a few nodes.
pub const BACKLOG_PACE_MS: u32 = 15;
/// A strand whose backlog is more than this part of the allowed above the least waits.
pub const BACKLOG_PARTS: u32 = 4;
/// A backlog worth reporting at once.
pub const BACKLOG_SPREAD: u32 = BACKLOG_MAX / BACKLOG_PARTS;
/// How many chunks a strand may be given more than the one that has had fewest. Each wait for the
/// other costs a round of its link: 2 held two nodes on links of 10 Gbit/s to 72 Mbit/s each.
pub const AHEAD_MAX: u32 = 16;
/// A child with a longer queue than this for long is slow. Not above `BACKLOG_SPREAD`: a strand
/// that waits for a slow child lets its queue swing between that and `BACKLOG_MAX`.
pub const LAG_QUEUE: u32 = BACKLOG_SPREAD;
/// A slow child with a queue this short has caught up.
pub const CAUGHT_UP_QUEUE: u32 = 1;
/// A long queue makes a child slow after this time when a sibling's is short: it is the child.
pub const LAG_SIBLING_MS: u64 = 500;
/// And after this time without such a sibling: it may be our uplink, but nobody waits for ever.
pub const LAG_ALONE_MS: u64 = 2_000;
/// Both hold where a chunk takes this time or less on the fastest link to a child; else they are
/// longer by as much: a queue of a few chunks at 4 Mbit/s takes seconds to get shorter.
pub const LAG_CHUNK_MS: u64 = 30;
/// A child that says for this long that a long queue is below it is not believed: by
/// `LAG_ALONE_MS` it would itself have ceased to wait for who is slow.
pub const LAG_SAID_MS: u64 = LAG_ALONE_MS + 10 * TICK_MS;
/// It is believed again for this part of the time in which it says that there is none: who
/// says now this, now that holds up others for a fifth of the time.
pub const SAID_PARTS: u64 = 4;

/// A child that attaches with a longer queue than this, and more than half of the log, is late.
pub const LATE_QUEUE: u32 = 64;
/// Of so many chunks given to children that are not late, a late one is given one: what it is
/// given, others wait for. With 4 one that joins at half-time cost all others an eighth, with 64
/// under a hundredth, and is itself complete half a transfer after them.
pub const LATE_SHARE: u64 = 64;
/// With nothing given to others for this long there is room for who is late.
pub const LATE_ROOM_MS: u64 = 25;
/// Children of one node: a star of a thousand nodes, and what a relay's links allow.
pub const CHILDREN_MAX: usize = 1_024;
/// Links of one session: its children, its parents, and who it pulls from.
pub const LINKS_MAX: usize = 1_100;
/// ATTACH by one link, for each strand that there can be, whichever it is for: a child attaches
/// once, and again after a change of plan.
pub const ATTACHES_MAX: u32 = 64;
/// Candidates kept for a strand: a chain of a thousand has as many ancestors.
pub const PARENTS_MAX: usize = 1_024;
/// Peers kept for pulling.
pub const PEERS_MAX: usize = 1_024;
