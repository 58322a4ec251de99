import { EVENT_NODES_MAX } from '../base/outside-limits.js'
import type { JobHappening } from '../jobs/job.js'
import type { FleetEventType, News } from '../model/fleet-event.js'
import { countByState, hasSwitched, isPublish, type JobView, remainingOf } from '../model/job.js'

/** What of a job's life is news; the rest is for who watches that job. */
function typeOf(happening: JobHappening['type'] | 'queued', job: JobView): FleetEventType | null {
  switch (happening) {
    case 'queued':
      return 'engine.job.queued'
    case 'assigned':
      return 'engine.job.planned'
    case 'staged':
      return 'engine.job.staged'
    case 'finished':
      return isPublish(job) ? 'engine.job.committed' : endOf(job)
    case 'failed':
      return 'engine.job.failed'
    case 'aborted':
      return 'engine.job.aborted'
    default:
      return null
  }
}

/** What a job without a publish has come to; one that only ran commands is over, and nothing was switched. */
const endOf = ({ commands }: JobView): FleetEventType =>
  commands.some(hasSwitched) ? 'engine.job.rolledback' : 'engine.job.executed'

/** The news that a happening is, with the job as it is after it; null: it is none. Pure. */
export function jobNews(happening: JobHappening['type'] | 'queued', job: JobView, atMs: number): News | null {
  const type = typeOf(happening, job)
  return type === null ? null : { type, subject: `jobs/${job.id}`, site: job.site, atMs, data: dataOf(job) }
}

/**
 * A job in some hundred bytes, however many nodes it has: counts, and the names of those that are out. Times are
 * written as CloudEvents writes its own.
 */
function dataOf(job: JobView): Readonly<Record<string, unknown>> {
  const { id: jobId, site, group, state, release, baseRelease, reason, changes, error, nodes } = job
  const nodeCounts = countByState(nodes)
  const out = nodes.filter((node) => node.state === 'behind' || node.state === 'failed')
  const nodesOut = out.slice(0, EVENT_NODES_MAX).map(({ name, state: nodeState, reason: why }) => ({
    ...{ name, state: nodeState, reason: why },
  }))
  const finishedAt = job.finishedAtMs === null ? null : new Date(job.finishedAtMs).toISOString()
  const times = { createdAt: new Date(job.createdAtMs).toISOString(), finishedAt }
  const commands = job.commands.map(({ request }) => request.type)
  const facts = { jobId, commands, site, group, state, release, baseRelease, reason, changes, error, ...times }
  return { ...facts, nodeCount: remainingOf(nodes).length, nodeCounts, nodesOut }
}
