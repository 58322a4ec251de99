import { PEERS_MAX } from '../base/limits.js'
import { seededRandom, shuffled } from '../base/random.js'
import type { PeerRef } from '../model/node.js'
import type { NodePlan, Plan, PlanNode } from '../model/plan.js'
import { cutToLength } from './lines.js'
import { seedOf, toPeer } from './order.js'

/** By node: what it sends in a plan, in copies of the whole content. */
export type Loads = Map<string, number>

/** Adds what one node's part has its parents send. */
export function addLoads(loads: Loads, { parents, strandCount }: Pick<NodePlan, 'parents' | 'strandCount'>): void {
  for (const [parent] of parents) {
    if (parent !== undefined) loads.set(parent.nodeId, (loads.get(parent.nodeId) ?? 0) + 1 / strandCount)
  }
}

/** What everybody sends by these parts. */
export function loadsOf(parts: Iterable<NodePlan>): Loads {
  const loads: Loads = new Map()
  for (const part of parts) addLoads(loads, part)
  return loads
}

/**
 * The part of a node that comes to a plan which is already at work: a leaf in every strand, below members of its own
 * segment, where there are some, that are not slow, where there are some, and of these those whose uplinks have most
 * to spare; among equals its id decides. Nobody else's part changes. A leaf is nobody's ancestor, so no circle can
 * close. Pure.
 * @param loads what everybody sends, further nodes that came included.
 */
export function joinPlan(
  plan: Pick<Plan, 'strandCount' | 'nodes'>,
  source: PeerRef,
  members: readonly PlanNode[],
  { nodeId, segment }: Pick<PlanNode, 'nodeId' | 'segment'>,
  loads: ReadonlyMap<string, number> = loadsOf(plan.nodes.values()),
): NodePlan {
  const others = shuffled(
    members.filter((member) => member.nodeId !== nodeId && plan.nodes.has(member.nodeId)),
    seededRandom(seedOf(nodeId)),
  )
  const isNear = (member: PlanNode): boolean => member.segment === segment
  const sorted = [...others.filter(isNear), ...others.filter((member) => !isNear(member))]
  const nearest = whereAny(whereAny(sorted, isNear), (member) => plan.nodes.get(member.nodeId)?.isSlow !== true)
  const own: Loads = new Map()
  const spareOf = (member: PlanNode): number =>
    member.weight / ((loads.get(member.nodeId) ?? 0) + (own.get(member.nodeId) ?? 0) + 1 / plan.strandCount)
  const parents = Array.from({ length: plan.strandCount }, (_, strand) => {
    const parent = mostOf(nearest, spareOf)
    if (parent === undefined) return [source]
    addLoads(own, { parents: [[parent]], strandCount: plan.strandCount })
    const above = plan.nodes.get(parent.nodeId)?.parents[strand] ?? [source]
    return cutToLength([toPeer(parent), ...above.filter((each) => each.nodeId !== source.nodeId), source])
  })
  return { strandCount: plan.strandCount, parents, peers: sorted.slice(0, PEERS_MAX).map(toPeer) }
}

/** Amounts as near as that are the same: how they were rounded decides nothing. */
const SAME_PART = 1e-9

/** The first of those that have most. */
function mostOf<T>(items: readonly T[], amountOf: (item: T) => number): T | undefined {
  let most: { readonly item: T; readonly amount: number } | undefined
  for (const item of items) {
    const amount = amountOf(item)
    if (most === undefined || amount > most.amount * (1 + SAME_PART)) most = { item, amount }
  }
  return most?.item
}

/** Those of whom it is so, where there are some; else all. */
function whereAny<T>(items: readonly T[], isSo: (item: T) => boolean): readonly T[] {
  const some = items.filter(isSo)
  return some.length > 0 ? some : items
}
