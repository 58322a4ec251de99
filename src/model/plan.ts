import type { PeerRef } from './node.js'

/** Who sends to whom: `star chain tree` are one strand each, `strands` weaves several. */
export const strategyNames = ['star', 'chain', 'tree', 'strands'] as const
export type StrategyName = (typeof strategyNames)[number]

/**
 * One node's part of a plan. `parents[s]` are its ancestors in strand `s`, nearest first and the
 * source last: the first serves it, the rest are who to turn to, in order, when one is gone. An
 * ancestor of the plan can never be a descendant, so turning to one never closes a circle.
 * `peers` are further nodes that may be asked for exact ranges when every ancestor is gone.
 */
export interface NodePlan {
  readonly strandCount: number
  readonly parents: readonly (readonly PeerRef[])[]
  readonly peers: readonly PeerRef[]
}

/** A whole plan: the source's strand count and a part for every node by id. */
export interface Plan {
  readonly strategy: StrategyName
  readonly strandCount: number
  readonly nodes: ReadonlyMap<string, NodePlan>
}
