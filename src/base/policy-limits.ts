import { BITS_PER_BYTE, DAY_MS, KIB, SECOND_MS } from './units.js'

// Limits of what a job's policy and a site's hold may say. As in limits.ts, each with its reason.

/** Longest hold, wait, window and watch: a number that is longer is a slip of the unit. */
export const HOLD_MS_MAX = 366 * DAY_MS

/** Of a canary's time when nothing is said: most of what goes wrong at once shows within it. */
export const CANARY_BAKE_MS_DEFAULT = 600 * SECOND_MS

/** Less than one check and the time that it takes says nothing. */
export const CANARY_BAKE_MS_MIN = SECOND_MS

/** Each check leaves two receipts a node: a day of them is what a database should hold of one job. */
export const CANARY_BAKE_MS_MAX = DAY_MS

/** A short time is looked at so often, and a long one at least this often: a sick canary serves readers meanwhile. */
export const CANARY_CHECKS = 10

/** A sick canary serves readers no longer than this before it is looked at again. */
export const CANARY_CHECK_EVERY_MS_MAX = 30 * SECOND_MS

/** A check is a process that is started: more often would be load, not care. */
export const CANARY_CHECK_EVERY_MS_MIN = SECOND_MS

/** Numbers beyond those of commands, for checks of one job's canaries: several days of them. */
export const CANARY_CHECKS_MAX = 100_000

/** Canaries by name: more than this is a group. */
export const CANARY_NODES_MAX = 1000

/** Jobs without an end, when the configuration does not say: each is in memory, with its nodes. */
export const JOBS_QUOTA_DEFAULT = 1000

/** A job's part of what a sender may send beside other jobs, when nothing is said: some may count less. */
export const PRIORITY_DEFAULT = 10

/** More would be a job that has it all to itself, which is what pausing the others is for. */
export const PRIORITY_MAX = 100

/** Slower than 64 KiB a second, a sender with a few receivers gives some nothing for seconds: they turn to others. */
export const BANDWIDTH_BPS_MIN = 64 * KIB * BITS_PER_BYTE

/** Changes of a bandwidth limit in a week: one an hour. */
export const BANDWIDTH_SLOTS_MAX = 168

/** A timetable of that many slots, each with its day. */
export const BANDWIDTH_CHARS_MAX = 4096

/** A limit that changes with the time of day is looked at this often at least: a clock may be set. */
export const RATE_LIMIT_LOOK_MS = 60 * SECOND_MS

/** Servers that one serves at once by a hand-out or a cascade: more make all of them later by as much. */
export const FANOUT_MAX = 64

/** Nodes in an order that somebody writes by hand, or a program for one site. */
export const ORDER_NODES_MAX = 1024
