import { DAY_MS } from './units.js'

// Limits of what a job's policy and a site's hold may say. As in limits.ts, each with its reason.

/** Longest hold, wait, window and watch: a number that is longer is a slip of the unit. */
export const HOLD_MS_MAX = 366 * DAY_MS
