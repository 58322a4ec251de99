import { DAY_MS, GIB, KIB, MIB, MINUTE_MS, SECOND_MS, TIB } from './units.js'

// Limits of content from afar, as those of limits.ts.

/** Bytes of all uploads together when the configuration does not say: more than most disks, so that these decide. */
export const UPLOADS_BYTES_DEFAULT = TIB

/** An upload that nothing arrives for is kept this long by default: what broke on Friday goes on on Monday. */
export const UPLOAD_KEEP_MS_DEFAULT = 7 * DAY_MS

/** Bytes that uploads leave free on their disk by default: the database and releases live there too. */
export const UPLOAD_FREE_BYTES_DEFAULT = GIB

/** A manifest at most: some million entries with long names. It is streamed to disk and read by a native thread. */
export const UPLOAD_MANIFEST_BYTES_MAX = GIB

/** Uploads that are open at once: each costs its list of contents in memory, 40 bytes a content. */
export const UPLOADS_OPEN_MAX = 256

/** Requests that bring contents at once; each costs a descriptor and a piece of its body in memory. */
export const UPLOAD_REQUESTS_MAX = 256

/** The same of one upload, so that nobody takes all of them. */
export const UPLOAD_REQUESTS_PER_UPLOAD_MAX = 16

/** A body that brings less than UPLOAD_WINDOW_BYTES_MIN within this time is cut; what came is kept. */
export const UPLOAD_WINDOW_MS = 30 * SECOND_MS

/** A modem of 1990 sends thirty times as much; less is a connection that hangs, or somebody who holds it open. */
export const UPLOAD_WINDOW_BYTES_MIN = 4 * KIB

/** After an early refusal the rest of a body is thrown away for this long, so that its sender sees the answer. */
export const UPLOAD_LINGER_MS = 2 * SECOND_MS

/** A job that waits for the rest of its upload is ended when nothing came for this long: it holds up its site. */
export const UPLOAD_STALLED_MS = 2 * MINUTE_MS

/** While a body of unknown length comes, free space is looked at each time it has grown by this. */
export const UPLOAD_SPACE_CHECK_BYTES = 64 * MIB

/** How often the disk is told that an upload is alive: it expires by that. */
export const UPLOAD_NOTE_MS = MINUTE_MS

/** Uploads that lay idle for too long are looked for this often. */
export const UPLOAD_SWEEP_MS = MINUTE_MS

/** Contents that are looked for in all uploads of a site before others have a turn: 0.1 s where those are 256. */
export const UPLOAD_LOOKS_A_TURN = 256

/** A page of missing contents at most: 100 KB of JSON. */
export const UPLOAD_PAGE_MAX = 1000

/** Bytes of one content that a client sends in one request: what a cut connection costs at most, and a proxy takes. */
export const UPLOAD_PIECE_BYTES = 64 * MIB

/** Contents that a client sends at once: enough that small files do not wait for answers. */
export const UPLOAD_STREAMS = 8

/** A client waits this long for the answer to one piece: 64 MiB at 1 Mbit/s. */
export const UPLOAD_PIECE_TIMEOUT_MS = 10 * MINUTE_MS
