// In: the source, the nodes with their segments and uplinks, the policy's strategy, and what befalls nodes meanwhile.
// Out: a plan at work: for every node whom it turns to in each strand, further peers it may ask; whose part changes.
// Never: a socket, a clock, or chance that the seed does not decide.
import type { PeerRef } from '../model/node.js'
import { isHanded } from '../model/plan.js'
import type { HandedName, Planning, PlanNode, StrategyName, WovenName } from '../model/plan.js'
import { Handed } from './handed.js'
import { toPeer } from './order.js'
import { braid } from './strategies/braid.js'
import { cascade } from './strategies/cascade.js'
import { chain } from './strategies/chain.js'
import type { CourseRule } from './strategies/course.js'
import { handout } from './strategies/handout.js'
import { star } from './strategies/star.js'
import type { Strategy } from './strategies/strategy.js'
import { tree } from './strategies/tree.js'
import { Woven } from './woven.js'

const woven: Readonly<Record<WovenName, Strategy>> = { star, chain, tree, braid }
const handed: Readonly<Record<HandedName, CourseRule>> = { handout, cascade }

export interface PlanRequest {
  readonly source: PeerRef
  /** Servers at once that the source's uplink and CPU bear; absent: as many as is usual. */
  readonly sourceBears?: number | undefined
  /** The segment that the source is in; without one it is in none that nodes are in. */
  readonly home?: string | null
  /** Each once; may be empty. */
  readonly nodes: readonly PlanNode[]
  readonly strategy: StrategyName
  /** Links have been compared, and weights say all that is known of them; absent: they have not. */
  readonly isKnown?: boolean
  /** The same request with the same seed gives the same plan. */
  readonly seed: number
  /** Down-line servers at once, of `handout` and `cascade`; absent: as many as each one's uplink bears. */
  readonly fanout?: number | null
}

/**
 * Starts a plan of any strategy: who is served by whom at first, and after whatever befalls nodes. Pure: the same
 * request and the same events give the same parts.
 */
export function startPlanning(request: PlanRequest): Planning {
  const { source, sourceBears: bears, nodes, strategy, seed, home = null, fanout = null, isKnown = false } = request
  const root = { ...toPeer(source), segment: '', weight: 1, ...(bears === undefined ? {} : { bears }) }
  if (isHanded(strategy)) return new Handed(handed[strategy], root, nodes, fanout)
  return new Woven({ strategy: woven[strategy], source, home, isKnown, seed }, nodes)
}
