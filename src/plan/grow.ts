import { seededRandom, shuffled } from '../base/random.js'
import { Heap } from './heap.js'

/** In a strand: the source, as the parent of its roots. */
export const SOURCE = -1

/** One broadcast tree: by node, the index of its parent, or SOURCE. */
export type Strand = readonly number[]

/** Who takes part in a strand, and how many children each may have in it. */
export interface StrandShape {
  readonly sourceSlots: number
  /** Child slots by node. Together with the source's they are at least as many as there are nodes. */
  readonly slots: readonly number[]
  /** By node: its uplink beside the others'. Positive. */
  readonly weights: readonly number[]
  /** By node: what those below it get at most; where that differs, the fastest go first. */
  readonly paces?: readonly number[]
  /** By node: further nodes hang below it that are not in this strand, so that it goes before leaves. */
  readonly isStem?: readonly boolean[]
  /** By node: it has more slots, in all strands, than its uplink can serve in time. */
  readonly isOverloaded?: readonly boolean[]
}

interface Slot {
  readonly parent: number
  /** When this child would have its first chunk, in chunks sent at an uplink of weight 1. */
  readonly readyAt: number
  readonly order: number
}

/**
 * Grows one strand: inner nodes by degree, those overloaded last, then stems, each into the slot that is free earliest;
 * then the leaves, shuffled.
 * @returns a tree that reaches every node. Pure; O(n log n).
 */
export function growStrand(shape: StrandShape, seed: number): Strand {
  const parents = shape.slots.map(() => SOURCE)
  const free = new Heap<Slot>((a, b) => a.readyAt < b.readyAt || (a.readyAt === b.readyAt && a.order < b.order))
  let order = 0
  const open = (parent: number, count: number, startsAt: number, weight: number): void => {
    for (let child = 1; child <= count; child++) {
      free.push({ parent, readyAt: startsAt + child / weight, order: order++ })
    }
  }
  open(SOURCE, shape.sourceSlots, 0, 1)
  for (const node of placingOrder(shape, seed)) {
    const slot = free.pop()
    if (slot === undefined) continue
    parents[node] = slot.parent
    open(node, shape.slots[node] ?? 0, slot.readyAt, shape.weights[node] ?? 1)
  }
  return parents
}

function placingOrder(shape: StrandShape, seed: number): readonly number[] {
  const { slots, isStem = [], isOverloaded = [], paces = [] } = shape
  const all = slots.map((count, node) => {
    return { count, node, pace: paces[node] ?? 1, late: isOverloaded[node] === true ? 1 : 0 }
  })
  const inner = all
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.pace - a.pace || a.late - b.late || b.count - a.count || a.node - b.node)
  const childless = all.filter(({ count }) => count === 0)
  const stems = childless.filter(({ node }) => isStem[node] === true)
  const leaves = childless.filter(({ node }) => isStem[node] !== true)
  return [...inner, ...stems, ...shuffled(leaves, seededRandom(seed))].map(({ node }) => node)
}
