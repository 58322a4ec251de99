import { EngineError } from '../base/errors.js'
import { formatDuration } from '../base/quantities.js'
import type { CommandRequest } from '../model/job.js'
import type { Hold } from '../model/site.js'

/** The hold that is in force at a time; one that has ended by itself is none. Pure. */
export function holdAt(hold: Hold | null, nowMs: number): Hold | null {
  return hold === null || (hold.untilMs !== null && hold.untilMs <= nowMs) ? null : hold
}

/** Which of two holds stands: what ends later is not shortened by what is asked after it. Pure. */
export function laterHold(before: Hold | null, asked: Hold): Hold {
  if (before === null) return asked
  const end = (hold: Hold): number => hold.untilMs ?? Number.POSITIVE_INFINITY
  return end(before) > end(asked) ? before : asked
}

/** Whether commands would make another release live; going back to an older one is always allowed. Pure. */
export function goesOn(commands: readonly CommandRequest[]): boolean {
  return commands.some(({ type }) => type === 'commit')
}

/** @throws {EngineError} ENGINE_ERR_SITE_HELD while a site is held. */
export function checkHold(site: string, hold: Hold | null, nowMs: number): void {
  const held = holdAt(hold, nowMs)
  if (held === null) return
  const until = held.untilMs === null ? 'until it is resumed' : `for another ${formatDuration(held.untilMs - nowMs)}`
  throw new EngineError('ENGINE_ERR_SITE_HELD', { site, reason: held.reason, until })
}
