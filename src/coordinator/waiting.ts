import { localOffsetMs } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { goesOn, holdAt } from '../jobs/hold.js'
import { deadlineAtMs, earliestStartMs } from '../jobs/schedule.js'
import { abortableStates } from '../model/job.js'
import type { LiveJob } from './live-job.js'
import type { World } from './world.js'

/** What a queued job waits for beside other jobs: a time, its window, the end of a hold; null: nothing. */
export function waitOf(world: World, job: LiveJob): string | null {
  const { site, policy } = job.record
  const nowMs = world.clock.nowMs()
  const startMs = earliestStartMs(policy, nowMs, localOffsetMs(nowMs))
  if (startMs > nowMs) return `${startMs === policy.startAtMs ? 'time' : 'window'} ${new Date(startMs).toISOString()}`
  const held = holdAt(world.sites.get(site)?.record.hold ?? null, nowMs)
  return held !== null && goesOn(job.commands.map(({ request }) => request)) ? `hold: ${held.reason}` : null
}

/** Whether a job has decided, or made something live before: nothing takes that back. */
export const isBound = ({ record: { state }, hasSwitched }: LiveJob): boolean =>
  hasSwitched || !abortableStates.has(state)

/** When a job must have decided, by the wall clock; null: whenever. */
export function deadlineOf({ record: { policy, createdAtMs } }: LiveJob): number | null {
  return deadlineAtMs(policy, createdAtMs, localOffsetMs(createdAtMs))
}

/** Stops the jobs that are past their deadline and have not decided. @returns those it stopped. */
export function stopLate(world: World): readonly LiveJob[] {
  const nowMs = world.clock.nowMs()
  return [...world.jobs.values()].filter((job) => {
    const atMs = deadlineOf(job)
    if (atMs === null || nowMs < atMs || isBound(job) || job.signal.aborted) return false
    job.controller.abort(new EngineError('ENGINE_ERR_DEADLINE', { jobId: job.id, site: job.record.site }))
    return true
  })
}
