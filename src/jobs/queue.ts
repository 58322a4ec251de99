import { EngineError } from '../base/errors.js'
import { QUEUED_JOBS_PER_SITE_MAX } from '../base/limits.js'
import type { JobState } from '../model/job.js'
import { isFinal } from './job.js'

/** What the queue must know of a job. */
export interface QueuedJob {
  readonly id: string
  readonly site: string
  readonly state: JobState
}

/**
 * Who may start now: the oldest queued job of each site that has no active one. Sites do not wait
 * for each other. Pure.
 * @param jobs oldest first.
 */
export function nextToStart(jobs: readonly QueuedJob[]): readonly string[] {
  const busy = new Set(jobs.filter((job) => job.state !== 'queued' && !isFinal(job.state)).map((job) => job.site))
  const starting: string[] = []
  for (const job of jobs) {
    if (job.state !== 'queued' || busy.has(job.site)) continue
    busy.add(job.site)
    starting.push(job.id)
  }
  return starting
}

/** @throws {EngineError} ENGINE_ERR_OVERLOADED when too many jobs wait for this site already. */
export function checkQueue(jobs: readonly QueuedJob[], site: string): void {
  const waiting = jobs.filter((job) => job.site === site && job.state === 'queued').length
  if (waiting >= QUEUED_JOBS_PER_SITE_MAX) {
    throw new EngineError('ENGINE_ERR_OVERLOADED', { what: `jobs waiting for site ${site}` })
  }
}
