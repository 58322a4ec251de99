import { growStrand, SOURCE, type Strand } from '../grow.js'
import type { PlanNode } from '../../model/plan.js'
import { dealSlots, overloadOf } from './slots.js'
import type { Ground, Strategy } from './strategy.js'

/**
 * How many strands a braid may have. Two of fanout two are within one percent of the best on equal links, with four
 * connections a node; more deal what uplinks can give in smaller pieces.
 */
const STRAND_COUNTS = [2, 3, 4, 6, 8]
/**
 * With one strand a braid is a path: no flow shares a link with another, and every node waits for all before it. So who
 * is slow holds up all behind it, and nothing comes another way to compare with: links have to be known before.
 */
const PATH_COUNTS = [1, ...STRAND_COUNTS]
/** Strands of a path: that run the same way they are one flow, and can run apart again at once. */
const PATH_STRANDS = 2
/** What a strand more costs in connections, acknowledgements and flows that meet, as a part of the time. */
const STRAND_COST_RATIO = 0.01
/**
 * What a node more on a path costs, as a part of the time: a chunk and its way, 40 ms of the 268 s that 128 MiB take at
 * 4 Mbit/s. Of 64 nodes that is less than a second strand costs.
 */
const PATH_COST_RATIO = 0.000_15
/** What another count costs content on its way for each node, as a part of the time: all of its links are made anew. */
const CHANGE_COST_RATIO = 0.005

/** Whoever serves more than this beside what it can give goes below the others: what it is late with, few wait for. */
const OVERLOAD_RATIO = 1.25

/** With so few segments strands go from one to the next; with more that takes longer than it gains. */
const CHAINED_SEGMENTS_MAX = 8

/** The default: a path over known links; else with two strands every node is inner in one and a leaf in the other. */
export const braid: Strategy = {
  weave(ground) {
    const count = strandCountFor(ground)
    const woven = weaveBraid(count).weave(ground)
    if (count > 1 || ground.nodes.length === 1) return woven
    return Array.from({ length: PATH_STRANDS }, () => woven).flat()
  },
}

/** The count with which the uplink that is asked for most, beside what it can give, is asked for least. */
function strandCountFor(ground: Ground): number {
  const { nodes, isKnown, strandCount = 0 } = ground
  const weights = nodes.map(({ weight }) => weight)
  const costs = (isKnown ? PATH_COUNTS : STRAND_COUNTS).map((count) => {
    const overload =
      count === 1
        ? latenessOf(weaveBraid(1).weave(ground)[0] ?? [], nodes)
        : Math.max(1, overloadOf(weights, count * Math.max(0, nodes.length - 1)) / count)
    const length = count === 1 ? nodes.length : 0
    const changed = strandCount === 0 || strandCount === Math.max(count, PATH_STRANDS) ? 0 : nodes.length
    const added = count * STRAND_COST_RATIO + length * PATH_COST_RATIO + changed * CHANGE_COST_RATIO
    return { count, cost: overload + added }
  })
  return costs.reduce((best, each) => (each.cost < best.cost ? each : best)).count
}

/**
 * How much later than it could have it the last node has all that comes by one strand. Who takes no more than its
 * own downlink lets it, and is served by others of that kind, is not late.
 */
function latenessOf(strand: Strand, nodes: readonly PlanNode[]): number {
  const counts = nodes.map(() => 0)
  for (const parent of strand) if (parent !== SOURCE) counts[parent] = (counts[parent] ?? 0) + 1
  const rates = new Map([[SOURCE, 1]])
  const rateOf = (at: number): number => {
    const way: number[] = []
    for (let next = at; !rates.has(next); next = strand[next] ?? SOURCE) way.push(next)
    for (const node of way.toReversed()) {
      const parent = strand[node] ?? SOURCE
      const share = parent === SOURCE ? 1 : (nodes[parent]?.weight ?? 1) / (counts[parent] ?? 1)
      rates.set(node, Math.min(rates.get(parent) ?? 1, share, takesOf(nodes[node])))
    }
    return rates.get(at) ?? 1
  }
  return nodes.reduce((most, node, at) => Math.max(most, takesOf(node) / rateOf(at)), 1)
}

/** What it takes of what the source can give. */
const takesOf = (node: PlanNode | undefined): number => Math.min(1, node?.takes ?? 1)

/**
 * Makes a braid of `strandCount` strands. Segments are woven as if each was one node, then the nodes of each: a strand
 * enters a segment once, by any node of it, and leaves it as often as its place in the braid of segments asks for. So
 * each way between segments carries what one uplink does among equal nodes, one copy in and at most one out.
 */
