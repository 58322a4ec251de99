import type { Clock } from '../base/clock.js'
import { TROUBLE_REPEAT_MS } from '../base/limits.js'

/** What keeps failing for the same reason is told when it begins, and then once in TROUBLE_REPEAT_MS. */
export class Troubles {
  readonly #clock: Clock
  readonly #toldMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether people are to be told of this one; if so, it counts as told. @param reason one of a few. */
  isDue(reason: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const toldMs = this.#toldMs.get(reason)
    if (toldMs !== undefined && nowMs - toldMs < TROUBLE_REPEAT_MS) return false
    this.#toldMs.set(reason, nowMs)
    return true
  }

  /** They are over: the next one is a new one. */
  clear(): void {
    this.#toldMs.clear()
  }
}
