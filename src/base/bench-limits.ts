// Limits of `engine bench`; see limits.ts.

/** Nodes of a simulation at most: each takes about 30 kB, and the run a few milliseconds for each of them. */
export const SIMULATED_NODES_MAX = 100_000

/**
 * Chunks that a simulation may have to bring in all, nodes times chunks: about an hour of one core. What is larger
 * is most likely a slip of the pen.
 */
export const SIMULATED_COPIES_MAX = 1_000_000_000
