import type { Clock } from '../base/clock.js'
import { MEASURES_KEPT } from '../base/probe-limits.js'
import type { MeasureKind } from '../model/rate.js'
import { estimateRate, type RateEstimate } from '../native/probing.js'

/** One measurement of one end of a node's links. */
export interface KeptMeasure {
  readonly how: MeasureKind
  readonly rateBps: number
  readonly spanMs: number
  /** The node at the other end; null: whoever transfers served meanwhile. */
  readonly peer: string | null
}

interface Kept extends KeptMeasure {
  readonly atMs: number
}

/** What was measured of nodes, at one end of their links, in this life of the coordinator. */
export class RateBook {
  readonly #clock: Clock
  readonly #kept = new Map<string, readonly Kept[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(nodeId: string, measure: KeptMeasure): void {
    const before = this.#kept.get(nodeId) ?? []
    // Transfers tell several times a second: the last word of them is enough.
    const others = measure.peer === null ? before.filter(({ peer }) => peer !== null) : before
    this.#kept.set(nodeId, [...others, { ...measure, atMs: this.#clock.monotonicMs() }].slice(-MEASURES_KEPT))
  }

  /**
   * What the node's own end can do: the best that is known of any of its links, since each of these is no faster than
   * its other end; what is stale counts where there is nothing else. Null: nobody has measured any.
   */
  estimate(nodeId: string): RateEstimate | null {
    return this.#bestOf(this.#kept.get(nodeId) ?? [])
  }

  /** The same of what was measured lately for its own sake; null: nothing was. */
  probed(nodeId: string): number | null {
    const best = this.#bestOf((this.#kept.get(nodeId) ?? []).filter(({ how }) => how !== 'passive'))
    return best === null || best.isStale ? null : best.rateBps
  }

  #bestOf(kept: readonly Kept[]): RateEstimate | null {
    const nowMs = this.#clock.monotonicMs()
    const peers = [...new Set(kept.map(({ peer }) => peer))]
    const all = peers.flatMap((asked) => {
      const own = kept.filter(({ peer }) => peer === asked)
      return estimateRate(own.map(({ atMs, ...measure }) => ({ ...measure, ageMs: nowMs - atMs }))) ?? []
    })
    const fresh = all.filter(({ isStale }) => !isStale)
    const [best] = (fresh.length > 0 ? fresh : all).toSorted((a, b) => b.rateBps - a.rateBps)
    return best ?? null
  }

  /** Of all that were measured lately. */
  freshRates(nodeIds: Iterable<string>): readonly number[] {
    return [...nodeIds].flatMap((nodeId) => {
      const known = this.#kept.has(nodeId) ? this.estimate(nodeId) : null
      return known === null || known.isStale ? [] : [known.rateBps]
    })
  }
}
