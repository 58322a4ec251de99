import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { jittered, type Random } from '../base/random.js'
import type { Ledger } from './ledger.js'
import type { Verifications } from './verifying.js'

export interface VerifyScheduleOptions {
  readonly verifications: Pick<Verifications, 'verify' | 'judgeSuspects'>
  readonly ledger: Ledger
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** From the end of one round to the start of the next, about; null: never on its own. */
  readonly everyMs: number | null
  readonly rateBps: number
}

/** A thousand nodes that started together do not read their disks together. */
const JITTER = 1 / 3

/** Verifies what is live on a node, site after site, again and again. */
export class VerifySchedule {
  readonly #options: VerifyScheduleOptions
  readonly #closing = new AbortController()
  #cancel: Cancel = () => {}
  #round: Promise<void> = Promise.resolve()

  constructor(options: VerifyScheduleOptions) {
    this.#options = options
  }

  /** Judges what an earlier life left in doubt, then begins to wait for the first round. */
  start(): void {
    this.#round = this.#suspects()
    this.#wait()
  }

  /** Stops what is being read and begins no more. */
  async close(): Promise<void> {
    this.#cancel()
    this.#closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
    await this.#round
  }

  #wait(): void {
    const { everyMs, clock, random } = this.#options
    if (everyMs === null || this.#closing.signal.aborted) return
    this.#cancel = clock.setTimer(jittered(everyMs, JITTER, random), () => {
      this.#round = this.#verifyAll().finally(() => this.#wait())
    })
  }

  async #verifyAll(): Promise<void> {
    const { ledger, verifications, rateBps } = this.#options
    for (const [site, { live }] of ledger.state.sites) {
      if (live === null) continue
      const request = { site, release: null, rateBps, repair: false }
      await this.#attempt(site, () => verifications.verify(request, this.#closing.signal))
    }
  }

  async #suspects(): Promise<void> {
    const { ledger, verifications, rateBps } = this.#options
    for (const site of ledger.state.sites.keys()) {
      await this.#attempt(site, () => verifications.judgeSuspects(site, rateBps, this.#closing.signal))
    }
  }

  async #attempt(site: string, work: () => Promise<unknown>): Promise<void> {
    if (this.#closing.signal.aborted) return
    try {
      await work()
    } catch (error) {
      if (this.#closing.signal.aborted) return
      this.#options.log.warn({ err: toEngineError(error), site }, 'a site could not be verified')
    }
  }
}
