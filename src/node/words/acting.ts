import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/log.js'
import { WORD_RETRY_MS, WORD_RETRY_MS_MAX } from '../../base/word-limits.js'
import type { Commit, Execute } from '../../control/schema/channel.js'
import type { Ledger } from '../ledger.js'
import { isHeld, isLive, wordsOf } from '../state.js'
import type { Shelf } from './shelf.js'
import { type Step, stepsOf } from './steps.js'

export interface ActingOptions {
  readonly nodeId: string
  readonly ledger: Ledger
  readonly shelf: Shelf
  readonly clock: Clock
  readonly log: Logger
  /** Carries an order out as one of the coordinator is; settles when it is answered. Does not throw. */
  readonly carryOut: (order: Commit | Execute) => Promise<void>
  /** Whether it is being carried out already, whoever gave it. */
  readonly isUnderWay: (order: Commit | Execute) => boolean
}

interface FailedStep {
  readonly revision: number
  readonly waitMs: number
  /** On the monotonic clock. */
  readonly retryAtMs: number
}

/** Carries out what words ask of this node, site by site, in the order in which it was decided. */
export class Acting {
  readonly #options: ActingOptions
  readonly #atWork = new Set<string>()
  /** By site: the step that came to nothing last. */
  readonly #failed = new Map<string, FailedStep>()
  #closed = false

  constructor(options: ActingOptions) {
    this.#options = options
  }

  /** Does what is left to do of a site's words, as far as it can be done now. @param via who gave the newest. */
  async act(site: string, via: (step: Step) => string): Promise<void> {
    if (this.#atWork.has(site)) return
    this.#atWork.add(site)
    try {
      for (let step = this.#next(site); step !== null && !this.#closed; step = this.#next(site)) {
        const { order, revision } = step
        const { jobId, number } = order
        const facts = { site, jobId, number, command: order.type === 'commit' ? order.command : order.command.type }
        this.#options.log.info({ ...facts, via: via(step) }, 'a command came without the coordinator')
        await this.#options.carryOut(order)
        if (this.#first(site)?.revision === revision) this.#noteFailed(site, revision)
      }
    } finally {
      this.#atWork.delete(site)
    }
  }

  #noteFailed(site: string, revision: number): void {
    const before = this.#failed.get(site)
    const waitMs = before?.revision === revision ? Math.min(2 * before.waitMs, WORD_RETRY_MS_MAX) : WORD_RETRY_MS
    this.#failed.set(site, { revision, waitMs, retryAtMs: this.#options.clock.monotonicMs() + waitMs })
  }

  /** Notes that what should be live is: words that say so have nothing to switch, whatever is live later. */
  async noteLive(site: string): Promise<void> {
    const { ledger, shelf } = this.#options
    const { state } = ledger
    const target = shelf.of(site).at(-1)?.word.target ?? null
    if (target === null || !isLive(state, site, target)) return
    const { switched, settled } = wordsOf(state, site)
    if (target.revision > switched) await ledger.record({ type: 'words', site, switched: target.revision, settled })
  }

  close(): void {
    this.#closed = true
  }

  #first(site: string): Step | null {
    const { ledger, shelf, nodeId } = this.#options
    return stepsOf(ledger.state, site, shelf.of(site), nodeId)[0] ?? null
  }

  /** The first step, when it can be taken now. */
  #next(site: string): Step | null {
    const { ledger, clock, isUnderWay } = this.#options
    const step = this.#first(site)
    if (step === null || isUnderWay(step.order)) return null
    // What waits for content, or for its next attempt, holds up what was decided after it.
    if (step.do === 'switch' && !isHeld(ledger.state, site, step.order)) return null
    const failed = this.#failed.get(site)
    if (failed?.revision === step.revision && clock.monotonicMs() < failed.retryAtMs) return null
    return step
  }
}
