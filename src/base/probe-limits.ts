import { MINUTE_MS, SECOND_MS } from './units.js'

// Limits of measuring links. See limits.ts for the form; those of the data plane are in native/crates.

/** A measurement has its end by then: to connect, to send for three seconds at most, to hear what arrived. */
export const PROBE_MS = 25 * SECOND_MS

/** Who asks for both directions waits for two of them, and a while for those of others. */
export const PROBE_REQUEST_MS = MINUTE_MS

/** Measurements that wait for their turn, one being under way: two at once would measure each other. */
export const PROBES_WAITING_MAX = 64

/** Before a job is sent its links are measured for no longer than this: nobody waits for what is not known by then. */
export const PROBES_BEFORE_JOB_MS = 10 * SECOND_MS

/** Measurements kept of one end of a node's links, newest last: older ones count next to nothing. */
export const MEASURES_KEPT = 16

/** A node tells how busy its machine is this often: it is a figure of the last minute. */
export const LOAD_TELL_MS = 15 * SECOND_MS

/** Most that is believed of a machine's load: beyond it nothing runs, and nothing is decided otherwise. */
export const LOAD_MAX = 10_000
