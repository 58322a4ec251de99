// In: which strategies, fleets, rates and faults are compared, and what each run brought. Out: the runs in their order,
// what is left out and why, a row for each thing compared, curves. Pure: runs are made by the command.
import { BANDWIDTH_BPS_MIN } from '../base/policy-limits.js'
import { BITS_PER_BYTE, GIB, SECOND_MS } from '../base/units.js'
import type { StrategyName } from '../model/plan.js'
import { curveOf, median, percentile, type Point } from './figures.js'

/** What befalls one node half-way: it is killed, its uplink is slowed down, it is stopped without a word. */
export const fanoutFaults = ['none', 'killed', 'slow', 'paused'] as const
export type FanoutFault = (typeof fanoutFaults)[number]

/** What is left of the rate at which a node sends that is slowed down. */
export const SLOWED_RATIO = 0.05

/** One thing that is compared with others. */
export interface FanoutCase {
  readonly strategy: StrategyName
  readonly nodeCount: number
  /** Of the source and of each node. */
  readonly rateBps: number
  readonly fault: FanoutFault
}

export interface FanoutAsked {
  readonly strategies: readonly StrategyName[]
  readonly nodeCounts: readonly number[]
  readonly ratesBps: readonly number[]
  readonly faults: readonly FanoutFault[]
  readonly sizeBytes: number
  readonly repetitions: number
}

/** A case that cannot be, and why. */
export interface LeftOut extends Omit<FanoutCase, 'strategy'> {
  readonly why: string
}

/** What one run brought. */
export interface FanoutRun {
  readonly case: FanoutCase
  readonly repetition: number
  /** When each node had every byte, in seconds after the order, ascending; of those that were to be complete. */
  readonly arrivals: readonly number[]
  /** Nodes that were to be complete: not who was killed or paused. */
  readonly awaited: number
  /** Bytes of content that left the source, over the size. */
  readonly sourceCopies: number
  /** Of all processes together, from the order until the last node was complete. */
  readonly cpuSeconds: number
  /** How busy all cores of the machine were meanwhile: 0–1. */
  readonly busyRatio: number
  /** Why it counts for nothing; null: every copy was compared with the source and is the same. */
  readonly failure: string | null
}

/** A case after all of its repetitions. Times are medians, over size ÷ rate. */
export interface FanoutRow extends FanoutCase {
  readonly runs: number
  readonly failed: readonly string[]
  readonly lastRatio: number | null
  readonly medianRatio: number | null
  /** Of the last node, over all repetitions. */
  readonly leastRatio: number | null
  readonly mostRatio: number | null
  readonly lastSeconds: number | null
  readonly sourceCopies: number | null
  readonly cpuSecondsPerGib: number | null
  readonly busyRatio: number | null
}

/** What one link needs for one copy: no strategy is faster. */
export const boundSecondsOf = (sizeBytes: number, { rateBps }: Pick<FanoutCase, 'rateBps'>): number =>
  (sizeBytes * BITS_PER_BYTE) / rateBps

/** A run that is not over by then is given up: four times what the slowest strategy takes, and a start. */
export const patienceMsOf = (sizeBytes: number, { nodeCount, rateBps }: FanoutCase): number =>
  60 * SECOND_MS + 4 * nodeCount * boundSecondsOf(sizeBytes, { rateBps }) * SECOND_MS

/** What is run, in its order: strategies take turns within each repetition, so that none has a better hour. */
export function runsOf(asked: FanoutAsked, hasPacer: boolean): { runs: FanoutCase[][]; leftOut: LeftOut[] } {
  const settings = asked.nodeCounts.flatMap((nodeCount) =>
    asked.ratesBps.flatMap((rateBps) => asked.faults.map((fault) => ({ nodeCount, rateBps, fault }))),
  )
  const judged = settings.map((setting) => ({ ...setting, why: whyNot(setting, hasPacer) }))
  const once = judged.flatMap(({ why, nodeCount, rateBps, fault }) =>
    why === null ? asked.strategies.map((strategy) => ({ strategy, nodeCount, rateBps, fault })) : [],
  )
  return {
    runs: Array.from({ length: asked.repetitions }, () => once),
    leftOut: judged.flatMap((each) => (each.why === null ? [] : [{ ...each, why: each.why }])),
  }
}

function whyNot({ nodeCount, rateBps, fault }: Omit<FanoutCase, 'strategy'>, hasPacer: boolean): string | null {
  if (fault === 'none') return null
  if (nodeCount < 2) return 'nobody would be left'
  if (fault !== 'slow' || !hasPacer || rateBps * SLOWED_RATIO >= BANDWIDTH_BPS_MIN) return null
  return 'a twentieth of this rate is less than the least limit'
}

/** The cases in the order in which they were first run, each with what its repetitions came to. */
export function rowsOf(runs: readonly FanoutRun[], sizeBytes: number): readonly FanoutRow[] {
  return groupsOf(runs, (run) => run.case).map((own) => rowOf(own, sizeBytes))
}

/** What has the same words, together, in the order in which it came. Pure. */
export function groupsOf<T>(all: readonly T[], wordsOf: (each: T) => object): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>()
  for (const each of all) {
    const words = JSON.stringify(wordsOf(each))
    groups.set(words, [...(groups.get(words) ?? []), each])
  }
  return [...groups.values()]
}

function rowOf(all: readonly FanoutRun[], sizeBytes: number): FanoutRow {
  const what = (all[0] as FanoutRun).case
  const own = all.filter(({ failure }) => failure === null)
  const boundSeconds = boundSecondsOf(sizeBytes, what)
  const lasts = own.map(({ arrivals }) => arrivals.at(-1) ?? 0)
  const over = (seconds: number | null): number | null => (seconds === null ? null : rounded(seconds / boundSeconds))
  const typical = (figure: (run: FanoutRun) => number): number | null => median(own.map(figure))
  return {
    ...what,
    runs: all.length,
    failed: all.flatMap(({ failure }) => (failure === null ? [] : [failure])),
    lastRatio: over(median(lasts)),
    medianRatio: over(typical(({ arrivals }) => percentile(arrivals, 0.5) ?? 0)),
    leastRatio: over(own.length === 0 ? null : Math.min(...lasts)),
    mostRatio: over(own.length === 0 ? null : Math.max(...lasts)),
    lastSeconds: rounded(median(lasts)),
    sourceCopies: rounded(typical((run) => run.sourceCopies)),
    cpuSecondsPerGib: rounded(typical((run) => run.cpuSeconds / ((run.arrivals.length * sizeBytes) / GIB))),
    busyRatio: rounded(typical((run) => run.busyRatio)),
  }
}

function rounded(value: number): number
function rounded(value: number | null): number | null
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000
}

/** The share of nodes that were complete, over time, of all repetitions of a case together. */
export function fanoutCurve(runs: readonly FanoutRun[]): readonly Point[] {
  const good = runs.filter(({ failure }) => failure === null)
  const arrivals = good.flatMap((run) => run.arrivals).toSorted((a, b) => a - b)
  const total = good.reduce((sum, { awaited }) => sum + awaited, 0)
  return curveOf(arrivals, Math.max(1, total))
}
