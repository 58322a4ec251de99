// Limits of what nodes tell of a transfer. See limits.ts for the form.
import { MINUTE_MS, SECOND_MS } from './units.js'

/** Children that a node tells of at most: what a relay's core serves. */
export const FLOWS_MAX = 1024

/** Nodes look so often whether a link has broken down. */
export const FLOWS_LOOK_MS = 62

/** And tell so often how links are. */
export const FLOWS_TELL_MS = 250

/** They look so often where nobody is served, or links are so slow that there is something to tell more seldom. */
export const FLOWS_SLOW_LOOK_MS = 500

/**
 * A node that serves others by slow links says nothing for so long at most: each word is acknowledged by a coordinator
 * that may be the source, and 64 nodes that spoke eight times a second took 7 % of its 4 Mbit/s.
 */
export const FLOWS_QUIET_MS = 3 * SECOND_MS

/** How far it is a node tells no sooner than this, but at once where it is served anew or has all. */
export const PROGRESS_TELL_MS = SECOND_MS

/** And no sooner than one part more of so many has come: nobody sees less. */
export const PROGRESS_PARTS = 100

/** But at least this often. */
export const PROGRESS_TELL_MS_MAX = 5 * SECOND_MS

/** What a relay's peers do wrong is told and logged at most so often: a hostile one could fill a disk with it. */
export const RELAY_FAULTS_TELL_MS = MINUTE_MS

/** A node looks so often at what its relay's peers did wrong. */
export const RELAY_FAULTS_LOOK_MS = SECOND_MS
