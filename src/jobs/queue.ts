import { EngineError } from '../base/errors.js'
import { QUEUED_JOBS_PER_SITE_MAX } from '../base/limits.js'
import type { JobState } from '../model/job.js'
import { isFinal } from './job.js'

/** What the queue must know of a job. */
export interface QueuedJob {
  readonly id: string
  readonly site: string
  readonly state: JobState
  /** What it waits for beside other jobs; null or absent: nothing. */
  readonly waits?: string | null
}

/**
 * What each queued job waits for; null: it may start now, as the oldest of each site that has no active one may. Sites
 * do not wait for each other, and who waits for a time holds nobody up. Pure.
 * @param jobs oldest first.
 */
export function waitsOf(jobs: readonly QueuedJob[]): ReadonlyMap<string, string | null> {
  const active = jobs.filter((job) => job.state !== 'queued' && !isFinal(job.state))
  const busy = new Map(active.map((job) => [job.site, job.id]))
  const waits = new Map<string, string | null>()
  for (const job of jobs) {
    if (job.state !== 'queued') continue
    const holder = busy.get(job.site)
    const why = job.waits ?? (holder === undefined ? null : `job ${holder}`)
    waits.set(job.id, why)
    if (why === null) busy.set(job.site, job.id)
  }
  return waits
}

/** What it must know of a job before another may wait behind it. */
export interface QueueMember extends QueuedJob {
  /** It is staged and nobody has asked yet for its commit or its abort. */
  readonly isUncalled: boolean
}

/**
 * Says whether one more job may wait for a site. Nobody knows for how long a staged job waits: what would
 * wait behind it would start by itself one day, and undo the commit that it waited for.
 * @throws {EngineError} ENGINE_ERR_CONFLICT when a staged job holds the site; ENGINE_ERR_OVERLOADED when
 * too many jobs wait for it already.
 */
export function checkQueue(jobs: readonly QueueMember[], site: string): void {
  const staged = jobs.find((job) => job.site === site && job.isUncalled)
  if (staged !== undefined) {
    const facts = { what: `job ${staged.id}`, why: `it holds site ${site} and is staged`, jobId: staged.id }
    const hint = `commit or abort it: engine commit ${staged.id}, engine abort ${staged.id}`
    throw new EngineError('ENGINE_ERR_CONFLICT', facts, { hint })
  }
  const waiting = jobs.filter((job) => job.site === site && job.state === 'queued').length
  if (waiting >= QUEUED_JOBS_PER_SITE_MAX) {
    throw new EngineError('ENGINE_ERR_OVERLOADED', { what: `jobs waiting for site ${site}` })
  }
}
