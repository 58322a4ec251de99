import { DAY_MS, MINUTE_MS } from '../base/units.js'
import type { JobPolicy, TimeWindow } from '../model/job.js'

type Times = Pick<JobPolicy, 'startAtMs' | 'window' | 'deadlineMs'>

/**
 * When a job may start at the earliest: at its time, and within its window. Pure.
 * @param zoneOffsetMs  what local time is ahead of UTC.
 * @returns `nowMs` when it may start now; wall clock, else later.
 */
export function earliestStartMs({ startAtMs, window }: Times, nowMs: number, zoneOffsetMs: number): number {
  const fromMs = Math.max(nowMs, startAtMs ?? 0)
  if (window === undefined) return fromMs
  const localMs = fromMs + zoneOffsetMs
  const dayMs = Math.floor(localMs / DAY_MS) * DAY_MS
  if (isWithin(window, Math.floor((localMs - dayMs) / MINUTE_MS))) return fromMs
  const opensMs = dayMs + window.fromMinute * MINUTE_MS
  return (opensMs > localMs ? opensMs : opensMs + DAY_MS) - zoneOffsetMs
}

/** When a job must have decided; null: whenever. It counts from when the job might have started. Pure. */
export function deadlineAtMs(times: Times, createdAtMs: number, zoneOffsetMs: number): number | null {
  if (times.deadlineMs === undefined) return null
  return earliestStartMs(times, createdAtMs, zoneOffsetMs) + times.deadlineMs
}

/** A window over midnight has its end before its beginning. */
function isWithin({ fromMinute, toMinute }: TimeWindow, minute: number): boolean {
  return fromMinute < toMinute ? fromMinute <= minute && minute < toMinute : fromMinute <= minute || minute < toMinute
}
