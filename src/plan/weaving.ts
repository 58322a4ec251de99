import { PEERS_MAX } from '../base/limits.js'
import type { PeerRef } from '../model/node.js'
import type { NodePlan, PlanNode } from '../model/plan.js'
import { SOURCE, type Strand } from './grow.js'
import { linesOf } from './lines.js'
import { orderNodes, toPeer, withSlowLast } from './order.js'
import { isSlow, usualWeight } from './strategies/slots.js'
import type { Ground, Strategy } from './strategies/strategy.js'

export type { Ground } from './strategies/strategy.js'

/** Nodes in planning order, and strands over them. */
export interface Fabric {
  readonly nodes: readonly PlanNode[]
  /** One at least. */
  readonly strands: readonly Strand[]
}

/** Weaves strands over nodes, of whom there may be none; strategies see weights beside the usual one. Pure. */
export function weave(strategy: Strategy, ground: Ground): Fabric {
  return weaveInOrder(strategy, ground, orderNodes(ground.nodes))
}

/**
 * Weaves anew for the nodes of a plan at work, with other weights. Where some have become slow and nothing else is
 * new, each changes places with the last that is not slow: the others keep whom they have. Pure.
 * @param nodes those of `before`, in its order.
 */
export function weaveAnew(strategy: Strategy, ground: Ground, before: Fabric): Fabric {
  const again = { ...ground, strandCount: before.strands.length }
  const order = isPath(before) ? null : withSlowLast(before.nodes, ground.nodes)
  return weaveInOrder(strategy, again, order ?? orderNodes(ground.nodes))
}

function weaveInOrder(strategy: Strategy, ground: Ground, nodes: readonly PlanNode[]): Fabric {
  if (nodes.length === 0) return { nodes, strands: [[]] }
  const usual = usualWeight(nodes)
  const beside = nodes.map((node) => ({
    ...node,
    weight: node.weight / usual,
    ...(node.takes === undefined ? {} : { takes: node.takes / usual }),
  }))
  return { nodes, strands: strategy.weave({ ...ground, nodes: beside }) }
}

/** All strands run the same way. Who becomes slow on a path goes to its end, which moves the one that it served. */
const isPath = ({ strands: [first = [], ...others] }: Fabric): boolean =>
  others.every((strand) => strand.every((parent, node) => parent === first[node]))

/** Every node's part of what was woven. Pure; O(S²·n·depth). */
export function partsOf({
  source,
  seed,
  nodes,
  strands,
}: Fabric & { readonly source: PeerRef; readonly seed: number }): ReadonlyMap<string, NodePlan> {
  const lines = linesOf(strands)
  const usual = usualWeight(nodes)
  const peerOf = (at: number): PeerRef => toPeer(at === SOURCE ? source : (nodes[at] as PlanNode))
  const parts = nodes.map((node, at): [string, NodePlan] => {
    const parents = lines.map((strand) => (strand[at] ?? []).map(peerOf))
    const part = { strandCount: strands.length, parents, peers: peersOf(at, nodes, seed) }
    return [node.nodeId, isSlow(node.weight, usual) ? { ...part, isSlow: true } : part]
  })
  return new Map(parts)
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
