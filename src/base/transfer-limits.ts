// Limits of what nodes tell of a transfer. See limits.ts for the form.
import { MINUTE_MS, SECOND_MS } from './units.js'

/** Children that a node tells of at most: what a relay's core serves. */
export const FLOWS_MAX = 1024

/** Nodes look so often whether a link has broken down; how links are they tell at every second look. */
export const FLOWS_LOOK_MS = 125

/**
 * A node that serves others and has nothing to tell of its links says so this often: each word is acknowledged by a
 * coordinator that may be the source, and 64 nodes that spoke eight times a second took 8 % of its 4 Mbit/s.
 */
export const FLOWS_QUIET_MS = SECOND_MS

/** How far it is with an assignment a node tells this often, and at once where it is served anew or has all. */
export const PROGRESS_TELL_MS = SECOND_MS

/** What a relay's peers do wrong is told and logged at most so often: a hostile one could fill a disk with it. */
export const RELAY_FAULTS_TELL_MS = MINUTE_MS

/** A node looks so often at what its relay's peers did wrong. */
export const RELAY_FAULTS_LOOK_MS = SECOND_MS
