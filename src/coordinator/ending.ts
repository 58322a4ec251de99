import { EngineError, toEngineError } from '../base/errors.js'
import { STALE_ASSIGNMENTS_MAX } from '../base/limits.js'
import { formatNames } from '../base/quantities.js'
import type { JobCommand, JobError, JobState } from '../model/job.js'
import { accountForAll } from './accounting.js'
import { takeBack, wasCanary } from './canaries.js'
import { leftBehind } from './committing.js'
import { isEffect } from './executing.js'
import { partsIn } from '../track/commands.js'
import type { LiveJob } from './live-job.js'
import { pruneSite } from './pruning.js'
import { steerSite } from './steering.js'
import { releaseUpload } from './uploading.js'
import { activeJob, advance, inBackground, ownRelease, refreshSite, type World } from './world.js'

/** In these a job's release is its own and on its way; what it made live before stays. */
const undecided: ReadonlySet<JobState> = new Set(['packing', 'distributing', 'staged'])

/**
 * Ends a job with its last command, once every node is accounted for. What nodes that are left behind have not done
 * they do when they return.
 * @param error  what failed on some nodes after others were switched.
 */
export async function finish(world: World, job: LiveJob, last: JobCommand, error?: EngineError): Promise<void> {
  // What failed after others were switched ends it at once: it was waited for when it was asked.
  const words = error === undefined ? await accountForAll(world, job, last.number) : []
  const atMs = world.clock.nowMs()
  const behind = leftBehind(job) ?? (await notExecuted(world, job))
  const state = error === undefined ? ('completed' as const) : ('failed' as const)
  const outcome = error?.toReport() ?? null
  const change = {
    number: last.number,
    state,
    error: outcome,
    startedAtMs: job.next?.startedAtMs ?? atMs,
    finishedAtMs: atMs,
  }
  await advance(
    world,
    job,
    { type: 'finished', error: outcome ?? behind },
    { commands: [change], write: (tables) => tables.accounts.add(job.id, words) },
  )
}

/** The first command that some nodes were away for; null: all have answered for all of them. */
async function notExecuted(world: World, job: LiveJob): Promise<JobError | null> {
  const effects = job.commands.filter(({ request, state }) => isEffect(request) && state === 'completed')
  if (effects.length === 0) return null
  for (const { number, request } of effects) {
    const partOn = partsIn(await world.store.receipts.list(job.id, { number }), number)
    const away = job.remaining.filter(({ nodeId }) => partOn(nodeId).state !== 'completed')
    if (away.length === 0) continue
    const names = formatNames(away.map((part) => part.name))
    const counts = { away: away.length, total: job.remaining.length, names }
    return new EngineError('ENGINE_ERR_COMMAND_OWED', { number, command: request.type, ...counts }).toReport()
  }
  return null
}

/**
 * Ends a job that came to nothing. That it failed, and that nothing of it counts, is durable first;
 * then its files go and its nodes are told to drop what they have of it.
 */
export async function endInVain(world: World, job: LiveJob, error: EngineError): Promise<void> {
  const type = error.code === 'ENGINE_ERR_JOB_ABORTED' ? 'aborted' : 'failed'
  const { site, state } = job.record
  const release = undecided.has(state) ? await ownRelease(world, job) : null
  await takeBack(world, job, error)
  const { next } = job
  const failed = { state: 'failed', error: error.toReport(), finishedAtMs: world.clock.nowMs() } as const
  const doomed = release === null ? [] : await world.store.assignments.list({ site, release })
  await advance(
    world,
    job,
    { type, error: error.toReport() },
    {
      commands: next === undefined ? [] : [{ number: next.number, ...failed }],
      async write(tables) {
        if (release !== null) await tables.releases.setHeld(site, release, false)
        for (const { id } of doomed) await tables.assignments.remove(id)
      },
    },
  )
  world.log.warn({ err: error, jobId: job.id, site, release }, 'job came to nothing')
  await refreshSite(world, site)
  for (const { id, release: made } of doomed) forget(world, { assignmentId: id, site, release: made }, job)
  inBackground(world, 'removing the files of a job', async () => {
    for (const { serial } of doomed) await world.content.dropAssignment(serial)
    if (release !== null) await world.content.shadow.drop(site, release)
  })
}

/** Ends the transfer of an assignment and has every node drop it, those that are away when they come. */
export function forget(world: World, stale: World['stale'][number], job: LiveJob): void {
  world.transfers.close(stale.assignmentId)
  world.stale.push(stale)
  if (world.stale.length > STALE_ASSIGNMENTS_MAX) world.stale.shift()
  for (const known of world.roster.all) {
    if (known.link === null) continue
    const task = known.task(stale.site)
    if (task.underWay?.assignmentId === stale.assignmentId) task.underWay = null
    const isLive = known.holdings(stale.site).live?.release === stale.release
    // It switches back first.
    if (isLive) task.vain = { ...stale, release: stale.release }
    else known.link.send({ type: 'discard', ...stale, ...(wasCanary(job, known) ? { evenLive: true } : {}) })
  }
}

/** After any end: counts it, lets go of it, brings its nodes to what the site should serve, tidies up. */
export function leave(world: World, job: LiveJob): void {
  const { site, group, state } = job.record
  world.jobs.delete(job.id)
  world.watching.end(job.id)
  world.wording.tell(job)
  world.metrics.add('engine_jobs_total', { group, result: state }, 1)
  steerSite(world, site)
  inBackground(world, 'letting go of an upload', () => releaseUpload(world, job))
  // Packed or not: of a hundred thousand files a scan leaves 10 MB.
  inBackground(world, 'removing the scan of a job', () => world.content.dropScan(job.id))
  inBackground(world, 'pruning', async () => {
    if (activeJob(world, site) === undefined) await pruneSite(world, site)
    await world.store.prune(world.clock.nowMs())
  })
}

/** What a job that is to stop is stopped with. Between two commands it may have made something live. */
export function abortError({ id, hasSwitched }: LiveJob): EngineError {
  const message = `job ${id} was aborted; what it had made live before stays live`
  return new EngineError('ENGINE_ERR_JOB_ABORTED', { jobId: id }, hasSwitched ? { message } : {})
}

/** What a job ended with, as an error of ours. */
export function reasonOf(job: LiveJob, caught: unknown): EngineError {
  return toEngineError(job.signal.aborted ? job.signal.reason : caught)
}
