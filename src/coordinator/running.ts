import type { EngineError } from '../base/errors.js'
import { toEngineError } from '../base/errors.js'
import { RETRY_FIRST_MS, RETRY_MS_MAX } from '../base/limits.js'
import { isFinal } from '../jobs/job.js'
import { nextToStart } from '../jobs/queue.js'
import { decide, settle } from './committing.js'
import { distribute } from './distributing.js'
import { endInVain, leave, reasonOf } from './ending.js'
import type { LiveJob } from './live-job.js'
import { packJob, timed } from './packing.js'
import { resumeTransfer } from './recovering.js'
import { prepareRollback } from './rolling-back.js'
import { advance, isStopping, type World } from './world.js'

/** Starts every queued job whose site is free. */
export function startJobs(world: World): void {
  if (world.closing.aborted) return
  const jobs = [...world.jobs.values()].map(({ id, record, running }) => ({
    id,
    site: record.site,
    state: running !== null && record.state === 'queued' ? ('packing' as const) : record.state,
  }))
  for (const id of nextToStart(jobs)) {
    const job = world.jobs.get(id)
    if (job !== undefined) launch(world, job)
  }
}

/** Runs a job to its end, from the state it is in. Its errors become the job's; the loop goes on. */
export function launch(world: World, job: LiveJob): void {
  if (job.running !== null) return
  job.running = run(world, job).catch((error: unknown) => {
    world.log.error({ err: toEngineError(error), jobId: job.id }, 'a job could not be ended')
  })
}

async function run(world: World, job: LiveJob): Promise<void> {
  try {
    await perform(world, job)
  } catch (caught) {
    const error = reasonOf(job, caught)
    // What closes in the middle is taken up where it stands when the coordinator opens again.
    if (world.closing.aborted) return
    await endBadly(world, job, error)
  }
  if (world.closing.aborted && !isFinal(job.record.state)) return
  leave(world, job)
  job.bell.ring()
  startJobs(world)
}

async function perform(world: World, job: LiveJob): Promise<void> {
  job.signal.throwIfAborted()
  if (job.record.state !== 'committing') await prepare(world, job)
  await timed(world, job, 'commit', () => settle(world, job))
}

/** Everything up to the decision: until then a job may fail or be aborted and nothing has switched. */
async function prepare(world: World, job: LiveJob): Promise<void> {
  if (job.record.type === 'rollback') {
    await prepareRollback(world, job)
  } else if ((await bringAssignment(world, job)) === 'packed') {
    await timed(world, job, 'distribute', () => distribute(world, job))
  }
  await decide(world, job)
}

/** Packs the job's assignment, or goes on with the one that an earlier life of the coordinator packed. */
async function bringAssignment(world: World, job: LiveJob): Promise<'packed' | 'identical'> {
  if (job.record.state === 'distributing' || job.record.state === 'staged') {
    await resumeTransfer(world, job)
    return 'packed'
  }
  if (job.record.state === 'queued') await advance(world, job, { type: 'started' })
  return packJob(world, job)
}

/**
 * Ends a job that did not go well. One that has decided cannot fail any more: it is settled again. What
 * cannot be written is written again: until then the job holds its site.
 */
async function endBadly(world: World, job: LiveJob, error: EngineError): Promise<void> {
  const isDecided = job.record.state === 'committing'
  let last = error
  for (let attempts = isDecided ? 1 : 0; !isFinal(job.record.state); attempts++) {
    if (attempts > 0 && !(await mayTryAgain(world, job, last, attempts))) return
    try {
      await (isDecided ? settle(world, job) : endInVain(world, job, error))
    } catch (caught) {
      last = toEngineError(caught)
    }
  }
}

/** Waits before the next attempt; false: the coordinator closes, and its next life takes the job up. */
async function mayTryAgain(world: World, job: LiveJob, why: EngineError, attempts: number): Promise<boolean> {
  if (isStopping(world, why)) return false
  world.log.error({ err: why, jobId: job.id, state: job.record.state }, 'a job could not be ended and is ended again')
  const waitMs = Math.min(RETRY_FIRST_MS * 2 ** (attempts - 1), RETRY_MS_MAX)
  try {
    await world.clock.sleep(waitMs, world.closing)
  } catch {
    return false
  }
  return true
}
