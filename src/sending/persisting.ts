import type { Clock } from '../base/clock.js'
import { type EngineError, toEngineError } from '../base/errors.js'
import { RECONNECT_FIRST_MS, RECONNECT_MAX_MS, STREAM_OUTAGE_MS_MAX } from '../base/limits.js'

const final = [
  'ENGINE_ERR_DIGEST_MISMATCH',
  'ENGINE_ERR_CANCELLED',
  'ENGINE_ERR_NO_SPACE',
  'ENGINE_ERR_UPLOAD_INCOMPLETE',
]

/** Whether asking again may help: a coordinator that is away or busy, a place in a content that is another. */
const isPassing = (error: EngineError): boolean => error.retryable && !final.includes(error.code)

export interface Persistence {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Names an error in the words of who is told. */
  readonly named?: (error: unknown) => EngineError
}

/**
 * Does something that may be done again, until it comes to an end. What passes is waited for: STREAM_OUTAGE_MS_MAX at
 * most from the first failure on, and anew from each that follows some progress, so that a long transfer is given up
 * no sooner than a short one.
 * @param work  calls `alive` when it got further than it ever was.
 * @throws {EngineError} what does not pass.
 */
export async function persist<T>(
  { clock, signal, named = toEngineError }: Persistence,
  work: (alive: () => void) => Promise<T>,
): Promise<T> {
  let failingSinceMs: number | null = null
  let waitMs = RECONNECT_FIRST_MS
  const alive = (): void => {
    failingSinceMs = null
    waitMs = RECONNECT_FIRST_MS
  }
  for (;;) {
    try {
      return await work(alive)
    } catch (error) {
      const known = named(error)
      const nowMs = clock.monotonicMs()
      failingSinceMs ??= nowMs
      if (signal.aborted || !isPassing(known) || nowMs - failingSinceMs > STREAM_OUTAGE_MS_MAX) throw known
    }
    await clock.sleep(waitMs, signal)
    waitMs = Math.min(waitMs * 2, RECONNECT_MAX_MS)
  }
}
