import { DAY_MS, MINUTE_MS, SECOND_MS } from './units.js'

// Limits of verifying releases and mending them; see limits.ts.

/**
 * A damaged tree stays for so long once a good one has taken its place: a reader that had found its directory
 * before finds the file in it too.
 */
export const REPLACED_KEPT_MS = 10 * SECOND_MS

/** Findings of one verification that are named; all are counted. A screen or two, and room in one output. */
export const VERIFY_FINDINGS_MAX = 100

/**
 * What is read of a release in the background when nobody says more: 160 Mbit/s are 20 MB/s, a sixth of what a
 * single hard disk gives, and 72 GB an hour.
 */
export const VERIFY_RATE_BPS_DEFAULT = 160_000_000

/** The path of one finding: longer ones are cut, and still say where to look. */
export const FINDING_PATH_CHARS_MAX = 500

/** Verifications that wait on one node for another to end. */
export const CHECKS_WAITING_MAX = 16

/** How often a caller looks whether all nodes have answered: reading takes seconds to hours. */
export const VERIFY_POLL_MS = 500

/** Finished verifications that the coordinator remembers: enough for everybody who waits for one to see its end. */
export const VERIFY_RUNS_KEPT = 100

/** Slowest verification: below it a release of some gigabytes takes weeks, and nothing is won for the disk. */
export const VERIFY_RATE_BPS_MIN = 64_000

/** A node verifies what it serves about once a day when nobody says otherwise: rot is found within one. */
export const VERIFY_EVERY_MS_DEFAULT = DAY_MS

/** Longest time between two: what a timer takes, 24 days. */
export const VERIFY_EVERY_MS_MAX = 24 * DAY_MS

/** Shortest time between two verifications of a node on its own. */
export const VERIFY_EVERY_MS_MIN = MINUTE_MS

/**
 * How long a verification with mending waits for the good copy: as long as a large release takes to come. Then it
 * is told as damaged; the mending goes on.
 */
export const MEND_WAIT_MS = 10 * MINUTE_MS

/** How often a verification with mending looks whether the good copy stands: a person waits for it. */
export const MEND_LOOK_MS = 200
