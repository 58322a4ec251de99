import { SECOND_MS } from './units.js'

// Limits of what nodes tell of a transfer. See limits.ts for the form.

/** Children that a node tells of at most: what a relay's core serves. */
export const FLOWS_MAX = 1024

/** Who serves others says how it stands four times a second; after this long without a word others serve them. */
export const LINK_SILENT_MS = SECOND_MS
