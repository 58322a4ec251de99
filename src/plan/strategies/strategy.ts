import type { Strand } from '../grow.js'
import type { PlanNode } from '../../model/plan.js'

/** What a plan is made of. */
export interface Ground {
  /** At least one; in planning order, those of a segment together; their weights beside the usual one, which is 1. */
  readonly nodes: readonly PlanNode[]
  /** The segment that the source is in; null: none that nodes are in. */
  readonly home: string | null
  /** Links have been compared: there is nothing to say of them that weights do not say. */
  readonly isKnown: boolean
  /** The same seed gives the same strands. */
  readonly seed: number
  /** How many strands content goes by already; absent: by none yet. */
  readonly strandCount?: number
}

/** The rule that says who serves whom. Pure. */
export interface Strategy {
  /** @returns at least one strand; each reaches every node. */
  weave(ground: Ground): readonly Strand[]
}
