import type { Clock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { RECONNECT_FIRST_MS, RECONNECT_MAX_MS } from '../base/limits.js'
import { whyOf } from './http.js'

export interface FollowingOptions<T> {
  readonly url: string
  readonly clock: Clock
  /** How long the coordinator may be away before following gives up, milliseconds. */
  readonly outageMsMax: number
  readonly signal?: AbortSignal | undefined
  /**
   * Calls for the events that were not seen yet; a stream that ends or breaks is called for again, and one that is
   * refused because others take all there are, for as long as it takes.
   * @param alive to be called when the coordinator gave a sign of life, beside its events.
   */
  open(alive: () => void): AsyncIterable<T>
  /** True for the event after which nothing comes. */
  isLast(event: T): boolean
}

const isAway = (error: EngineError): boolean => error.retryable && error.status >= 500

/** It is there, and has no stream left: that may last as long as others read theirs. */
const isFull = (error: unknown): boolean => error instanceof EngineError && error.code === 'ENGINE_ERR_OVERLOADED'

/** Says why a stream broke, or throws when calling again would not help. */
function whyAway(error: unknown): string {
  const known = error instanceof EngineError ? error : null
  if (known !== null && !isAway(known)) throw known
  return known?.message ?? whyOf(error)
}

/**
 * Events of a stream across its breaks: a coordinator that restarts is waited for.
 * @throws {EngineError} ENGINE_ERR_COORDINATOR_UNREACHABLE after `outageMsMax` without it, and what calling again would
 * not mend.
 */
export async function* following<T>(options: FollowingOptions<T>): AsyncGenerator<T> {
  const { url, clock, outageMsMax, signal } = options
  let awaySinceMs: number | null = null
  let waitMs = RECONNECT_FIRST_MS
  const alive = (): void => {
    awaySinceMs = null
    waitMs = RECONNECT_FIRST_MS
  }
  while (!signal?.aborted) {
    let why = 'the event stream ended early'
    try {
      for await (const event of options.open(alive)) {
        alive()
        yield event
        if (options.isLast(event)) return
      }
    } catch (error) {
      if (signal?.aborted) return
      why = whyAway(error)
      if (isFull(error)) awaySinceMs = null
    }
    awaySinceMs ??= clock.monotonicMs()
    if (clock.monotonicMs() - awaySinceMs > outageMsMax) {
      throw new EngineError('ENGINE_ERR_COORDINATOR_UNREACHABLE', { url, why })
    }
    await clock.sleep(waitMs, signal).catch(() => {})
    waitMs = Math.min(waitMs * 2, RECONNECT_MAX_MS)
  }
}
