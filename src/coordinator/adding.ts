import { checkCommands } from '../jobs/commands.js'
import { checkOpen } from '../jobs/job.js'
import type { JobEvent } from '../model/event.js'
import type { CommandRequest, JobView } from '../model/job.js'
import { type Answered, checkAudience, checkHooks, checkReason, numbered } from './accepting.js'
import { checkHeld } from './holding.js'
import { type LiveJob, toView } from './live-job.js'
import { inTurn, type World } from './world.js'

export interface AddingOptions {
  /** The key that the answer is kept under. */
  readonly answered?: Answered | null
  /** Throws where they must not be added after all: nobody adds anything between it and them. */
  readonly check?: () => void
}

/**
 * Adds commands to a job; they are durable when this answers.
 * @throws {EngineError} ENGINE_ERR_JOB_STATE, ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_HOOK_UNKNOWN, and what
 * `check` throws.
 */
export function addTo(
  world: World,
  job: LiveJob,
  requests: readonly CommandRequest[],
  { answered = null, check = () => {} }: AddingOptions = {},
): Promise<JobView> {
  return inTurn(job, async () => {
    checkOpen(job.signal.aborted ? { ...job.record, state: 'aborted' } : job.record)
    check()
    checkCommands(job.commands, requests)
    checkHeld(world, job.record.site, requests)
    checkAudience(world, job.record, requests)
    checkReason(job.record.reason, requests)
    checkHooks(world, job.record, requests)
    const atMs = world.clock.nowMs()
    const added = numbered(job.commands, requests, atMs)
    const commands = [...job.commands, ...added]
    const view = toView(job.record, commands, job.parts)
    const event: JobEvent = { type: 'phase', id: world.watching.nextId(job.id), atMs, job: view }
    await world.store.transaction(async (tables) => {
      await tables.commands.add(job.id, added)
      await tables.events.append(job.id, event)
      if (answered !== null) await tables.answers.put(answered.key, { ...answered, jobId: job.id }, atMs)
    })
    job.commands = [...job.commands, ...added]
    world.watching.tell(job.id, event)
    job.bell.ring()
    return view
  })
}
