import { assert } from '../base/assert.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { formatNames } from '../base/quantities.js'
import { checkHold } from '../jobs/hold.js'
import type { JobCommand, JobError } from '../model/job.js'
import type { CommandPatch } from '../store/commands.js'
import { markBehind, type NodePart, settled } from '../track/fold.js'
import { accountPolicyOf } from './accounting.js'
import { giveUpSilent } from './distributing.js'
import type { LiveJob } from './live-job.js'
import { deserted, isDeserted } from './regrouping.js'
import { steerSite } from './steering.js'
import { deadlineOf } from './waiting.js'
import { advance, refreshSite, type World } from './world.js'

/**
 * Writes the decision that the job's release is what the site should serve. Once this settles it
 * stands, whatever happens: nodes are told only after it.
 */
export async function decide(world: World, job: LiveJob, decided: JobCommand, started: CommandPatch): Promise<void> {
  job.signal.throwIfAborted()
  const { release } = job
  assert(release !== null, 'a job is numbered before it is decided', { jobId: job.id })
  const { site, reason } = job.record
  const { number, request } = decided
  const isRollback = request.type === 'rollback'
  const command = isRollback ? 'rollback' : 'commit'
  const hold = isRollback ? { reason: reason ?? 'rolled back', untilMs: null } : null
  const target = { ...release, jobId: job.id, command, number, stageNumber: job.stageNumber } as const
  await advance(
    world,
    job,
    { type: 'decided' },
    {
      commands: [started],
      async write(tables) {
        // Read here, where nobody writes in between: a hold that is on record by now stands.
        if (!isRollback) checkHold(site, (await tables.sites.require(site)).hold, world.clock.nowMs())
        await tables.sites.setTarget(site, target, hold)
      },
    },
  )
}

/**
 * Has everybody switch and waits for those that were ready. It reads the decision first, so that it may be called
 * again after anything in it failed.
 */
export async function settle(world: World, job: LiveJob): Promise<void> {
  const { site } = job.record
  await refreshSite(world, site)
  job.waitingSinceMs = world.clock.monotonicMs()
  const awaited = job.parts.filter((part) => part.state === 'live' || !settled.has(part.state))
  steerSite(world, site)
  world.wording.tell(job)
  await switchShadow(world, job)
  const ids = new Set(awaited.map((part) => part.nodeId))
  for (;;) {
    const pending = job.parts.filter((part) => ids.has(part.nodeId) && isPending(part))
    giveUpSilent(world, job, pending)
    giveUpLate(world, job, pending)
    if (!job.parts.some((part) => ids.has(part.nodeId) && isPending(part))) break
    if (endsNext(job) && world.clock.monotonicMs() - job.waitingSinceMs >= accountPolicyOf(job).periodMs) break
    await job.bell.wait(world.closing)
  }
}

/** Past its deadline a job that has decided waits for nobody; who is behind follows. */
function giveUpLate(world: World, job: LiveJob, pending: readonly NodePart[]): void {
  const atMs = deadlineOf(job)
  if (atMs === null || world.clock.nowMs() < atMs) return
  const why = 'the time of the job was over before it was live there'
  for (const part of pending) job.setPart(markBehind(part, why), world.clock.monotonicMs())
}

/** Nothing but its end is asked of the job after this: who is not there yet is asked and waited for then. */
const endsNext = ({ commands }: LiveJob): boolean =>
  commands.find(({ state }) => state === 'new')?.request.type === 'end-job'

const isPending = ({ state }: NodePart): boolean => !settled.has(state)

/** The shadow follows the decision; where it cannot, that is mended when the coordinator starts again. */
export async function switchShadow(world: World, { record: { site, release } }: LiveJob): Promise<void> {
  if (release === null) return
  try {
    await world.content.shadow.switchTo(site, release)
  } catch (error) {
    world.log.error({ err: toEngineError(error), site, release }, 'the shadow could not be switched')
  }
}

/** What a job ends with that waits for nobody any longer; null: every node serves what it should. */
export function leftBehind(job: LiveJob): JobError | null {
  if (job.record.release === null) return null
  if (isDeserted(job)) return deserted(job).toReport()
  const behind = job.remaining.filter((part) => part.state !== 'live')
  if (behind.length === 0) return null
  const names = formatNames(behind.map((part) => part.name))
  const { site, release } = job.record
  const counts = { behind: behind.length, total: job.remaining.length, site, release, names }
  return new EngineError('ENGINE_ERR_NODES_BEHIND', counts).toReport()
}
