import type { Clock } from '../base/clock.js'
import { PROGRESS_INTERVAL_MS } from '../base/limits.js'
import { limitedWeight, usualUplink } from '../plan/uplinks.js'
import type { Weighing } from '../plan/weighing.js'
import type { Roster } from './roster.js'
import { tellPlans } from './sending.js'
import type { World } from './world.js'

export interface UplinksOptions {
  readonly roster: Roster
  readonly weighing: Weighing
  readonly clock: Clock
}

/** What is known of nodes' uplinks: what they were seen to give, and what they are allowed to. */
export class Uplinks {
  readonly #options: UplinksOptions
  #usualBps = 0
  #usualAtMs = Number.NEGATIVE_INFINITY

  constructor(options: UplinksOptions) {
    this.#options = options
  }

  /** What a node's uplink counts beside the others'; 1 is usual. Never more than its own limit lets it give. */
  weightOf(nodeId: string): number {
    const { roster, weighing } = this.#options
    const limitBps = roster.get(nodeId)?.limit?.rateBps ?? null
    const weight = weighing.weightOf(nodeId)
    return limitBps === null ? weight : limitedWeight(weight, limitBps, this.#usual())
  }

  /** A limit has changed: it counts at the next question. */
  limitChanged(): void {
    this.#usualAtMs = Number.NEGATIVE_INFINITY
  }

  /** It is asked for node by node, and takes a look at all of them. */
  #usual(): number {
    const { roster, weighing, clock } = this.#options
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#usualAtMs < PROGRESS_INTERVAL_MS) return this.#usualBps
    const limits = roster.all.filter(({ link }) => link !== null).map(({ limit }) => limit?.rateBps ?? null)
    this.#usualBps = usualUplink(weighing.usualBps, limits)
    this.#usualAtMs = nowMs
    return this.#usualBps
  }
}

/** Has all plans at work go by what uplinks count now, and tells nodes whose part is another. */
export function reweigh(world: World): void {
  for (const transfer of world.transfers.all) {
    const parts = transfer.reweigh((nodeId) => world.uplinks.weightOf(nodeId))
    tellPlans(world, transfer.assignmentId, parts)
  }
}
