import { assert } from '../base/assert.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { NAMES_TOLD_MAX } from '../base/limits.js'
import type { JobError } from '../model/job.js'
import type { NodePart } from '../track/fold.js'
import { giveUpSilent } from './distributing.js'
import type { LiveJob } from './live-job.js'
import { steerSite } from './steering.js'
import { advance, refreshSite, type World } from './world.js'

/**
 * Writes the decision that the job's release is what the site should serve. Once this settles it
 * stands, whatever happens: nodes are told only after it.
 */
export async function decide(world: World, job: LiveJob): Promise<void> {
  job.signal.throwIfAborted()
  const { release } = job
  assert(release !== null, 'a job is numbered before it is decided', { jobId: job.id })
  const { site, type, reason } = job.record
  const command = type === 'rollback' ? 'rollback' : 'commit'
  const holdReason = type === 'rollback' ? (reason ?? 'rolled back') : null
  const number = type === 'rollback' ? 1 : 2
  const target = { ...release, jobId: job.id, command, number, stageNumber: 1 } as const
  await advance(
    world,
    job,
    { type: 'decided' },
    { write: (tables) => tables.sites.setTarget(site, target, holdReason) },
  )
}

/**
 * Has everybody switch, waits for those that were ready, and ends the job. It reads the decision first,
 * so that it may be called again after anything in it failed.
 */
export async function settle(world: World, job: LiveJob): Promise<void> {
  const { site } = job.record
  await refreshSite(world, site)
  job.waitingSinceMs = world.clock.monotonicMs()
  const awaited = job.parts.filter((part) => part.state !== 'behind' && part.state !== 'failed')
  steerSite(world, site)
  await switchShadow(world, job)
  const ids = new Set(awaited.map((part) => part.nodeId))
  for (;;) {
    const pending = job.parts.filter((part) => ids.has(part.nodeId) && isPending(part))
    giveUpSilent(world, job, pending)
    if (!job.parts.some((part) => ids.has(part.nodeId) && isPending(part))) break
    await job.bell.wait(world.closing)
  }
  await advance(world, job, { type: 'finished', error: leftBehind(job) })
}

function isPending({ state }: NodePart): boolean {
  return state !== 'live' && state !== 'behind' && state !== 'failed'
}

/** The shadow follows the decision; where it cannot, that is mended when the coordinator starts again. */
export async function switchShadow(world: World, { record: { site, release } }: LiveJob): Promise<void> {
  if (release === null) return
  try {
    await world.content.shadow.switchTo(site, release)
  } catch (error) {
    world.log.error({ err: toEngineError(error), site, release }, 'the shadow could not be switched')
  }
}

function leftBehind(job: LiveJob): JobError | null {
  const behind = job.parts.filter((part) => part.state !== 'live')
  if (behind.length === 0) return null
  const names = behind.slice(0, NAMES_TOLD_MAX).map((part) => part.name)
  const more = behind.length > NAMES_TOLD_MAX ? ` and ${behind.length - NAMES_TOLD_MAX} more` : ''
  const { site, release } = job.record
  const counts = { behind: behind.length, total: job.parts.length, site, release }
  return new EngineError('ENGINE_ERR_NODES_BEHIND', { ...counts, names: names.join(', ') + more }).toReport()
}
