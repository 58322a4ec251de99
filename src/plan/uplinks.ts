import { KIB } from '../base/units.js'
import { medianOf } from './strategies/slots.js'

/** What an uplink is taken for where nobody has measured any: what a limit is compared with until somebody has. */
const ASSUMED_BPS = 100_000_000
/** Down-line servers at once where nobody has measured what an uplink can give. */
const FANOUT = 2
/** However fast an uplink is: each further one makes all of them later. */
const FANOUT_MAX = 8

/**
 * What uplinks usually give, in bits per second.
 * @param measuredBps the median of what was measured; 0: nothing was. @param limitsBps of each node; null: none. Pure.
 */
export function usualUplink(measuredBps: number, limitsBps: readonly (number | null)[]): number {
  if (measuredBps > 0) return measuredBps
  return limitsBps.length === 0 ? ASSUMED_BPS : medianOf(limitsBps.map((limitBps) => limitBps ?? ASSUMED_BPS))
}

/** What an uplink counts that may give no more than its limit (null: there is none), however fast it is. Pure. */
export function limitedWeight(weight: number, limitBps: number | null, usualBps: number): number {
  return limitBps === null ? weight : Math.min(weight, inSteps(limitBps / usualBps))
}

/** Below this a chunk of the usual size takes 16 ms and more, for which each node on its way waits. */
const SLOW_BPS = 16_000_000
const CHUNK_BYTES_SLOW = 16 * KIB

/**
 * How large chunks are where uplinks usually give so much; 0: as the size of the content has it. On links of
 * 4 Mbit/s each hop of 64 nodes had a queue of chunks, and with half as large ones half as long a queue. Pure.
 */
export const chunkBytesFor = (uplinkBps: number): number => (uplinkBps < SLOW_BPS ? CHUNK_BYTES_SLOW : 0)

/** What one uplink counts at most: more of it finds no use beside the others. */
export const WEIGHT_MAX = 4
/** Above that a measurement is one of processors. */
const CLEAR_BPS = 2_000_000_000
/** A measurement no further from what is usual says that both are alike: trains are good to some twenty percent. */
const ALIKE_RATIO = 0.75

/** What an uplink counts that was measured. @param usualBps of those that were. Pure. */
export function measuredWeight(rateBps: number, usualBps: number): number {
  const ratio = Math.min(rateBps, CLEAR_BPS) / Math.min(Math.max(1, usualBps), CLEAR_BPS)
  return ratio >= ALIKE_RATIO && ratio <= 1 / ALIKE_RATIO ? 1 : Math.min(inSteps(ratio), WEIGHT_MAX)
}

/** What decides how many servers a node feeds at once. */
export interface Bearing {
  /** Its uplink beside the others'. */
  readonly weight: number
  /** What it can give and what one receiver takes, bits per second; null: nobody has measured it. */
  readonly uplinkBps: number | null
  readonly takesBps: number | null
  /** Of its machine: how many want to run, for each core; 0 where it did not say. */
  readonly load: number
}

/**
 * Servers at once that a node can feed: as many as its uplink fills, and where more want to run than there are cores,
 * that part of them that its processes get to run. At least one: whoever can feed nobody is left out by its weight.
 * Pure.
 */
export function fanoutOf({ weight, uplinkBps, takesBps, load }: Bearing): number {
  const filled = uplinkBps === null || takesBps === null ? FANOUT * weight : uplinkBps / Math.max(1, takesBps)
  return Math.min(FANOUT_MAX, Math.max(1, Math.round(filled / Math.max(1, load))))
}

/** What is nearly the same counts the same, or no two looks would give one plan. Pure. */
export const inSteps = (weight: number): number => 2 ** (Math.round(Math.log2(weight) * 2) / 2)
