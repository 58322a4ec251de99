import type { EngineError } from '../base/errors.js'
import { toEngineError } from '../base/errors.js'
import { RETRY_FIRST_MS, RETRY_MS_MAX } from '../base/limits.js'
import { isFinal } from '../jobs/job.js'
import { waitsOf } from '../jobs/queue.js'
import { carryOut, rest } from './carrying-out.js'
import { endInVain, leave, reasonOf } from './ending.js'
import type { LiveJob } from './live-job.js'
import { resumeTransfer } from './recovering.js'
import { stopLate, waitOf } from './waiting.js'
import { advance, isStopping, type World } from './world.js'

/** Starts every queued job whose site is free and whose time has come; what is late is stopped. */
export function startJobs(world: World): void {
  if (world.closing.aborted) return
  for (const job of stopLate(world)) launch(world, job)
  const jobs = [...world.jobs.values()].map((job) => ({
    id: job.id,
    site: job.record.site,
    state: job.running !== null && job.record.state === 'queued' ? ('open' as const) : job.record.state,
    waits: waitOf(world, job),
  }))
  for (const [id, waits] of waitsOf(jobs)) {
    const job = world.jobs.get(id)
    if (job === undefined) continue
    if (job.waitsFor !== waits) job.changed = true
    job.waitsFor = waits
    if (waits === null) launch(world, job)
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
  for (let attempts = 0; !isFinal(job.record.state); attempts++) {
    try {
      await perform(world, job)
    } catch (caught) {
      const error = reasonOf(job, caught)
      // What closes in the middle is taken up where it stands when the coordinator opens again.
      if (world.closing.aborted) return
      // One that has decided cannot fail any more: it is settled again; so is one of which only its end is left.
      if (!isDecided(job) && !onlyEnds(job)) await endBadly(world, job, error)
      else if (!(await mayTryAgain(world, job, error, attempts + 1))) return
    }
  }
  leave(world, job)
  job.bell.ring()
  startJobs(world)
}

const isDecided = ({ record: { state } }: LiveJob): boolean => state === 'committing' || state === 'ending'

const onlyEnds = ({ next, signal }: LiveJob): boolean => next?.request.type === 'end-job' && !signal.aborted

/** Carries the job's commands out, one after the other, until it ends. */
async function perform(world: World, job: LiveJob): Promise<void> {
  if (!isDecided(job)) job.signal.throwIfAborted()
  const { state } = job.record
  if ((state === 'distributing' || state === 'staged') && !job.shadowStaged) await resumeTransfer(world, job)
  while (!isFinal(job.record.state)) {
    const command = job.next
    if (command !== undefined) await carryOut(world, job, command)
    else await idle(world, job)
  }
}

/** Nothing is asked of the job: it rests where it is until something is, or until it is aborted. */
async function idle(world: World, job: LiveJob): Promise<void> {
  await rest(world, job)
  // What is over counts as soon as it is told, also while nothing follows it.
  if (job.deferred.length > 0) await advance(world, job, { type: 'executed' })
  job.idleSinceMs = job.record.state === 'open' ? world.clock.monotonicMs() : null
  try {
    while (job.next === undefined) await job.bell.wait(job.signal)
  } finally {
    job.idleSinceMs = null
  }
}

/**
 * Ends a job that did not go well. What cannot be written is written again: until then the job holds its site.
 */
async function endBadly(world: World, job: LiveJob, error: EngineError): Promise<void> {
  let last = error
  for (let attempts = 0; !isFinal(job.record.state); attempts++) {
    if (attempts > 0 && !(await mayTryAgain(world, job, last, attempts))) return
    try {
      await endInVain(world, job, error)
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
