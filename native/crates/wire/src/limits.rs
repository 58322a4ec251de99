//! Every bound of the data plane, each with its reason. They are part of the protocol: both ends
//! refuse what is beyond them, so no input can make a reader allocate or loop without limit.

/// Version of peer messages. A message of another version is refused by name.
pub const PEER_VERSION: u8 = 1;

/// Smallest chunk: one memory page, so that every chunk starts on a page of the file that
/// `sendfile` reads. Also the unit: a chunk size is a multiple of it.
pub const CHUNK_BYTES_MIN: u32 = 4 * 1024;
/// Largest chunk: a relay holds one buffer of this size a link, and larger ones won nothing
/// (256 KiB is 20 % better than 64 KiB, 1 MiB no better than 256 KiB).
pub const CHUNK_BYTES_MAX: u32 = 1024 * 1024;
/// Most chunks of one assignment: a receiver keeps 32 bytes of digest for each in memory
/// (512 MiB at the limit); at 256 KiB a chunk it is 4 TiB of content.
pub const CHUNK_COUNT_MAX: u32 = 1 << 24;

/// Longest path in bytes: Linux's `PATH_MAX` without its closing NUL.
pub const PATH_BYTES_MAX: usize = 4095;
/// Longest component of a path in bytes: Linux's `NAME_MAX`.
pub const COMPONENT_BYTES_MAX: usize = 255;
/// Longest target of a symbolic link in bytes: Linux's `PATH_MAX` without its closing NUL.
pub const LINK_TARGET_BYTES_MAX: usize = 4095;
/// Longest site name in bytes: it is a folder's name and a label in logs and metrics.
pub const SITE_BYTES_MAX: usize = 64;

/// Permission bits that travel. setuid, setgid and the sticky bit are dropped: content from
/// elsewhere must not gain rights by being published.
pub const MODE_MASK: u32 = 0o777;
/// Mode that every symbolic link has: Linux neither stores another nor looks at it.
pub const LINK_MODE: u32 = 0o777;

/// Most entries of a tree: about 2 GiB of memory while a tree of them is compared, and beyond
/// what a directory tree on one server is used for.
pub const ENTRY_COUNT_MAX: u32 = 10_000_000;
/// Most steps of an assignment: every old entry deleted and every new one made.
pub const STEP_COUNT_MAX: u32 = 2 * ENTRY_COUNT_MAX;
/// Largest encoded steps, unpacked: a reader holds them whole in memory.
pub const STEPS_RAW_BYTES_MAX: u32 = 256 * 1024 * 1024;
/// Largest file and largest content of an assignment: what `i64` offsets of files can hold.
pub const CONTENT_BYTES_MAX: u64 = i64::MAX as u64;

/// Largest raw size of a plain or compressed section: a reader holds one in memory, and an error
/// costs no more than this much work again.
pub const SECTION_RAW_BYTES_MAX: u32 = 1024 * 1024;
/// Largest raw size of a delta section: larger ones find more in their window of the base file,
/// and the writer's memory (window plus section) stays under 24 MiB a thread.
pub const DELTA_RAW_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Where a whole file begins in the stream: at a multiple of this, the usual page. Chunks then
/// begin at pages of the file that it is kept in, too, which writing and `sendfile` are fastest at:
/// on loopback, pieces a little shorter than a segment otherwise wait 200 ms to be sent.
pub const WHOLE_ALIGNMENT_BYTES: u32 = 4096;
/// Largest window of a base file that a delta section may refer to: see `DELTA_RAW_BYTES_MAX`.
pub const DELTA_BASE_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Most digests in one vouch: 32 KiB, one signature checked for each 256 MiB of content
/// at 256 KiB a chunk, and small enough to be sent between chunks.
pub const VOUCH_DIGEST_COUNT_MAX: usize = 1024;

/// Most strands of a braid. More than 8 won nothing in any simulation; 16 leaves room.
pub const STRAND_COUNT_MAX: u8 = 16;
/// Strand number of an ATTACH that only wants to pull, and of a chunk of unknown strand.
pub const STRAND_PULLED: u8 = 255;

/// Most ranges in one ATTACH or HAVE (64 KiB of payload). Maps only grow while a connection
/// lasts, so a sender with more ranges says the rest in further HAVE messages.
pub const HAVE_RANGE_COUNT_MAX: usize = 8192;
/// Most ranges in one PULL: an asker wants exact ranges of a few chunks, not a have-map.
pub const PULL_RANGE_COUNT_MAX: usize = 64;
/// Longest name of a node in bytes, for logs: a host name is at most 253.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest ticket in bytes: room for a signed token; empty until identities exist.
pub const TICKET_BYTES_MAX: usize = 2048;
/// Most bytes of one PROBE: half a second of 1 Gbit/s, and what any stranger may have a relay throw
/// away at once.
pub const PROBE_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// Most arrivals of one PROBED (4 KiB of payload): a rate is told by a few dozen.
pub const PROBE_ARRIVAL_COUNT_MAX: usize = 256;
/// Longest text of a REFUSE in bytes: one line for a log.
pub const REFUSE_TEXT_BYTES_MAX: usize = 512;

/// Whether `chunk_bytes` is a size that chunks may have.
pub const fn chunk_bytes_allowed(chunk_bytes: u32) -> bool {
    chunk_bytes >= CHUNK_BYTES_MIN
        && chunk_bytes <= CHUNK_BYTES_MAX
        && chunk_bytes.is_multiple_of(CHUNK_BYTES_MIN)
}

/// Largest packed size of a section with `raw_bytes`: what zstd needs at worst for bytes that
/// cannot be compressed.
pub const fn packed_bytes_max(raw_bytes: u32) -> u32 {
    raw_bytes
        .saturating_add(raw_bytes / 256)
        .saturating_add(1024)
}
