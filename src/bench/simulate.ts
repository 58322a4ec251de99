// In: a virtual network, what befalls its nodes, a strategy, a seed. Out: when its nodes were complete beside what no
// plan can beat, what that took of links, and how long it took by the clock on the wall.
// Never: a socket, a real node, a rule of its own about who sends to whom: the planner and the spreading core are the
// product's.
import type { Clock } from '../base/clock.js'
import type { StrategyName } from '../model/plan.js'
import { type Bound, fluidBound } from './bound.js'
import { type FaultShares, drawFaults, type Faults, SLOW_RATIO } from './faults.js'
import { curveOf, percentile, type Point } from './figures.js'
import { chunkCountOf, type Network } from './network.js'
import { segmentName, Spreading, type Standing } from './spreading.js'

export type { Bound } from './bound.js'
export type { FaultShares } from './faults.js'
export type { Point } from './figures.js'
export type { Network } from './network.js'
export { plotOf } from './plot.js'

/** A session that is not over after so many times the bound is left: by then others have told all there is to tell. */
const GIVEN_UP_AT = 32

export interface SimulationOptions {
  readonly network: Network
  readonly faults: FaultShares
  readonly strategy: StrategyName
  /** Servers at once that each feeds, of `handout` and `cascade`; absent: as many as its uplink bears. */
  readonly fanout?: number | undefined
  /** Decides who is hit, the plan, and whatever else is left to chance. */
  readonly seed: number
}

/** How far a simulation is. */
export interface SimulationProgress {
  readonly seconds: number
  readonly boundSeconds: number
  /** Of what all who live are to get. */
  readonly broughtShare: number
  readonly completeCount: number
  readonly livingCount: number
}

/** What came into a segment from the others. */
export interface SegmentFigures {
  readonly segment: string
  readonly bytesInto: number
  readonly copiesInto: number
}

/** What one strategy came to. */
export interface Simulated {
  readonly bound: Bound
  readonly figures: SimulationFigures
  readonly curve: readonly Point[]
}

export interface SimulationFigures {
  readonly strategy: StrategyName
  /** All who lived to the end got everything. */
  readonly isComplete: boolean
  readonly completeCount: number
  readonly livingCount: number
  /** When the last, the median and the 99th of a hundred nodes were complete, over the bound; null: never. */
  readonly lastRatio: number | null
  readonly medianRatio: number | null
  readonly p99Ratio: number | null
  readonly lastSeconds: number | null
  /** Bytes that left the source, over the size. */
  readonly sourceCopies: number
  /** Chunks that came to a node twice, and those that had to be asked for one by one. */
  readonly duplicateChunks: number
  readonly pulledChunks: number
  readonly segments: readonly SegmentFigures[]
  /** How often a node was found to be slow, or trusted again. */
  readonly reweighed: number
  /** By the clock on the wall. */
  readonly tookMs: number
}

/** What no plan can beat on this network, before anything fails. */
export function boundOf(network: Network, { slow }: Faults): Bound {
  const { nodeCount, sizeBytes, rateBps, segmentCount, wanRateBps } = network
  const usual = { upBps: rateBps, downBps: rateBps }
  const slowBps = rateBps * SLOW_RATIO
  const nodes = Array.from({ length: nodeCount }, (_, place) =>
    slow.has(place) ? { upBps: slowBps, downBps: slowBps } : usual,
  )
  const entries = { count: segmentCount - 1, rateBps: wanRateBps }
  return fluidBound({ sizeBytes, source: usual, nodes, entries })
}

/**
 * Runs one strategy to its end. Takes the thread for as long as it needs, and tells how far it is a few times in
 * a second of virtual time. The same options give the same result, but for `tookMs`.
 */
export function simulate(
  options: SimulationOptions,
  clock: Clock,
  tell: (progress: SimulationProgress) => void,
): Simulated {
  const { network, strategy, fanout = null, seed } = options
  const beganMs = clock.monotonicMs()
  const faults = drawFaults(network.nodeCount, options.faults, seed)
  const bound = boundOf(network, faults)
  const spreading = new Spreading({ network, faults, strategy, fanout, seed, boundSeconds: bound.seconds })
  let standing = spreading.look()
  while (!standing.isOver && standing.seconds < GIVEN_UP_AT * bound.seconds) {
    tell(progressOf(standing, bound, network))
    standing = spreading.look()
  }
  const tookMs = Math.round(clock.monotonicMs() - beganMs)
  const times = timesOf(standing, bound)
  const figures = { strategy, ...times, ...linksOf(spreading, standing, network), tookMs }
  return { bound, figures, curve: curveOf(completionsOf(standing), network.nodeCount) }
}

function progressOf(standing: Standing, bound: Bound, network: Network): SimulationProgress {
  const { seconds, nodes } = standing
  const brought = nodes.reduce((sum, { chunksHave }) => sum + chunksHave, 0)
  return {
    seconds,
    boundSeconds: bound.seconds,
    broughtShare: nodes.length === 0 ? 1 : brought / (nodes.length * chunkCountOf(network)),
    completeCount: completionsOf(standing).length,
    livingCount: nodes.length,
  }
}

/** When nodes were complete, in seconds, ascending. */
const completionsOf = ({ nodes }: Standing): readonly number[] =>
  nodes.flatMap(({ completedUs }) => (completedUs === null ? [] : [completedUs / 1_000_000])).sort((a, b) => a - b)

function timesOf(standing: Standing, bound: Bound) {
  const done = completionsOf(standing)
  const livingCount = standing.nodes.length
  const isComplete = done.length === livingCount
  const missing = Array.from({ length: livingCount - done.length }, () => Number.POSITIVE_INFINITY)
  const ratio = (share: number): number | null => {
    const seconds = percentile([...done, ...missing], share)
    return seconds === null || !Number.isFinite(seconds) ? null : seconds / bound.seconds
  }
  return {
    isComplete,
    completeCount: done.length,
    livingCount,
    lastRatio: ratio(1),
    medianRatio: ratio(0.5),
    p99Ratio: ratio(0.99),
    lastSeconds: isComplete ? (done.at(-1) ?? null) : null,
  }
}

function linksOf(spreading: Spreading, { nodes, source }: Standing, network: Network) {
  const sentBytes = chunkCountOf(network) * network.chunkBytes
  return {
    sourceCopies: source.bytesSent / sentBytes,
    duplicateChunks: nodes.reduce((sum, { duplicateChunks }) => sum + duplicateChunks, 0),
    pulledChunks: nodes.reduce((sum, { pulledChunks }) => sum + pulledChunks, 0),
    segments: spreading.bytesInto.map((bytesInto, segment) => ({
      segment: segmentName(segment),
      bytesInto,
      copiesInto: bytesInto / sentBytes,
    })),
    reweighed: spreading.reweighed,
  }
}
