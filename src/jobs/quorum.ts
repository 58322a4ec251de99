import { EngineError } from '../base/errors.js'
import type { JobNodeState, JobPolicy } from '../model/job.js'

export interface QuorumCount {
  /** `waiting`: a node is still at work; `reached`: enough hold the release; `missed`: too few can. */
  readonly verdict: 'waiting' | 'reached' | 'missed'
  readonly ready: number
  readonly needed: number
  readonly total: number
}

const ready: ReadonlySet<JobNodeState> = new Set(['staged', 'live'])
const out: ReadonlySet<JobNodeState> = new Set(['behind', 'failed'])

/**
 * Judges whether a release may be switched to. Everyone who answers is waited for; then the share of
 * the whole group that is ready decides; who has departed is none of it. At least one node must be ready. Pure.
 * @param quorum share (0–1) of the group.
 */
export function judgeQuorum(all: readonly JobNodeState[], quorum: number): QuorumCount {
  const states = all.filter((state) => state !== 'departed')
  const total = states.length
  const needed = Math.max(1, Math.ceil(total * quorum - 1e-9))
  const readyCount = states.filter((state) => ready.has(state)).length
  const pending = states.filter((state) => !ready.has(state) && !out.has(state)).length
  const counts = { ready: readyCount, needed, total }
  if (readyCount + pending < needed) return { verdict: 'missed', ...counts }
  if (pending > 0) return { verdict: 'waiting', ...counts }
  return { verdict: 'reached', ...counts }
}

/** The share of nodes that a job needs: each for itself, one is enough. Pure. */
export const neededShare = ({ commit, quorum }: Pick<JobPolicy, 'commit' | 'quorum'>): number =>
  commit === 'each' ? 0 : quorum

/** What a missed quorum is told as. @param are  what too few nodes do. */
export function quorumError({ ready: count, needed, total }: QuorumCount, are = 'are ready'): EngineError {
  return new EngineError('ENGINE_ERR_QUORUM', { ready: count, needed, total, are })
}
