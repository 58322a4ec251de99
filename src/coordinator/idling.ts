import { EngineError } from '../base/errors.js'
import { formatDuration } from '../base/quantities.js'
import { SESSION_IDLE_MS } from '../base/session-limits.js'
import { addTo } from './adding.js'
import type { LiveJob } from './live-job.js'
import { inBackground, type World } from './world.js'

/** Ends open jobs of which nobody has asked anything for long: who opened them may be gone, and they hold sites. */
export function endIdleJobs(world: World): void {
  const nowMs = world.clock.monotonicMs()
  for (const job of world.jobs.values()) {
    if (job.idleSinceMs === null || nowMs - job.idleSinceMs < SESSION_IDLE_MS) continue
    const idleMs = nowMs - job.idleSinceMs
    // Where this fails, it is tried again after as long.
    job.idleSinceMs = nowMs
    inBackground(world, 'ending an idle job', () => endIdle(world, job, idleMs))
  }
}

async function endIdle(world: World, job: LiveJob, idleMs: number): Promise<void> {
  const { id } = job
  const { state, site } = job.record
  const check = (): void => {
    // A client was faster: it is not idle any more.
    if (job.next === undefined && job.record.state === 'open') return
    throw new EngineError('ENGINE_ERR_JOB_STATE', { jobId: id, state, action: 'ended as idle' })
  }
  const call = { actor: 'coordinator', action: 'endIdleJob', subject: `job ${id}`, request: { idleMs } }
  await world.auditLog.around(
    call,
    () => addTo(world, job, [{ type: 'end-job' }], { check }),
    () => null,
  )
  world.log.warn({ jobId: id, site, idleMs }, `an open job was idle for ${formatDuration(idleMs)} and is ended`)
}
