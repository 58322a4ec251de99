import type { ReleaseRef } from '../model/node.js'
import type { Standing } from '../model/standing.js'
import { isSame } from './reconcile.js'

/** Whether a node is connected, and whether it has been away for so long that nobody waits for it. */
export interface PresenceFacts {
  readonly online: boolean
  readonly isSilent: boolean
}

/** How a node stands with a site, and what was told before. */
export interface SiteFacts {
  readonly target: ReleaseRef | null
  readonly live: ReleaseRef | null
  /** A job is at work that brings nodes somewhere: who is not there yet is not behind. */
  readonly isJobAtWork: boolean
}

/** What is told of it from now on, and the news of it, if it is any. */
export interface Change<T extends string> {
  readonly standing: Standing
  readonly news: T | null
}

/**
 * Whether a node joined or was lost since it was last told of; null: nothing has changed. A connection that is
 * gone for a moment is no news. Pure.
 */
export function presenceChange(
  before: Standing | null,
  { online, isSilent }: PresenceFacts,
): Change<'joined' | 'lost'> | null {
  if (online) return before === 'here' ? null : { standing: 'here', news: 'joined' }
  if (!isSilent || before === 'away') return null
  // Who was never told to be there is not lost.
  return { standing: 'away', news: before === null ? null : 'lost' }
}

/**
 * Whether a node fell behind with a site, drifted from what it served, or is right again; null: nothing has
 * changed. Pure.
 * @param before what was told last, and of which release.
 */
export function siteChange(
  before: { readonly standing: Standing; readonly release: number | null } | null,
  { target, live, isJobAtWork }: SiteFacts,
): Change<'behind' | 'drifted' | 'repaired'> | null {
  if (target === null) return null
  const wasCurrent = before?.standing === 'current' && before.release === target.release
  const wasWrong = before !== null && before.standing !== 'current'
  if (isSame(live, target)) return wasCurrent ? null : { standing: 'current', news: wasWrong ? 'repaired' : null }
  if (wasWrong) return null
  // It served this very release: nobody told it to serve another.
  if (wasCurrent) return { standing: 'drifted', news: 'drifted' }
  return isJobAtWork ? null : { standing: 'behind', news: 'behind' }
}
