import { star } from './star.js'
import type { StrandShape, Strategy, Uplink } from './strategy.js'

/** Two strands of fanout two: within one percent of the best on equal links, four connections a node. */
const STRANDS = 2
/** Uplinks below this share of the median one forward nothing, as long as the others suffice. */
const SLOW_RATIO = 0.4

/** The default braid: every node is inner in one strand and a leaf in the other. */
export const strands: Strategy = weaveStrands(STRANDS)

/**
 * Makes a braid of `strandCount` strands. S strands over n nodes need S(n−1) child slots; each node
 * gives slots in proportion to its uplink, in pieces no larger than its fair degree, and the largest
 * piece goes first to the strand that lacks most. So on equal links a node is inner in one strand.
 */
export function weaveStrands(strandCount: number): Strategy {
  return {
    shape(nodes) {
      const count = Math.min(strandCount, nodes.length)
      if (count <= 1) return star.shape(nodes)
      return dealPieces(nodes, count)
    },
  }
}

interface Piece {
  readonly node: number
  readonly slots: number
}

function dealPieces(nodes: readonly Uplink[], strandCount: number): readonly StrandShape[] {
  const needed = nodes.length - 1
  const budgets = slotBudgets(nodes, strandCount * needed)
  const strandSlots = Array.from({ length: strandCount }, () => nodes.map(() => 0))
  const lacking = strandSlots.map(() => needed)
  const pieces = cutPieces(nodes, budgets, strandCount)
  for (const piece of pieces) {
    let left = piece.slots
    while (left > 0) {
      const strand = indexOfLargest(lacking)
      const given = Math.min(left, lacking[strand] ?? 0)
      if (given === 0) break
      const slots = strandSlots[strand] as number[]
      slots[piece.node] = (slots[piece.node] ?? 0) + given
      lacking[strand] = (lacking[strand] ?? 0) - given
      left -= given
    }
  }
  return strandSlots.map((slots) => ({ sourceSlots: 1, slots }))
}

/** Slots by node, summing to `total`, in proportion to the uplinks by largest remainder. */
function slotBudgets(nodes: readonly Uplink[], total: number): readonly number[] {
  const median = medianOf(nodes.map((node) => node.weight))
  const able = nodes.map((node) => (node.weight < median * SLOW_RATIO ? 0 : node.weight))
  const sum = able.reduce((all, weight) => all + weight, 0)
  const exact = able.map((weight) => (total * weight) / sum)
  const budgets = exact.map(Math.floor)
  const byRemainder = exact
    .map((share, node) => ({ node, rest: share - Math.floor(share) }))
    .sort((a, b) => b.rest - a.rest || a.node - b.node)
  let short = total - budgets.reduce((all, slots) => all + slots, 0)
  for (let turn = 0; short > 0; turn++, short--) {
    const node = byRemainder[turn % byRemainder.length]?.node ?? 0
    budgets[node] = (budgets[node] ?? 0) + 1
  }
  return budgets
}

function cutPieces(nodes: readonly Uplink[], budgets: readonly number[], degree: number): readonly Piece[] {
  const mean = nodes.reduce((all, node) => all + node.weight, 0) / nodes.length
  const pieces: Piece[] = []
  for (const [node, budget] of budgets.entries()) {
    const largest = Math.max(1, Math.round((degree * (nodes[node]?.weight ?? 1)) / mean))
    for (let left = budget; left > 0; left -= largest) pieces.push({ node, slots: Math.min(left, largest) })
  }
  return pieces.sort((a, b) => b.slots - a.slots || a.node - b.node)
}

function indexOfLargest(values: readonly number[]): number {
  let best = 0
  for (const [index, value] of values.entries()) if (value > (values[best] ?? 0)) best = index
  return best
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 1
}
