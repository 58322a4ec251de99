import { EngineError } from './errors.js'
import { MINUTE_MS } from './units.js'

/** Stops a timer; calling it twice does nothing. */
export type Cancel = () => void

/** All that may know the time. Rooms take one, so that tests and the simulator pass their own. */
export interface Clock {
  /** Wall clock, milliseconds since 1970; may jump. */
  nowMs(): number
  /** Never goes back; only differences mean something. */
  monotonicMs(): number
  /** Resolves after `ms`. @throws {EngineError} ENGINE_ERR_CANCELLED when `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Resolves once what has reached this process by now was read: later than all that promises have to do. */
  turn(): Promise<void>
  /** Calls `run` once after `ms`. */
  setTimer(ms: number, run: () => void): Cancel
  /** Calls `run` every `ms`. */
  setInterval(ms: number, run: () => void): Cancel
}

/** Longest wait that the platform's timers take; more would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

const clamp = (ms: number): number => Math.min(Math.max(ms, 0), TIMER_MS_MAX)

/**
 * Makes `sleep` from a clock's `setTimer`, for real and virtual clocks alike.
 * @throws {EngineError} ENGINE_ERR_CANCELLED, by rejection.
 */
export function sleepWith(setTimer: Clock['setTimer'], ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancelled = () => new EngineError('ENGINE_ERR_CANCELLED', { what: 'the wait' }, { cause: signal?.reason })
    if (signal?.aborted) {
      reject(cancelled())
      return
    }
    const onAbort = () => {
      cancel()
      reject(cancelled())
    }
    const cancel = setTimer(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** What the machine's local time is ahead of UTC at a time, in milliseconds. */
export const localOffsetMs = (atMs: number): number => -new Date(atMs).getTimezoneOffset() * MINUTE_MS

/** The machine's clock. Its timers keep the process alive until they fire or are cancelled. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleepWith((delayMs, run) => systemClock.setTimer(delayMs, run), ms, signal),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  setTimer(ms, run) {
    const timer = setTimeout(run, clamp(ms))
    return () => clearTimeout(timer)
  },
  setInterval(ms, run) {
    const timer = setInterval(run, clamp(ms))
    return () => clearInterval(timer)
  },
}
