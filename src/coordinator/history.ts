import { JOB_PAGE_MAX } from '../base/limits.js'
import type { HistoryEntry } from '../model/history.js'
import { type CommandType, countByState, hasSwitched, type JobCommand, type JobNodeCounts } from '../model/job.js'
import type { JobRecord } from '../store/jobs.js'
import type { World } from './world.js'

/** A job with what it was asked to do. */
type Kept = JobRecord & { readonly commands: readonly JobCommand[] }

/** Whether a job has decided what is live. */
const hasDecided = ({ state, commands }: Kept): boolean => state === 'committing' || commands.some(hasSwitched)

/**
 * What happened to a site, newest first: every kept job that decided or failed.
 * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN.
 */
export async function historyOf(world: World, site: string, limit: number): Promise<readonly HistoryEntry[]> {
  const { store, jobs } = world
  await store.sites.require(site)
  const records = await store.jobs.list({ site, limit: JOB_PAGE_MAX })
  const commands = await store.commands.listMany(records.map(({ id }) => id))
  const kept = records
    .map((record): Kept => ({ ...record, commands: jobs.get(record.id)?.commands ?? commands.get(record.id) ?? [] }))
    .filter((record) => hasDecided(record) || record.state === 'failed')
  const page = kept.slice(0, limit)
  const ids = page.map(({ id }) => id)
  const [counts, actors] = await Promise.all([store.jobNodes.counts(ids), store.audit.actorsOf(ids)])
  return page.map((record, place) => {
    const before = kept.slice(place + 1).find(hasDecided)
    const live = jobs.get(record.id)
    const nodes = live === undefined ? (counts.get(record.id) ?? {}) : countByState(live.parts)
    return entryOf(record, before, nodes, actors.get(record.id) ?? null)
  })
}

/** What it did: that it ended says its result. */
const commandsOf = ({ commands }: Kept): readonly CommandType[] =>
  commands.map(({ request }) => request.type).filter((type) => type !== 'end-job')

/** Pure. @param before the newest job that decided before this one. */
export function entryOf(
  record: Kept,
  before: Kept | undefined,
  nodes: JobNodeCounts,
  actor: string | null,
): HistoryEntry {
  const { id: jobId, createdAtMs: atMs, finishedAtMs, state: result, reason, changes, error } = record
  const { live = 0, behind = 0, failed = 0, departed = 0 } = nodes
  const all = Object.values(nodes).reduce((sum, count) => sum + count, 0)
  return {
    ...{ jobId, atMs, finishedAtMs, durationMs: finishedAtMs === null ? null : finishedAtMs - atMs },
    ...{ commands: commandsOf(record), result, actor, reason, changes, error },
    fromRelease: before?.release ?? record.baseRelease,
    toRelease: record.release,
    sentBytes: record.assignment?.streamBytes ?? null,
    nodesLive: live,
    nodesBehind: behind + failed,
    nodeCount: all - departed,
  }
}
