import { HOUR_MS, MINUTE_MS, SECOND_MS } from './units.js'

// Limits of asking nodes where they stand, and of the end of a job. See limits.ts for the form.

/** A node that is connected answers a query within this time, or counts as silent: it reads nothing to answer. */
export const QUERY_ANSWER_MS = 3 * SECOND_MS

/** Commands that a node tells of in one answer: what is under way, then the newest that are over. */
export const NODE_STATE_COMMANDS_MAX = 1024

/** A job that ends looks after its nodes this often, unless its policy says otherwise: a switch takes far less. */
export const END_PERIOD_MS_DEFAULT = 10 * SECOND_MS

/** The same at least: shorter ones would ask nodes that have had no time to answer. */
export const END_PERIOD_MS_MIN = SECOND_MS

/** The same at most: a job that ends holds its site meanwhile. */
export const END_PERIOD_MS_MAX = HOUR_MS

/** Repairs of one node at the end of a job at most: each kind of them once. */
export const REPAIR_ATTEMPTS_MAX = 4

/** A repair that says nothing for so long is over: a hook may take as long, and a terabyte is read in less. */
export const REPAIR_MS_MAX = HOUR_MS

/** A node that is still there so long after its restart hook ended well was not restarted: supervisors are faster. */
export const RESTART_BEGIN_MS = 5 * SECOND_MS

/** A node that restarts is back within this time, its journal read, or counts as away. */
export const RESTART_BACK_MS = MINUTE_MS

/** Lines of the account of one job's end that are kept, newest last: a thousand nodes, ten lines each. */
export const ACCOUNT_EVENTS_KEPT = 10_000

/** Lines that are written by one statement: SQLite takes a few thousand values. */
export const ACCOUNT_BATCH_MAX = 500
