import { checkPause } from '../jobs/job.js'
import { isUsual, paceOf } from '../jobs/pace.js'
import type { JobView } from '../model/job.js'
import type { Pace } from '../model/pace.js'
import { nodesOf } from './audience.js'
import type { LiveJob } from './live-job.js'
import type { KnownNode } from './roster.js'
import { activeJob, advance, type World } from './world.js'

/** How fast what is sent for a site may be sent; undefined: as ever. */
export function paceAt(world: World, site: string): Pace | undefined {
  const job = activeJob(world, site)
  const pace = job === undefined ? null : paceOf(job.record)
  return pace === null || isUsual(pace) ? undefined : pace
}

/**
 * Has a job's content sent no more, or again; answers when that is on record and every sender that is there is told.
 * @throws {EngineError} ENGINE_ERR_JOB_STATE when it has ended.
 */
export async function setPaused(world: World, job: LiveJob, isPaused: boolean): Promise<JobView> {
  checkPause(job.record, isPaused)
  if ((job.record.paused ?? false) === isPaused) return job.view
  await advance(world, job, { type: isPaused ? 'paused' : 'resumed' })
  // What it waited for while nothing could come is nobody's fault.
  job.waitingSinceMs = world.clock.monotonicMs()
  job.wasPaused = true
  const { site } = job.record
  const nodes = nodesOf(world, job.record)
  const underWay = nodes.map((known) => known.task(site).underWay?.assignmentId ?? null)
  const ids = new Set([job.assignment?.id ?? null, ...underWay].filter((id) => id !== null))
  const pace = paceOf(job.record)
  for (const assignmentId of ids) {
    world.transfers.get(assignmentId)?.setPace(pace)
    for (const { link } of nodes) link?.send({ type: 'pace', assignmentId, pace })
  }
  return job.view
}

/** A node that was away may have missed it: what it has fetched it may still be serving. */
export function repeatPauses(world: World, known: KnownNode, isServed: (site: string) => boolean): void {
  for (const { assignment, record, wasPaused } of world.jobs.values()) {
    if (assignment === null || !(wasPaused || record.paused) || !isServed(record.site)) continue
    known.link?.send({ type: 'pace', assignmentId: assignment.id, pace: paceOf(record) })
  }
}
