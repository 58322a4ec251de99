// In: the source, the nodes with their segments and uplinks, and the policy's strategy.
// Out: a plan: for every node whom it turns to in each strand, and further peers it may ask.
// Never: a socket, a clock, or chance that the seed does not decide.
import { PEERS_MAX } from '../base/limits.js'
import { seededRandom, shuffled } from '../base/random.js'
import type { PeerRef } from '../model/node.js'
import type { NodePlan, Plan, StrategyName } from '../model/plan.js'
import { SOURCE } from './grow.js'
import { cutToLength, linesOf } from './lines.js'
import { orderNodes, seedOf } from './order.js'
import type { PlanNode } from './order.js'
import { chain } from './strategies/chain.js'
import { star } from './strategies/star.js'
import { braid } from './strategies/braid.js'
import type { Strategy } from './strategies/strategy.js'
import { tree } from './strategies/tree.js'

export type { PlanNode } from './order.js'

const strategies: Readonly<Record<StrategyName, Strategy>> = { star, chain, tree, braid }

export interface PlanRequest {
  readonly source: PeerRef
  /** The segment that the source is in; without one it is in none that nodes are in. */
  readonly home?: string | null
  /** Each once; may be empty. */
  readonly nodes: readonly PlanNode[]
  readonly strategy: StrategyName
  /** The same request with the same seed gives the same plan. */
  readonly seed: number
}

/**
 * Plans who sends to whom. Every node is reached in every strand; a list of whom it turns to is acyclic
 * and has the source in it. Pure; O(S·n log n).
 */
export function makePlan(request: PlanRequest): Plan {
  const { source, strategy, seed } = request
  const nodes = orderNodes(request.nodes)
  if (nodes.length === 0) return { strategy, strandCount: 1, nodes: new Map() }
  const woven = strategies[strategy].weave({ nodes, home: request.home ?? null, seed })
  const lines = linesOf(woven)
  const peerOf = (at: number): PeerRef => toPeer(at === SOURCE ? source : (nodes[at] as PlanNode))
  const parts = nodes.map((node, at): [string, NodePlan] => {
    const parents = lines.map((strand) => (strand[at] ?? []).map(peerOf))
    return [node.nodeId, { strandCount: woven.length, parents, peers: peersOf(at, nodes, seed) }]
  })
  return { strategy, strandCount: woven.length, nodes: new Map(parts) }
}

/**
 * The part of a node that comes to a plan which is already at work: a leaf in every strand, below members of its own
 * segment, where there are some, which its id decides, so that nobody else's part changes. A leaf is nobody's ancestor,
 * so no circle can close. Pure.
 */
export function joinPlan(
  plan: Plan,
  source: PeerRef,
  members: readonly PlanNode[],
  { nodeId, segment }: Pick<PlanNode, 'nodeId' | 'segment'>,
): NodePlan {
  const others = shuffled(
    members.filter((member) => member.nodeId !== nodeId && plan.nodes.has(member.nodeId)),
    seededRandom(seedOf(nodeId)),
  )
  const isNear = (member: PlanNode): boolean => member.segment === segment
  const sorted = [...others.filter(isNear), ...others.filter((member) => !isNear(member))]
  const nearest = sorted.some(isNear) ? sorted.filter(isNear) : sorted
  const parents = Array.from({ length: plan.strandCount }, (_, strand) => {
    const parent = nearest[strand % Math.max(1, nearest.length)]
    if (parent === undefined) return [source]
    const above = plan.nodes.get(parent.nodeId)?.parents[strand] ?? [source]
    return cutToLength([toPeer(parent), ...above.filter(({ nodeId }) => nodeId !== source.nodeId), source])
  })
  return { strandCount: plan.strandCount, parents, peers: sorted.slice(0, PEERS_MAX).map(toPeer) }
}

/** Half of the peers from the node's own segment, as far as it has them, the rest from anywhere. */
function peersOf(at: number, nodes: readonly PlanNode[], seed: number): readonly PeerRef[] {
  const own = nodes[at] as PlanNode
  const drawn = drawAround(at, nodes, seed)
  const near = drawn.filter((node) => node.segment === own.segment).slice(0, PEERS_MAX / 2)
  const rest = drawn.filter((node) => !near.includes(node)).slice(0, PEERS_MAX - near.length)
  return [...near, ...rest].map(toPeer)
}

/** Other nodes for one: its neighbours in the planning order and some at a stride, each once. */
function drawAround(at: number, nodes: readonly PlanNode[], seed: number): readonly PlanNode[] {
  const wanted = Math.min(nodes.length - 1, PEERS_MAX * 2)
  const drawn = new Set<number>()
  for (let step = 1; drawn.size < Math.min(wanted, PEERS_MAX); step++) drawn.add((at + step) % nodes.length)
  const stride = 1 + (seed % Math.max(1, nodes.length - 1))
  for (let turn = 1; turn <= nodes.length && drawn.size < wanted; turn++) {
    const other = (at + turn * stride) % nodes.length
    if (other !== at) drawn.add(other)
  }
  return [...drawn].map((index) => nodes[index] as PlanNode)
}

function toPeer({ nodeId, host, port }: PeerRef): PeerRef {
  return { nodeId, host, port }
}
