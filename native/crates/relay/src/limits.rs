//! Bounds of one relay, each with its reason. What both ends must agree on is in `wire::limits`.

use std::time::Duration;

/// Links of one session, for the core and for its sockets. Memory grows with it: about 1 KiB a
/// link, a chunk more while it receives.
pub use spread::limits::LINKS_MAX;
/// Sockets in handshake at once: beyond it the newest is cut off, so a flood costs no memory.
pub const HANDSHAKES_MAX: usize = 256;
/// Time from accept to a whole HELLO and ATTACH or TALK: three round trips over a slow WAN.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Time that a caller waits for a session which may be about to open: orders reach nodes at
/// different times, and who is refused asks again after twice as long as that mostly is.
pub const UNKNOWN_WAIT: Duration = Duration::from_millis(500);
/// Time for an outgoing connection to be up and greeted, in milliseconds; then the next is tried.
pub const CONNECT_DEADLINE_MS: u64 = 3_000;
/// Connections from one address: a site behind one address translator, not a flood.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;
/// The same from this machine, where a whole test network of nodes shares one address.
pub const CONNECTIONS_FROM_LOOPBACK_MAX: usize = 2048;
/// Talks at once: each is one exchange of some seconds, and peers that find no room ask others.
pub const TALKS_MAX: usize = 64;
/// Bytes of a short train: at 1 Gbit/s 8 ms of them, at 100 Mbit/s 84 ms.
pub const TRAIN_BYTES: u32 = 1 << 20;
/// Longest that a short train takes to be sent; on slower links it is shorter: at 1 Mbit/s 50 KB.
pub const TRAIN_TIME: Duration = Duration::from_millis(400);
/// Bytes of a bulk probe: half a second of 1 Gbit/s, what starts slowly has long settled by then.
pub const BULK_BYTES: u32 = wire::limits::PROBE_BYTES_MAX;
/// Longest that a bulk probe takes to be sent: nobody's link is filled for longer than that.
pub const BULK_TIME: Duration = Duration::from_secs(3);
/// Bytes of a probe that are given to the system at once.
pub const PROBE_STEP_BYTES: u64 = 64 << 10;
/// The same where a limit holds, as time at its rate: a train of a low limit is made of several.
pub const PROBE_STEP_TIME: Duration = Duration::from_millis(10);
/// Fewest bytes of a step: about one packet.
pub const PROBE_STEP_BYTES_MIN: u64 = 1 << 10;
/// Longest that the receiver of a probe waits for its end: the time to send it, and to drain what
/// is in the sender's socket by then.
pub const PROBE_RECEIVE_TIME: Duration = Duration::from_secs(10);
/// Longest that its sender waits for the answer: what is in its socket has to arrive first.
pub const PROBE_ANSWER_TIME: Duration = Duration::from_secs(10);
/// How often both look whether their relay closes.
pub const PROBE_LOOK: Duration = Duration::from_millis(100);
/// Control bytes waiting for one slow reader. A reader that is further behind is cut off.
pub const OUT_BYTES_MAX: usize = 4 << 20;
/// Bytes by which one link may bring more of what is here already than of what is not: as many of
/// the largest chunks as a peer may have promised while they came from elsewhere, and what is in
/// sockets.
pub const USELESS_BYTES_MAX: u64 = 128 << 20;
/// Most bytes read from one link before the others get their turn.
pub const READ_TURN_BYTES: usize = 1 << 20;
/// Most bytes written to one link before the others get their turn.
pub const WRITE_TURN_BYTES: usize = 1 << 20;
/// Chunks begun in one round where what may be sent is limited, before sockets are looked at again.
pub const LINE_TURNS: usize = 64;
/// A round that moved fewer payload bytes than this is followed by `ROUND_REST`.
pub const ROUND_BYTES_SMALL: u64 = 128 << 10;
/// Shortest rest after a small round: fewer wake-ups and acknowledgements below 500 Mbit/s.
pub const ROUND_REST: Duration = Duration::from_millis(2);
/// Longest rest, on the slowest links: each hop may be late by so much.
pub const ROUND_REST_MAX: Duration = Duration::from_millis(33);
/// Pace of the core's clock, of STATUS and of the published figures.
pub use spread::limits::TICK_MS;
/// Pace at which the system is asked what went to each child: what looks at it does so at 62 ms.
pub const FLOWS_MS: u64 = 50;
/// The same while there is nobody to talk to and nothing to fetch.
pub const TICK_IDLE_MS: u64 = 500;
/// Shortest time between two wake-ups of who waits for the prefix.
pub const PREFIX_WAKE_MS: u64 = 5;
/// Send buffer of a link whose speed is not proven: what is in a socket cannot be given elsewhere.
pub const SEND_BUFFER_FIRST_BYTES: usize = 64 << 10;
/// Send buffer of a link that carries whatever comes to us, and waits for more: it is not filled,
/// and has to do while our own acknowledgements come late, behind what we send to others.
pub const SEND_BUFFER_FED_BYTES: usize = 4 * SEND_BUFFER_FIRST_BYTES;
/// A link that has waited for more in so many spans in a row is fed, and in none of as many is not.
pub const FED_SPANS: i32 = 10;
/// After so long a link's BBR begins anew: after ten seconds it would rest.
pub const RENEW_MS: u64 = 8_000;
/// But not each time that a multiple of this has passed.
pub const RENEW_TURNS: u32 = 4;
/// Unsent bytes in a link's socket before it asks for more; with the buffer above, 100 Mbit/s.
pub const UNSENT_FIRST_BYTES: u32 = 16 << 10;
/// Unsent bytes at most in the socket of a link with a long round trip: 16 KiB there cost a
/// quarter more time over a simulated WAN, 512 KiB least.
pub const UNSENT_LONG_BYTES_MAX: u32 = 512 << 10;
/// As many until it is known what the link carries.
pub const UNSENT_LONG_BYTES: u32 = 64 << 10;
/// And so long a time's worth of what it carries: on a slow link, of which the handshake waited in
/// a queue, 512 KiB are seconds, by which all that is said or asked there comes later.
pub const UNSENT_LONG_MS: u64 = 100;
/// Each span in which a link carries less takes this part of the most that it carried.
pub const CARRIED_SPANS: u64 = 8;
/// A link that carries less than this is paced at `PACE_RATIO` times the most it carried of late.
pub const PACED_BITS_PER_SECOND: u64 = 16_000_000;
/// Paced at this rate at least: a chunk that is asked for now and then should not take long.
pub const PACED_BITS_PER_SECOND_MIN: u64 = 2_000_000;
/// And not before so many spans in which it carried half of the least: a link that is paced from
/// the start takes longer to come to its rate, and so do all behind it, one after the other.
pub const PACE_SPANS: u32 = 10;
/// What a link carries can double from one span to the next.
pub const PACE_RATIO: u64 = 2;
/// Paces that differ by less than this part are the same.
pub const PACE_PARTS: u64 = 8;
/// Unsent bytes in the socket of a proven fast link: as many as the system likes. Each time that
/// the reader makes room it wakes us, and with 512 KiB that cost a sender a third more CPU.
pub const UNSENT_FAST_BYTES: u32 = u32::MAX;
/// Rate at which a link has proven fast: above it small buffers cost more than they save.
pub const FAST_BITS_PER_SECOND: u64 = 400_000_000;
/// Span over which that rate is measured.
pub const FAST_WINDOW_MS: u64 = 100;
/// First round trip beyond which a link is long: small buffers would hold it to 128 KiB a trip.
pub const LONG_ROUND_TRIP_US: u32 = 4_000;
