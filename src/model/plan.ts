import type { PeerRef } from './node.js'

/** Who sends to whom: `star chain tree` are one strand each, `braid` weaves several. */
export const strategyNames = ['star', 'chain', 'tree', 'braid'] as const
export type StrategyName = (typeof strategyNames)[number]

/**
 * One node's part of a plan. `parents[s]` is whom it turns to in strand `s`, in order: who serves it,
 * who takes its place when it is gone, the further ancestors; the source is among them. Nobody of them is below the
 * node in that strand of the plan, so that turning to the next because one is gone closes no circle.
 * `peers` are further nodes that may be asked for exact ranges when all of those are gone.
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
