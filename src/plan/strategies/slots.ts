/** Uplinks below this share of the median one forward nothing, as long as the others suffice. */
export const SLOW_RATIO = 0.4

/** Whether a link is so slow that it forwards nothing. @param usual the middle weight of the same plan. Pure. */
export const isSlow = (weight: number, usual: number): boolean => weight < usual * SLOW_RATIO

/** What weights of a plan count beside: its middle one; 1 where there is none. Pure. */
export const usualWeight = (nodes: readonly { readonly weight: number }[]): number =>
  medianOf(nodes.map(({ weight }) => weight))

/**
 * Deals child slots: as many as each strand needs, to each node in proportion to its uplink, in pieces no larger than
 * its fair degree, and the largest piece goes first to the strand that lacks most. So on equal links a node is inner in
 * one strand.
 * @param weights by node: its uplink beside the others'; positive. @param needs by strand: slots.
 * @returns by strand, by node, its slots; none at all where there is no node. Pure.
 */
export function dealSlots(weights: readonly number[], needs: readonly number[]): readonly (readonly number[])[] {
  const dealt = needs.map(() => weights.map(() => 0))
  const lacking = [...needs]
  const budgets = slotBudgets(
    weights,
    needs.reduce((all, need) => all + need, 0),
  )
  for (const piece of cutPieces(weights, budgets, needs.length)) {
    let left = piece.slots
    while (left > 0) {
      const strand = indexOfLargest(lacking)
      const given = Math.min(left, lacking[strand] ?? 0)
      if (given === 0) break
      const slots = dealt[strand] as number[]
      slots[piece.node] = (slots[piece.node] ?? 0) + given
      lacking[strand] = (lacking[strand] ?? 0) - given
      left -= given
    }
  }
  return dealt
}

/** The most slots that a node has beside its weight when `total` of them are dealt. Pure. */
export function overloadOf(weights: readonly number[], total: number): number {
  const budgets = slotBudgets(weights, total)
  return budgets.reduce((most, slots, node) => Math.max(most, slots / (weights[node] ?? 1)), 0)
}

interface Piece {
  readonly node: number
  readonly slots: number
}

/** Slots by node, summing to `total`, in proportion to the uplinks by largest remainder. */
function slotBudgets(weights: readonly number[], total: number): readonly number[] {
  const usual = medianOf(weights)
  const able = weights.map((weight) => (isSlow(weight, usual) ? 0 : weight))
  const sum = able.reduce((all, weight) => all + weight, 0)
  const exact = able.map((weight) => (total * weight) / sum)
  const budgets = exact.map(Math.floor)
  const byRemainder = exact
    .map((share, node) => ({ node, rest: share - Math.floor(share) }))
    .sort((a, b) => b.rest - a.rest || a.node - b.node)
  let short = total - budgets.reduce((all, slots) => all + slots, 0)
  for (let turn = 0; short > 0 && byRemainder.length > 0; turn++, short--) {
    const node = byRemainder[turn % byRemainder.length]?.node ?? 0
    budgets[node] = (budgets[node] ?? 0) + 1
  }
  return budgets
}

function cutPieces(weights: readonly number[], budgets: readonly number[], degree: number): readonly Piece[] {
  const mean = weights.reduce((all, weight) => all + weight, 0) / weights.length
  const pieces: Piece[] = []
  for (const [node, budget] of budgets.entries()) {
    const largest = Math.max(1, Math.round((degree * (weights[node] ?? 1)) / mean))
    for (let left = budget; left > 0; left -= largest) pieces.push({ node, slots: Math.min(left, largest) })
  }
  return pieces.sort((a, b) => b.slots - a.slots || a.node - b.node)
}

function indexOfLargest(values: readonly number[]): number {
  let best = 0
  for (const [index, value] of values.entries()) if (value > (values[best] ?? 0)) best = index
  return best
}

/** 1 where there are none. Pure. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 1
}
