import { SECOND_MS } from './units.js'

// Limits of asking nodes where they stand, and of the end of a job. See limits.ts for the form.

/** A node that is connected answers a query within this time, or counts as silent: it reads nothing to answer. */
export const QUERY_ANSWER_MS = 3 * SECOND_MS

/** Commands that a node tells of in one answer: what is under way, then the newest that are over. */
export const NODE_STATE_COMMANDS_MAX = 1024
