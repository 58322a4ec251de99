// In: measurements of one link, of different age. Out: what they say together.
// Never: a second implementation of how measurements count.
import type { MeasureKind } from '../model/rate.js'
import { guarded } from './fault.js'
import { engine } from './load.js'

/** One measurement of some time ago. */
export interface RateMeasure {
  readonly how: MeasureKind
  readonly rateBps: number
  readonly spanMs: number
  readonly ageMs: number
}

/** What several say together. */
export interface RateEstimate {
  readonly rateBps: number
  /** Of the newest. */
  readonly ageMs: number
  /** Of the one that counts most. */
  readonly how: MeasureKind
  readonly isStale: boolean
}

/** Newer and longer ones count more. @returns null: there is none. */
export function estimateRate(measures: readonly RateMeasure[]): RateEstimate | null {
  const whole = measures.map(({ how, rateBps, spanMs, ageMs }) => {
    return { how, rateBps: Math.round(rateBps), spanMs, ageMs: Math.max(0, Math.round(ageMs)) }
  })
  return guarded(() => engine().estimateRate(whole))
}
