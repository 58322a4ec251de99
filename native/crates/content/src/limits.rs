//! Bounds of this crate's own work, each with its reason. What is part of a format is in `wire`.

use std::time::Duration;

/// Threads of a scan: the second one nearly halves it (119 → 64 ms for 49,394 warm files), more win
/// nothing on a warm cache.
pub(crate) const SCAN_THREADS: usize = 2;
/// Files of one directory that a scan hands out together: large folders are shared between threads,
/// at some microseconds of overhead per batch.
pub(crate) const SCAN_BATCH_FILES: usize = 64;
/// How often a scan calls back: a person sees it move, and it costs nothing.
pub(crate) const SCAN_PROGRESS_PERIOD: Duration = Duration::from_millis(50);
/// Reads of a file, or listings of a folder, that changes meanwhile, before it is refused by name.
pub(crate) const READ_TRIES_MAX: u32 = 3;
/// Buffer for reading files: BLAKE3 has its full speed from 64 KiB, reads theirs from 256 KiB.
pub(crate) const READ_BUFFER_BYTES: usize = 256 * 1024;
/// What a thread hashes at a time of a file that several do: a power of two, so that it is a
/// subtree of BLAKE3's; so much that taking one costs nothing, and a disk seeks seldom.
pub(crate) const HASH_PIECE_BYTES: u64 = 2 << 20;
/// Files from this size on are hashed by several threads: starting one takes as long as 50 KiB.
pub(crate) const HASH_TOGETHER_BYTES_MIN: u64 = 8 << 20;
/// Threads that hash one file: so many read what a fast disk gives, or half of what memory does.
pub(crate) const HASH_THREADS_MAX: usize = 8;

/// Chunk size of most content. A chunk is verified whole before it goes on, so each hop lags by
/// one: 128 MiB to 8 receivers at 100 Mbit/s took 13.2 s with 256 KiB, 12.7 with 64, 12.3 with 32.
pub(crate) const CHUNK_BYTES_SMALL: u32 = 32 * 1024;
/// Chunk size of large content: relays on fast links are 20 % faster than with 64 KiB, and no
/// faster with 1 MiB; the lag of a hop is nothing beside the whole.
pub(crate) const CHUNK_BYTES_LARGE: u32 = 256 * 1024;
/// Content from which on chunks are large.
pub(crate) const CHUNK_LARGE_FROM_BYTES: u64 = 512 * 1024 * 1024;
/// Chunks after which the first vouch is signed, so that receivers begin at once; each vouch waits
/// for twice as many as the one before.
pub(crate) const VOUCH_CHUNKS_FIRST: usize = 4;
/// Chunks after which a vouch is signed at the latest: 8 MiB at 32 KiB a chunk.
pub(crate) const VOUCH_CHUNKS_MAX: usize = 256;
/// Age at which a vouch is signed though it has fewer chunks: receivers wait for nothing longer.
pub(crate) const VOUCH_AGE_MAX: Duration = Duration::from_millis(100);

/// Compression level: the best ratio at above 200 MB/s a core.
pub(crate) const ZSTD_LEVEL: i32 = 3;
/// Level of the sample that decides whether content can be compressed at all.
pub(crate) const ZSTD_SAMPLE_LEVEL: i32 = 1;
/// Bytes tried for it, from the middle of the section.
pub(crate) const SAMPLE_BYTES: usize = 64 * 1024;
/// Content whose sample shrinks by less than one part in this many is stored as it is.
pub(crate) const SAMPLE_GAIN_PARTS: usize = 32;
/// Files from this size on begin a section of their own: media then does not hide in a section of
/// text from the test of the sample. Smaller ones do no harm among others.
pub(crate) const OWN_SECTION_BYTES: u64 = 256 * 1024;
/// Files from this size on whose content does not shrink travel whole, so that receivers can keep
/// them where they arrive: for smaller ones a file more costs what writing twice does.
pub(crate) const WHOLE_FILE_BYTES_MIN: u64 = 8 * 1024 * 1024;
/// Places of such a file at which a sample is tried.
pub(crate) const WHOLE_FILE_SAMPLES: u64 = 8;
/// Bytes of a whole file that are read at a time: few system calls, and they stay in the cache
/// between reading and hashing.
pub(crate) const WHOLE_PIECE_BYTES: u64 = 256 * 1024;
/// Smallest changed file that is sent as a delta: below it a section header costs what it saves.
pub(crate) const DELTA_FILE_BYTES_MIN: u64 = 512;
/// Window and section together from which on far matches are looked for too: below it the usual
/// tables reach everything.
pub(crate) const DELTA_LDM_FROM_BYTES: usize = 256 * 1024;
/// Part of the base file that a delta section may refer to: files up to this size wholly.
pub(crate) const DELTA_WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// Sections compressed at the same time, each at most window plus section in memory.
pub(crate) const PACK_THREADS: usize = 2;
/// Sections under way between reader and writer: enough that neither waits for the other.
pub(crate) const PACK_QUEUE_SECTIONS: usize = 4;

/// How often a pack looks whether content that it waits for has arrived: nobody sees the delay, and
/// it costs one system call.
pub(crate) const ARRIVAL_PERIOD: Duration = Duration::from_millis(50);
/// Longest line of a text manifest: a path and a target, each byte escaped, and the rest.
pub(crate) const MANIFEST_LINE_BYTES_MAX: u64 = 32 * 1024;
/// Largest file and largest whole of a text manifest: what a number of JSON holds exactly.
pub(crate) const SIZE_BYTES_MAX: u64 = (1 << 53) - 1;

/// How long a reader of a growing stream waits before it looks at its cancellation again.
pub(crate) const WAIT_SLICE: Duration = Duration::from_millis(100);
/// Space of one block or inode, for the space an assignment says it needs: the usual block.
pub(crate) const BLOCK_BYTES: u64 = 4096;
/// Files from this size on are allocated before they are written: a full disk is found early.
pub(crate) const PREALLOCATE_FROM_BYTES: u64 = 128 * 1024;
/// Space left free beyond what an assignment says it needs: journals and databases live there too.
pub(crate) const SPACE_RESERVE_BYTES: u64 = 1024 * 1024;

/// Paths that the edits of one run add, together: a request of some kilobytes can name thousands of
/// directories above one file, each with a path of its own; a thousand files twenty directories
/// deep come to 2 MiB.
pub(crate) const EDIT_PATHS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Names and targets of one page of a directory: a message of the node channel takes 4 MiB, and a
/// name costs a hundred bytes beside itself.
pub(crate) const LOOK_PAGE_BYTES_MAX: usize = 512 * 1024;
