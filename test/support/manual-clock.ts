import { type Cancel, type Clock, sleepWith } from '../../src/base/clock.js'

interface Timer {
  readonly id: number
  dueMs: number
  readonly everyMs: number | null
  readonly run: () => void
}

/** A clock that stands still until it is told to advance; timers fire in order of time, then of age. */
export class ManualClock implements Clock {
  #elapsedMs = 0
  #nextId = 1
  readonly #timers = new Map<number, Timer>()
  readonly #startMs: number

  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs
  }

  nowMs = (): number => this.#startMs + this.#elapsedMs
  monotonicMs = (): number => this.#elapsedMs
  sleep = (ms: number, signal?: AbortSignal): Promise<void> => sleepWith(this.setTimer, ms, signal)
  turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  setTimer = (ms: number, run: () => void): Cancel => this.#add(ms, null, run)
  setInterval = (ms: number, run: () => void): Cancel => this.#add(ms, Math.max(ms, 1), run)

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size
  }

  /** Moves time on by `ms`, firing what falls due on the way. */
  advance(ms: number): void {
    const endMs = this.#elapsedMs + ms
    for (let timer = this.#nextDue(endMs); timer !== undefined; timer = this.#nextDue(endMs)) {
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs)
      if (timer.everyMs === null) this.#timers.delete(timer.id)
      else timer.dueMs += timer.everyMs
      timer.run()
    }
    this.#elapsedMs = endMs
  }

  #add(ms: number, everyMs: number | null, run: () => void): Cancel {
    const id = this.#nextId++
    this.#timers.set(id, { id, dueMs: this.#elapsedMs + Math.max(ms, 0), everyMs, run })
    return () => {
      this.#timers.delete(id)
    }
  }

  #nextDue(endMs: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers.values()) {
      if (timer.dueMs <= endMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer
    }
    return first
  }
}
