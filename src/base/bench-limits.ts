// Limits of `engine bench`; see limits.ts.

/** Nodes of a simulation at most: each takes about 30 kB, and the run a few milliseconds for each of them. */
export const SIMULATED_NODES_MAX = 100_000

/**
 * Chunks that a simulation may have to bring in all, nodes times chunks: about an hour of one core. What is larger
 * is most likely a slip of the pen.
 */
export const SIMULATED_COPIES_MAX = 1_000_000_000

/** Nodes of `engine bench fanout` at most: each is a process, with 60 MB and half a second of a core to start. */
export const FANOUT_NODES_MAX = 64

/** Repetitions of `engine bench fanout` at most: medians change no more. */
export const FANOUT_REPETITIONS_MAX = 100
