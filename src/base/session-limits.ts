import { HOUR_MS } from './units.js'

// Limits of jobs as sessions. As in limits.ts, each with its reason.

/**
 * An open job of which nothing is asked is ended after this long: longer than any pause of a pipeline, shorter than a
 * night.
 */
export const SESSION_IDLE_MS = HOUR_MS
