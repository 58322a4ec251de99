import { EngineError } from '../base/errors.js'
import type { JobNodeState } from '../model/job.js'

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
 * the whole group that is ready decides. At least one node must be ready. Pure.
 * @param quorum share (0–1) of the group.
 */
export function judgeQuorum(states: readonly JobNodeState[], quorum: number): QuorumCount {
  const total = states.length
  const needed = Math.max(1, Math.ceil(total * quorum - 1e-9))
  const readyCount = states.filter((state) => ready.has(state)).length
  const pending = states.filter((state) => !ready.has(state) && !out.has(state)).length
  const counts = { ready: readyCount, needed, total }
  if (readyCount + pending < needed) return { verdict: 'missed', ...counts }
  if (pending > 0) return { verdict: 'waiting', ...counts }
  return { verdict: 'reached', ...counts }
}

/** What a missed quorum is told as. */
export function quorumError({ ready: count, needed, total }: QuorumCount): EngineError {
  return new EngineError('ENGINE_ERR_QUORUM', { ready: count, needed, total })
}

/** What a group of which nobody answers is told as. */
export const nobodyReady = (total: number, quorum: number): EngineError =>
  quorumError(
    judgeQuorum(
      Array.from({ length: total }, () => 'behind' as const),
      quorum,
    ),
  )
