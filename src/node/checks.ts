import { EngineError, toEngineError } from '../base/errors.js'
import { CHECKS_WAITING_MAX } from '../base/verify-limits.js'
import type { Check, Drift, FromNode } from '../control/schema/channel.js'
import type { Verification } from '../model/verification.js'
import type { Verifications } from './verifying.js'

export interface ChecksOptions {
  readonly verifications: Pick<Verifications, 'verify'>
  /** @returns false when no coordinator is there. */
  readonly send: (message: FromNode) => boolean
}

/** What the coordinator wants to know now, outside of any job; and what it should know without asking. */
export class Checks {
  readonly #options: ChecksOptions
  readonly #closing = new AbortController()
  readonly #untold: Drift[] = []
  #last: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(options: ChecksOptions) {
    this.#options = options
  }

  /** Reads what is asked for and answers, one after the other. */
  check({ checkId, site, release, rateBps, repair }: Check): void {
    const answer = (found: Verification | null, error: unknown): void => {
      const told = error === null ? null : toEngineError(error).toReport()
      this.#options.send({ type: 'checked', checkId, found, error: told })
    }
    if (this.#waiting >= CHECKS_WAITING_MAX) {
      answer(null, new EngineError('ENGINE_ERR_OVERLOADED', { what: 'verifications' }))
      return
    }
    this.#waiting += 1
    this.#last = this.#last
      .then(() => this.#options.verifications.verify({ site, release, rateBps, repair }, this.#closing.signal))
      .then(
        (found) => answer(found, null),
        (error: unknown) => answer(null, error),
      )
      .finally(() => {
        this.#waiting -= 1
      })
  }

  /** Tells of damage; what nobody was there to hear is told when somebody is. */
  tell(found: Verification): void {
    const drift: Drift = { type: 'drift', found }
    if (!this.#options.send(drift)) this.#untold.push(drift)
    while (this.#untold.length > CHECKS_WAITING_MAX) this.#untold.shift()
  }

  /** A coordinator is there. */
  resend(): void {
    for (const drift of this.#untold.splice(0)) if (!this.#options.send(drift)) this.#untold.push(drift)
  }

  async close(): Promise<void> {
    this.#closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
    await this.#last
  }
}
