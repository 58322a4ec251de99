// Limits of what nodes tell of a transfer. See limits.ts for the form.

/** Children that a node tells of at most: what a relay's core serves. */
export const FLOWS_MAX = 1024

/** Nodes look so often whether a link has broken down; how links are they tell at every second look. */
export const FLOWS_LOOK_MS = 125
