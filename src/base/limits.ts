import { DAY_MS, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from './units.js'

// Each limit is one exported constant with the unit in its name and the reason in its comment:
// docs/reference/limits.md is made from them. Limits of the data plane are in native/crates/wire; those that both
// planes name are the same, by a test.

/**
 * A site keeps this many releases on each node and in the shadow: the live one, one to go back to, one being
 * staged.
 */
export const RELEASES_KEPT = 3

/**
 * Finished jobs kept for each site: enough to see the last weeks of a busy site in one page, little enough to
 * load at once.
 */
export const FINISHED_JOBS_KEPT_PER_SITE = 500

/**
 * Events kept for each job: a watcher that was away resumes within them; older progress is worth nothing once
 * newer exists.
 */
export const JOB_EVENTS_KEPT = 1000

/** Events of finished jobs older than this are dropped; the job's own row keeps the outcome. */
export const JOB_EVENTS_KEPT_MS = 7 * DAY_MS

/**
 * Snapshots kept for each site: the record of what each assignment changed, from which a release is explained.
 * Nodes are caught up by assignments or whole copies, never by these.
 */
export const SNAPSHOTS_KEPT_PER_SITE = 1000

/** A page of jobs, when the caller does not say: one screen. */
export const JOB_PAGE_DEFAULT = 50

/** A page of jobs at most: what one answer may hold without stopping the process noticeably. */
export const JOB_PAGE_MAX = 500

/**
 * A node whose connection has been gone this long counts as behind. Three heartbeats and a margin: one that lost
 * its connection has called again by then.
 */
export const NODE_SILENT_MS = 10 * SECOND_MS

/**
 * Both ends of the node channel look this often whether the other has said something, and ask for a sign of life where
 * it has not. A peer that is dead without a word is let go after 12 to 15 s.
 */
export const HEARTBEAT_MS = 3 * SECOND_MS

/** So many looks without a word, as many as begin within NODE_SILENT_MS, and nobody is there. */
export const BEATS_QUIET_MAX = Math.ceil(NODE_SILENT_MS / HEARTBEAT_MS)

/** First wait before a node calls its coordinator again; doubled each time, with jitter. */
export const RECONNECT_FIRST_MS = 250

/** Longest wait between two calls: a coordinator that comes back has its nodes within this time. */
export const RECONNECT_MAX_MS = 5 * SECOND_MS

/**
 * A trouble with the coordinator that lasts is logged again this often, and at level debug between: seen by who looks
 * a minute later, and no flood at night.
 */
export const TROUBLE_REPEAT_MS = MINUTE_MS

/** A node looks this often how far it is, and watchers are told at most this often: the eye sees no more. */
export const PROGRESS_INTERVAL_MS = 250

/** A message of the node channel at most; the largest is `hello` with NODE_SITES_MAX sites. */
export const CHANNEL_MESSAGE_BYTES_MAX = 4 * MIB

/** A body of an HTTP request at most; the largest is a job request. */
export const HTTP_BODY_BYTES_MAX = 256 * KIB

/** Server-sent events carry a comment this often, so that proxies keep the stream open. */
export const EVENT_HEARTBEAT_MS = 15 * SECOND_MS

/** Watchers at once; each costs a socket and a queue. */
export const WATCHERS_MAX = 256

/** Nodes that one coordinator takes: 10,000 is what it is to serve, and some room. */
export const NODES_MAX = 16_384

/** Jobs that may wait for one site: more means that nobody looks at them. */
export const QUEUED_JOBS_PER_SITE_MAX = 100

/** A graceful stop takes at most this long; then the process ends as after kill -9, which it survives. */
export const SHUTDOWN_MS = 30 * SECOND_MS

/** The database waits this long for a lock that another program holds, then says so. */
export const DATABASE_BUSY_MS = 5 * SECOND_MS

/** A quorum when the policy names none: half of the group's nodes. */
export const QUORUM_DEFAULT = 0.5

/** Share of the live files that a publish may delete without being told so. */
export const MAX_DELETE_RATIO_DEFAULT = 0.25

/** A call of the client waits this long for an answer (not for the job). */
export const REQUEST_TIMEOUT_MS = 30 * SECOND_MS

/** Longest configuration file: a slip such as naming a content file must not fill memory. */
export const CONFIG_FILE_BYTES_MAX = MIB

/**
 * A node serves on from what it fetched until nobody has fetched from it for this long; then the session ends and
 * the files go. Whoever comes later fetches from others.
 */
export const SESSION_LINGER_MS = MINUTE_MS

/** A line and its headers of an HTTP request at most: no client of ours sends a tenth of it. */
export const HTTP_HEADER_BYTES_MAX = 16 * KIB

/** Headers must be complete within this time, so that silent connections do not pile up. */
export const HTTP_HEADERS_MS = 10 * SECOND_MS

/** A whole request must be there within this time: 256 KiB at a modem's pace. */
export const HTTP_REQUEST_MS = 30 * SECOND_MS

/** How often late headers and requests are looked for. Node's own 30 s would be three times HTTP_HEADERS_MS. */
export const HTTP_CHECK_MS = SECOND_MS

/** HTTP connections at once, nodes included; further ones are closed at once and come again. */
export const HTTP_CONNECTIONS_MAX = 20_480

/**
 * Events that wait for one slow watcher; progress is merged, so only phases fill it. When it is full no more are
 * read for it.
 */
export const WATCHER_EVENTS_MAX = 64

/** A watcher whose queue is full and who reads nothing for this long is cut; it resumes where it stood. */
export const WATCHER_STALL_MS = 30 * SECOND_MS

/** Bytes that wait in the socket of one watcher before events are held back in its queue. */
export const WATCHER_BYTES_MAX = 256 * KIB

/** A connection of the node channel says hello within this time, and a coordinator answers within it. */
export const HELLO_MS = 10 * SECOND_MS

/**
 * Bytes that wait for one node on its channel; beyond it the channel is cut and the node is told anew when it
 * returns.
 */
export const CHANNEL_QUEUE_BYTES_MAX = 16 * MIB

/** A client that lost its event stream tries this long before it gives up: a coordinator restarts in far less. */
export const STREAM_OUTAGE_MS_MAX = 5 * MINUTE_MS

/** A client's event stream without even a heartbeat for this long is broken: three heartbeats. */
export const STREAM_SILENT_MS = 45 * SECOND_MS

/** Assignments that a node carries out at once: each costs a thread and a session. */
export const STAGINGS_AT_ONCE_MAX = 4

/** A node looks this often whether `live` of each site still shows what it switched to: one system call a site. */
export const LINK_CHECK_MS = MINUTE_MS

/** Commands that wait on a node at most; more means that somebody floods it. */
export const COMMANDS_WAITING_MAX = 1024

/**
 * One record of a node's journal at most; a length beyond it is damage. The largest is a report with an output of
 * OUTPUT_CHARS_MAX, each of which may take six bytes.
 */
export const JOURNAL_RECORD_BYTES_MAX = 256 * KIB

/** A node's journal is compacted when it has grown to this, or to four times what counts in it: some hundred jobs. */
export const JOURNAL_COMPACT_BYTES = MIB

/** Copies of a node's damaged journals that are kept, newest first: enough to see what happens to its disk. */
export const DAMAGED_JOURNALS_KEPT = 3

/** Reports that a node keeps while its coordinator is away; beyond it the oldest receipts go first. */
export const REPORTS_KEPT_MAX = 4096

/** Worker threads at most: a scan or a packing keeps two native threads busy itself, and the relay needs the rest. */
export const POOL_THREADS_MAX = 2

/**
 * Scans and packing yield the processor to the relay by this niceness, as staging does: work that runs ahead
 * can wait, a chunk that is passed on late holds up every node below (`docs/decisions/0005-work-yields-to-relays.md`).
 */
export const WORK_NICENESS = 5

/** An idle worker thread ends after this long: tasks of one job follow each other within it. */
export const POOL_IDLE_MS = 10 * SECOND_MS

/**
 * A node that is connected but gets nowhere with its part of a job for this long, although all of it is packed, is
 * not waited for: a link that stands still is as good as dead.
 */
export const NODE_STALLED_MS = 2 * MINUTE_MS

/** A node that is connected and was told a command, and has not even said that it has it, is not waited for. */
export const EXECUTE_STALLED_MS = 30 * SECOND_MS

/**
 * The same for a node that has received all of it: writing a million files and making them durable on a slow disk
 * takes many minutes, of which it says nothing.
 */
export const STAGING_STALLED_MS = 30 * MINUTE_MS

/** First wait before a node is told again what it failed to do; doubled each time. */
export const RETRY_FIRST_MS = SECOND_MS

/** Longest wait between two such attempts: a full disk that was cleared is used again within this time. */
export const RETRY_MS_MAX = MINUTE_MS

/**
 * Attempts to pack a whole release for nodes that lack its base; then its error is shown, and it is tried again
 * every RETRY_MS_MAX.
 */
export const REPLICATE_ATTEMPTS_MAX = 4

/**
 * Ids of progress that is not kept may run ahead of the kept events by less than this: after a restart ids go on
 * beyond it.
 */
export const EVENT_ID_GAP = 1_000_000

/**
 * A node that holds what it was told to make but did not report it is taken at its word after this long: reports
 * come first by far.
 */
export const REPORT_GRACE_MS = 10 * SECOND_MS

/**
 * Assignments that came to nothing and that a node which comes is told to drop: those of the last
 * weeks; older ones it drops itself when a newer release goes live.
 */
export const STALE_ASSIGNMENTS_MAX = 64

/** Smallest chunk, and the unit: one memory page. As in `native/crates/wire`. */
export const CHUNK_BYTES_MIN = 4 * KIB

/** Largest chunk: a relay holds one buffer of this size a link. As in `native/crates/wire`. */
export const CHUNK_BYTES_MAX = MIB

/** Strands of a plan at most: more than 8 won nothing in any simulation. As in `native/crates/wire`. */
export const STRAND_COUNT_MAX = 16

/** A node's list of ancestors in a strand ends after this many, the source included: more are never all gone. */
export const ANCESTORS_MAX = 16

/** Further nodes that a node may ask for exact ranges: enough that one of them holds what is missing. */
export const PEERS_MAX = 16

/** Ancestors of a strand, or peers, that a node accepts: room for a planner that names more than ours. */
export const PLAN_LIST_MAX = 64

/** Groups of one node: people name them by hand. */
export const NODE_GROUPS_MAX = 64

/** Sites that one node tells of: with the releases it keeps of each, a fraction of CHANNEL_MESSAGE_BYTES_MAX. */
export const NODE_SITES_MAX = 1024

/** Releases of one site that a node tells of: RELEASES_KEPT, and what earlier lives left until it is swept. */
export const RELEASES_TOLD_MAX = 64

/** Identities of jobs, commands and peers, and versions of software, in a message: ours stay below two thirds of it. */
export const ID_CHARS_MAX = 64

/** The code of an error in a message: the longest of ours has half of it. */
export const ERROR_CODE_CHARS_MAX = 80

/** What a command left on a node, in a report: the first and the last screens of a log. */
export const OUTPUT_CHARS_MAX = 16 * KIB

/**
 * Answers to requests with an idempotency key are kept this long: a pipeline that is run again by then means the
 * same job.
 */
export const ANSWERS_KEPT_MS = DAY_MS

/** An idempotency key: room for two UUIDs and a name. */
export const IDEMPOTENCY_KEY_CHARS_MAX = 128

/** Nodes that one job names; more are better a group. */
export const JOB_ONLY_NODES_MAX = 256

/** Commands of one job: a session of a person or a pipeline; a stream of small changes takes several jobs. */
export const JOB_COMMANDS_MAX = 1000

/** Commands that a node remembers to have executed, so that one delivered twice is executed once. */
export const EXECUTED_KEPT_MAX = 1024

/** The text of an error in a message: a path of 4,095 bytes is cut, and the rest still says what happened. */
export const MESSAGE_CHARS_MAX = 2000

/** The way out that comes with an error: two sentences. */
export const HINT_CHARS_MAX = 500

/** Why a job is wanted, in the words of a person: some lines of a log. */
export const REASON_CHARS_MAX = 1000

/** Proof of an identity in the first message of the node channel: room for a signed certificate. */
export const TICKET_CHARS_MAX = 4096

/** The reason in a close frame of the node channel: WebSocket takes 123 bytes; the whole of it is in `refuse`. */
export const CLOSE_REASON_BYTES_MAX = 120

/** Messages of a node that wait: all that it may owe, twice, since what an earlier connection brought may wait too. */
export const NODE_INBOX_MAX = 2 * REPORTS_KEPT_MAX

/** Receipts in one transaction at most: a disk that syncs slowly is asked rarely, none waits long (some 50 ms). */
export const RECEIPT_BATCH_MAX = 4096

/** Hellos and goodbyes in one transaction at most: as with receipts; each takes longer. */
export const NODE_BATCH_MAX = 512

/** A job's events in memory at most: what is older is read from the database. */
export const RECENT_EVENTS_MAX = 64

/** Names of nodes in one message: a line that is read at a glance; the job's nodes hold all of them. */
export const NAMES_TOLD_MAX = 5

/** A page of audit records, when the caller does not say: some screens. */
export const AUDIT_PAGE_DEFAULT = 100

/** A page of audit records at most: with paths and reasons of full length, 3 MB. */
export const AUDIT_PAGE_MAX = 500

/**
 * Audit records kept: at a hundred changes a day, five years. Beyond it the oldest are dropped, and a record in the
 * chain says so.
 */
export const AUDIT_RECORDS_KEPT = 200_000

/** Audit records dropped at once: so seldom that each time can be read about in the log. */
export const AUDIT_RECORDS_DROPPED = 20_000

/** The audit chain is signed this often, when something was added: what is older takes the key to be rewritten. */
export const AUDIT_HEAD_MS = HOUR_MS

/** One text in an audit record: a path has 4,095 bytes. */
export const AUDIT_TEXT_CHARS_MAX = 4096

/** Names and values of a request that an audit record keeps: a job with some dozens of commands. */
export const AUDIT_FIELDS_MAX = 256

/** One line of an exported audit log: some times the largest record; what is longer is no export. */
export const AUDIT_LINE_CHARS_MAX = 4 * MIB

/** Hooks of one node: people declare them by hand, and each is told to the coordinator in one message. */
export const HOOKS_MAX = 32

/** Arguments of one hook. */
export const HOOK_ARGUMENTS_MAX = 32

/** One argument of a hook: a path at most. */
export const HOOK_ARGUMENT_CHARS_MAX = 4096

/** Words of a hook's command, its program included. */
export const HOOK_WORDS_MAX = 64

/** One word of a hook's command, or one value of its environment: the longest path of the system. */
export const HOOK_WORD_CHARS_MAX = 4096

/** Variables that a hook declares. */
export const HOOK_VARIABLES_MAX = 64

/** Sites that a hook names: a hook for more is one for all. */
export const HOOK_SITES_MAX = 64

/** Choices of one argument: a list that people read. */
export const HOOK_CHOICES_MAX = 32

/** One choice of an argument. */
export const HOOK_CHOICE_CHARS_MAX = 64

/** The pattern of an argument: what is longer cannot be read. */
export const HOOK_PATTERN_CHARS_MAX = 256

/** A hook that says nothing else is stopped after this long: reloads take seconds, health checks less. */
export const HOOK_TIMEOUT_MS_DEFAULT = MINUTE_MS

/** Longest time limit of a hook: whoever waits for it has given up by then. */
export const HOOK_TIMEOUT_MS_MAX = HOUR_MS

/** A hook that was asked to end (TERM) is killed after this long: time to put things in order, within SHUTDOWN_MS. */
export const HOOK_GRACE_MS = 5 * SECOND_MS

/** What a hook has written is read for this long after its end, should another process hold its output open. */
export const HOOK_DRAIN_MS = 250

/**
 * Output of a hook that is kept, half from its beginning, half from its end: bytes of UTF-8, so that OUTPUT_CHARS_MAX
 * takes all of it.
 */
export const HOOK_OUTPUT_BYTES_MAX = 16 * KIB

/** The end of a hook's output in the text of its failure: one line of a table. */
export const HOOK_LAST_WORDS_CHARS_MAX = 300

/** Hooks of a node that run at once: each is a process or more. */
export const HOOKS_AT_ONCE_MAX = 8
