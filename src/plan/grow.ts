import { seededRandom, shuffled } from '../base/random.js'
import { Heap } from './heap.js'
import type { PlanNode } from './order.js'
import type { StrandShape } from './strategies/strategy.js'

/** In a strand: the source, as the parent of its roots. */
export const SOURCE = -1

/** One broadcast tree: by node, the index of its parent, or SOURCE. */
export type Strand = readonly number[]

interface Slot {
  readonly parent: number
  /** When this child would have its first chunk, in chunks sent at an uplink of weight 1. */
  readonly readyAt: number
  readonly order: number
  taken: boolean
}

/**
 * Grows one strand: inner nodes by degree, each into the slot that is free earliest, then the leaves,
 * shuffled. A node prefers slots of its own segment, so a strand enters a segment once as long as the
 * segment has slots left.
 * @returns a tree that reaches every node. Pure; O(n log n).
 */
export function growStrand(nodes: readonly PlanNode[], shape: StrandShape, seed: number): Strand {
  const parents = nodes.map(() => SOURCE)
  const slots = new FreeSlots()
  slots.add({ parent: SOURCE, segment: null, count: shape.sourceSlots, startsAt: 0, weight: 1 })
  for (const node of placingOrder(shape, seed)) {
    const { segment, weight } = nodes[node] as PlanNode
    const slot = slots.take(segment)
    if (slot === undefined) continue
    parents[node] = slot.parent
    slots.add({ parent: node, segment, count: shape.slots[node] ?? 0, startsAt: slot.readyAt, weight })
  }
  return parents
}

function placingOrder(shape: StrandShape, seed: number): readonly number[] {
  const all = shape.slots.map((count, node) => ({ count, node }))
  const inner = all.filter((item) => item.count > 0).sort((a, b) => b.count - a.count || a.node - b.node)
  const leaves = shuffled(
    all.filter((item) => item.count === 0),
    seededRandom(seed),
  )
  return [...inner, ...leaves].map((item) => item.node)
}

/** The open slots. The source's are everybody's; a node's are first for its own segment. */
class FreeSlots {
  readonly #all = new Heap<Slot>(earlier)
  readonly #ofSource = new Heap<Slot>(earlier)
  readonly #bySegment = new Map<string, Heap<Slot>>()
  #order = 0

  add(of: { parent: number; segment: string | null; count: number; startsAt: number; weight: number }): void {
    const near = of.segment === null ? this.#ofSource : this.#heapOf(of.segment)
    for (let child = 1; child <= of.count; child++) {
      const readyAt = of.startsAt + child / of.weight
      const slot: Slot = { parent: of.parent, readyAt, order: this.#order++, taken: false }
      this.#all.push(slot)
      near.push(slot)
    }
  }

  take(segment: string): Slot | undefined {
    const own = nextFree(this.#heapOf(segment))
    const root = nextFree(this.#ofSource)
    const near = own !== undefined && (root === undefined || earlier(own, root)) ? own : root
    const slot = near ?? nextFree(this.#all)
    if (slot !== undefined) slot.taken = true
    return slot
  }

  #heapOf(segment: string): Heap<Slot> {
    const heap = this.#bySegment.get(segment) ?? new Heap<Slot>(earlier)
    this.#bySegment.set(segment, heap)
    return heap
  }
}

/** The earliest slot that is not taken; it stays in the heap until it is. */
function nextFree(heap: Heap<Slot>): Slot | undefined {
  while (heap.peek()?.taken === true) heap.pop()
  return heap.peek()
}

function earlier(a: Slot, b: Slot): boolean {
  return a.readyAt < b.readyAt || (a.readyAt === b.readyAt && a.order < b.order)
}