export function weaveBraid(strandCount: number): Strategy {
  return {
    weave(ground) {
      const count = Math.min(strandCount, ground.nodes.length)
      const segments = segmentsOf(ground)
      const ways = waysBetween(segments.length - 1, count, ground.seed)
      const parts = segments.map((segment, place) => {
        const served = ways.map((way) => way.flatMap((server, other) => (server === place && other > 0 ? [other] : [])))
        return weaveSegment(segment, served, ground.seed)
      })
      return ways.map((_, strand) =>
        join(
          segments,
          parts.map((part) => part[strand] as Part),
          ground.nodes.length,
        ),
      )
    },
  }
}

interface Segment {
  readonly nodes: readonly PlanNode[]
  /** Where its first node is among all. */
  readonly first: number
}

/** The source's own first, though it may have no node. */
function segmentsOf({ nodes, home }: Ground): readonly Segment[] {
  const names = [...new Set(nodes.map(({ segment }) => segment))].filter((name) => name !== home)
  const segmentOf = (name: string | null): Segment => {
    const first = nodes.findIndex(({ segment }) => segment === name)
    return { nodes: nodes.filter(({ segment }) => segment === name), first }
  }
  return [segmentOf(home), ...names.map(segmentOf)]
}

/**
 * By strand: the braid of the segments. The source's own, which is segment 0, is its root.
 * @returns by strand, by segment, the segment that serves it; 0 of itself.
 */
function waysBetween(others: number, strandCount: number, seed: number): readonly Strand[] {
  if (others <= CHAINED_SEGMENTS_MAX) return Array.from({ length: strandCount }, (_, strand) => chained(others, strand))
  const weights = Array.from({ length: others }, () => 1)
  const needs = Array.from({ length: strandCount }, () => Math.max(0, others - 1))
  return dealSlots(weights, needs).map((slots, strand) => {
    const grown = growStrand({ sourceSlots: 1, slots, weights }, seed + strand)
    return [0, ...grown.map((parent) => (parent === SOURCE ? 0 : parent + 1))]
  })
}

/**
 * A strand goes from one segment to the next, every other strand the other way round: who is last in one is first in
 * the other, and no segment sends a strand twice. So a strand that gets less of the way out of the source's segment
 * has all of it once the other is through, where one that some segment sends twice is held to half of a way.
 */
function chained(others: number, strand: number): Strand {
  const last = others
  const before = (segment: number): number => (strand % 2 === 0 ? segment - 1 : segment === last ? 0 : segment + 1)
  return Array.from({ length: others + 1 }, (_, segment) => (segment === 0 ? 0 : before(segment)))
}

/** One strand within a segment: by node of it, and then by segment that it serves, the place of who serves them. */
interface Part {
  readonly served: readonly number[]
  readonly parents: Strand
}

/** Weaves the nodes of one segment, with a place for each segment that it serves. */
function weaveSegment(segment: Segment, served: readonly (readonly number[])[], seed: number): readonly Part[] {
  const weights = segment.nodes.map(({ weight }) => weight)
  const needs = served.map((segments) => Math.max(0, weights.length - 1 + segments.length))
  const dealt = dealSlots(weights, needs)
  const isOverloaded = weights.map((weight, node) => {
    const all = dealt.reduce((sum, slots) => sum + (slots[node] ?? 0), 0)
    return all > weight * needs.length * OVERLOAD_RATIO
  })
  return dealt.map((own, strand) => {
    const stems = served[strand] ?? []
    const shape = {
      sourceSlots: 1,
      slots: [...own, ...stems.map(() => 0)],
      weights: [...weights, ...stems.map(() => 1)],
      ...(needs.length === 1 ? { paces: [...segment.nodes.map(paceOf), ...stems.map(() => 1)] } : {}),
      isStem: [...own.map(() => false), ...stems.map(() => true)],
      isOverloaded,
    }
    return { served: stems, parents: growStrand(shape, seed + strand) }
  })
}

/** On a path those below a node get no more than it takes, and gives. */
const paceOf = (node: PlanNode): number => Math.min(takesOf(node), node.weight)

/** Puts the parts of one strand together. */
function join(segments: readonly Segment[], parts: readonly Part[], nodeCount: number): Strand {
  const entries = segments.map(() => SOURCE)
  for (const [place, { served, parents }] of parts.entries()) {
    const { first, nodes } = segments[place] as Segment
    for (const [step, other] of served.entries()) {
      const server = parents[nodes.length + step] ?? SOURCE
      entries[other] = server === SOURCE ? SOURCE : first + server
    }
  }
  const woven = Array.from({ length: nodeCount }, () => SOURCE)
  for (const [place, { parents }] of parts.entries()) {
    const { first, nodes } = segments[place] as Segment
    for (const at of nodes.keys()) {
      const parent = parents[at] ?? SOURCE
      woven[first + at] = parent === SOURCE ? (entries[place] ?? SOURCE) : first + parent
    }
  }
  return woven
}
