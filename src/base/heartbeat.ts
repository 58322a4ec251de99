import { BEATS_QUIET_MAX } from './limits.js'

/** What a beat asks for: nothing, a sign of life, or an end, for nobody is there. */
export type Beat = 'none' | 'ask' | 'gone'

/**
 * Whether the other end of a connection is there. Who says something anyway is not asked: where many nodes share a
 * slow link with content, each word costs. Counted, not timed: a stalled loop of ours is no silence.
 */
export class Heartbeat {
  #quietBeats = 0

  /** It has said something, whatever that was. */
  heard(): void {
    this.#quietBeats = 0
  }

  /** Call it every HEARTBEAT_MS. */
  beat(): Beat {
    if (this.#quietBeats >= BEATS_QUIET_MAX) return 'gone'
    this.#quietBeats += 1
    return this.#quietBeats === 1 ? 'none' : 'ask'
  }
}
