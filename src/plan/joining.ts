import { PEERS_MAX } from '../base/limits.js'
import { seededRandom, shuffled } from '../base/random.js'
import type { PeerRef } from '../model/node.js'
import type { NodePlan, Plan, PlanNode } from '../model/plan.js'
import { cutToLength } from './lines.js'
import { seedOf, toPeer } from './order.js'

/**
 * The part of a node that comes to a plan which is already at work: a leaf in every strand, below members of its own
 * segment, where there are some, that are not slow, where there are some, which its id decides, so that nobody else's
 * part changes. A leaf is nobody's ancestor, so no circle can close. Pure.
 */
export function joinPlan(
  plan: Pick<Plan, 'strandCount' | 'nodes'>,
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
  const nearest = whereAny(whereAny(sorted, isNear), (member) => plan.nodes.get(member.nodeId)?.isSlow !== true)
  const parents = Array.from({ length: plan.strandCount }, (_, strand) => {
    const parent = nearest[strand % Math.max(1, nearest.length)]
    if (parent === undefined) return [source]
    const above = plan.nodes.get(parent.nodeId)?.parents[strand] ?? [source]
    return cutToLength([toPeer(parent), ...above.filter((each) => each.nodeId !== source.nodeId), source])
  })
  return { strandCount: plan.strandCount, parents, peers: sorted.slice(0, PEERS_MAX).map(toPeer) }
}

/** Those of whom it is so, where there are some; else all. */
function whereAny<T>(items: readonly T[], isSo: (item: T) => boolean): readonly T[] {
  const some = items.filter(isSo)
  return some.length > 0 ? some : items
}
