import { jittered, type Random } from '../../base/random.js'
import { ALONE_MS, SEEK_FIRST_MS, SEEK_MS_MAX } from '../../base/word-limits.js'

const JITTER_SHARE = 0.5

/** When a node without a coordinator asks another what it missed, and which. Knows no clock and no socket. */
export class Seeking {
  readonly #random: Random
  /** Since when it is without; null: it is not. */
  #aloneSinceMs: number | null
  #nextMs = 0
  #waitMs = SEEK_FIRST_MS
  #asking = false

  /** It begins without a coordinator. */
  constructor(random: Random, nowMs: number) {
    this.#random = random
    this.#aloneSinceMs = nowMs
    this.#nextMs = nowMs + this.#jittered(ALONE_MS)
  }

  /** The coordinator is there. */
  found(): void {
    this.#aloneSinceMs = null
  }

  /** It is gone. */
  lost(nowMs: number): void {
    if (this.#aloneSinceMs !== null) return
    this.#aloneSinceMs = nowMs
    this.#waitMs = SEEK_FIRST_MS
    this.#nextMs = nowMs + this.#jittered(ALONE_MS)
  }

  /** Whether it has been without for so long that it carries on alone. */
  isAlone(nowMs: number): boolean {
    return this.#aloneSinceMs !== null && nowMs - this.#aloneSinceMs >= ALONE_MS
  }

  /** Whom to ask now; null: nobody yet. @param peers whom it knows. */
  next<T>(peers: readonly T[], nowMs: number): T | null {
    if (this.#asking || !this.isAlone(nowMs) || nowMs < this.#nextMs || peers.length === 0) return null
    this.#asking = true
    return peers[this.#random.below(peers.length)] ?? null
  }

  /** What was asked is answered, or not. @param isNews others had something new: they may have more. */
  answered(isNews: boolean, nowMs: number): void {
    this.#asking = false
    this.#nextMs = nowMs + this.#jittered(this.#waitMs)
    this.#waitMs = isNews ? SEEK_FIRST_MS : Math.min(2 * this.#waitMs, SEEK_MS_MAX)
  }

  #jittered(ms: number): number {
    return jittered(ms, JITTER_SHARE, this.#random)
  }
}
