import { HOUR_MS, KIB, MINUTE_MS, SECOND_MS } from './units.js'

// Limits of looking at what nodes serve, and of fetching files from them; see limits.ts.

/** Entries of one page of a directory at most: half a megabyte with long names. */
export const FILE_PAGE_MAX = 1000

/** A path as text: each of its 4,095 bytes may be an escape of three characters. */
export const FILE_PATH_CHARS_MAX = 3 * 4096

/** What a node calls the bytes of a file, inode, size and time: three numbers of 20 digits, with some room. */
export const FILE_VERSION_CHARS_MAX = 100

/** The target of a link as text; the same of the kernel's limit. */
export const LINK_TARGET_CHARS_MAX = 3 * 4096

/** Questions about files that one node works on at once; each is a thread that waits for its disk. */
export const LOOKS_AT_ONCE_MAX = 16

/** How long a node may take to answer one: a cold directory of a million names takes seconds. */
export const LOOK_MS = 30 * SECOND_MS

/** Files that one node sends at once: enough to fill its line, few enough that each has a share of it. */
export const FILES_SENT_AT_ONCE_MAX = 8

/** Files on their way through one coordinator at once; each costs two sockets and a few pieces in memory. */
export const FILES_PASSED_AT_ONCE_MAX = 64

/** How long a node may take to begin to send: it opens a file and connects. */
export const FILE_BEGIN_MS = 30 * SECOND_MS

/** A file of which nothing moved for so long is given up: the node is stuck, or its reader is. */
export const FILE_IDLE_MS = MINUTE_MS

/** Longest a file may take to come, a day: a terabyte at 100 Mbit/s. */
export const FILE_TRANSFER_MS = 24 * HOUR_MS

/** What a node reads of a file in one step. */
export const FILE_PIECE_BYTES = 256 * KIB

/** Files of a directory that a client fetches at once. */
export const FILES_FETCHED_AT_ONCE = 4
