// In: a limit as people write it, the time. Out: the relay's rate, changed when its time comes.
// Never: a limit that was not checked before the old one is left.
import { type Cancel, type Clock, localOffsetMs } from '../base/clock.js'
import { RATE_LIMIT_LOOK_MS } from '../base/policy-limits.js'
import { type Bandwidth, bandwidthAt, type BandwidthView, nextChangeMs, parseBandwidth } from '../model/bandwidth.js'

export interface RateLimitOptions {
  readonly relay: { setRate(rateBps: number | null): void }
  readonly clock: Clock
  /** As `parseBandwidth` reads it. */
  readonly bandwidth: string
}

/** Keeps a relay to a limit, which may change with the time of the week. */
export class RateLimit {
  readonly #options: RateLimitOptions
  #text: string
  #bandwidth: Bandwidth
  #rateBps: number | null = null
  #cancel: Cancel | null = null
  #onChange: (view: BandwidthView) => void = () => {}

  /** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT. */
  constructor(options: RateLimitOptions) {
    this.#options = options
    this.#text = options.bandwidth
    this.#bandwidth = parseBandwidth(options.bandwidth)
    this.#apply()
  }

  get view(): BandwidthView {
    return { bandwidth: this.#text, rateBps: this.#rateBps }
  }

  /** Who is told when the limit in force, or what was written, has changed. */
  onChange(tell: (view: BandwidthView) => void): void {
    this.#onChange = tell
  }

  /** From here on another limit. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT: the old one stays. */
  set(bandwidth: string): void {
    this.#bandwidth = parseBandwidth(bandwidth)
    this.#text = bandwidth
    this.#apply()
    this.#onChange(this.view)
  }

  /** The last limit stays in force. */
  close(): void {
    this.#cancel?.()
    this.#cancel = null
  }

  #apply(): void {
    const { clock, relay } = this.#options
    this.close()
    const nowMs = clock.nowMs()
    const localMs = nowMs + localOffsetMs(nowMs)
    this.#rateBps = bandwidthAt(this.#bandwidth, localMs)
    relay.setRate(this.#rateBps)
    const changeMs = nextChangeMs(this.#bandwidth, localMs)
    // Not all at once: wall clocks jump, and summer time begins.
    if (changeMs !== null) this.#cancel = clock.setTimer(Math.min(changeMs, RATE_LIMIT_LOOK_MS), () => this.#look())
  }

  #look(): void {
    const before = this.#rateBps
    this.#apply()
    if (this.#rateBps !== before) this.#onChange(this.view)
  }
}
