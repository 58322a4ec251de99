/** A node as a strategy sees it: where it stands and how much its uplink gives beside the others'. */
export interface Uplink {
  /** Relative to the other nodes of the same plan; 1 is usual. Positive. */
  readonly weight: number
}

/**
 * How one strand is to grow: how many children the source and each node may have in it. The slots,
 * `sourceSlots` and `slots` together, are at least as many as there are nodes.
 */
export interface StrandShape {
  readonly sourceSlots: number
  /** Child slots by node, in the order of the nodes given. */
  readonly slots: readonly number[]
}

/** The rule that says how many strands a plan has and who may have children in each. Pure. */
export interface Strategy {
  /** @param nodes at least one. @returns one shape a strand, at least one. */
  shape(nodes: readonly Uplink[]): readonly StrandShape[]
}
