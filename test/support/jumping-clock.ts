import { type Clock, systemClock } from '../../src/base/clock.js'

/** The system's clock, but the time on the wall can be put ahead. */
export function jumpingClock(): { readonly clock: Clock; later(ms: number): void } {
  let aheadMs = 0
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs }
  return { clock, later: (ms) => void (aheadMs += ms) }
}
