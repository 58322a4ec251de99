// The coordinator's steps of the path, a file each; all of them work on the world that is described here.
// In: jobs, hellos, reports, the clock. Out: a durable state that moves on, then messages that follow from it.
// Never: a message before what it says is durable, a job's failure that stops the loop, anything global.
import type { RateLimit } from '../native/rate-limit.js'
import type { Clock } from '../base/clock.js'
import { type EngineError, toEngineError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import type { Metrics } from '../base/metrics.js'
import type { Content } from '../content/index.js'
import type { JobEvent } from '../model/event.js'
import type { PeerRef } from '../model/node.js'
import { checkStop, isFinal, type JobHappening, stepJob } from '../jobs/job.js'
import type { Quotas } from '../jobs/quota.js'
import type { Weighing } from '../plan/weighing.js'
import type { AssignmentRecord } from '../store/assignments.js'
import type { CommandPatch } from '../store/commands.js'
import type { JobPatch } from '../store/jobs.js'
import type { SiteRecord } from '../store/sites.js'
import type { Store, Tables } from '../store/store.js'
import type { NodePart } from '../track/fold.js'
import type { KeptAssignment } from '../track/reconcile.js'
import type { Transfers } from '../transfer/index.js'
import type { AuditLog } from './auditing.js'
import type { Checks } from './checking.js'
import type { Queries } from './querying.js'
import type { Uploads } from '../uploads/index.js'
import type { LinkWatch } from './link-watch.js'
import type { Looking } from './looking.js'
import type { LiveJob } from './live-job.js'
import { patched, toView } from './live-job.js'
import type { NodeBook } from './node-book.js'
import type { Probes } from './probing.js'
import type { Roster } from './roster.js'
import type { ReceiptBook } from './receipt-book.js'
import type { Announcing } from './announcing.js'
import type { NodeStandings } from './standings.js'
import type { RelayFaults } from '../native/relay-watch.js'
import type { Uplinks } from './uplinks.js'
import type { Watching } from './watching.js'
import type { Wholes } from './wholes.js'
import { type Wording, wordedStep } from './wording.js'

/** An assignment whose stream is whole on disk, with what it takes to send it. */
export interface SendableAssignment extends KeptAssignment {
  readonly record: AssignmentRecord
}

/** A site as the running coordinator knows it. */
export interface SiteState {
  readonly record: SiteRecord
  readonly assignments: readonly SendableAssignment[]
}

/** Fetched and staged by nodes that may be away, for a job that came to nothing. */
export interface StaleAssignment {
  readonly assignmentId: string
  readonly site: string
  readonly release: number
}

/** All that the steps of the path work on. Nothing of it is global: each coordinator has its own. */
export interface World {
  readonly store: Store
  readonly content: Content
  readonly transfers: Transfers
  readonly uploads: Uploads
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** By the clock that never goes back: from when nodes could have connected. */
  openedAtMs: number
  readonly coordinatorId: string
  /** 64 hexadecimal digits. */
  readonly publicKey: string
  /** The relay as nodes reach it. */
  readonly source: PeerRef
  /** The network neighbourhood that it is in. */
  readonly segment: string
  /** What uplinks count beside one another. */
  readonly weighing: Weighing
  /** The same with what nodes are limited to, and what was measured of them. */
  readonly uplinks: Uplinks
  /** Looking at what senders say of their links. */
  readonly linkWatch: LinkWatch
  readonly roster: Roster
  readonly watching: Watching
  readonly announcing: Announcing
  readonly standings: NodeStandings
  readonly receiptBook: ReceiptBook
  readonly nodeBook: NodeBook
  readonly auditLog: AuditLog
  readonly wholes: Wholes
  /** What was decided, as it travels from node to node. */
  readonly wording: Wording
  /** Questions to nodes that were not answered yet. */
  readonly checks: Checks
  readonly queries: Queries
  /** Looking at what nodes have on disk. */
  readonly looking: Looking
  /** Measuring links for their own sake. */
  readonly probes: Probes
  /** Damage that a node reports is mended without being asked. */
  readonly repair: boolean
  readonly quotas: Quotas
  /** How fast the relay may send. */
  readonly rateLimit: RateLimit
  readonly sites: Map<string, SiteState>
  /** Jobs without an end, oldest first. */
  readonly jobs: Map<string, LiveJob>
  readonly stale: StaleAssignment[]
  /** Fires when the coordinator closes: what is under way stops where it can be taken up again. */
  readonly closing: AbortSignal
  /** Effects that nobody waits for; closing does. */
  readonly background: Set<Promise<void>>
}

/** The job that holds a site: the one that is neither queued nor over. */
export function activeJob(world: World, site: string): LiveJob | undefined {
  for (const job of world.jobs.values()) {
    if (job.record.site === site && job.record.state !== 'queued') return job
  }
  return undefined
}

/**
 * Moves a job on: the new state, what belongs to it and its event are durable, together, before
 * anybody is told.
 */
export async function advance(world: World, job: LiveJob, happening: JobHappening, also: Also = {}): Promise<void> {
  await inTurn(job, () => move(world, job, happening, also))
}

/** Steps of a job and additions to it, one after the other. */
export async function inTurn<T>(job: LiveJob, work: () => Promise<T>): Promise<T> {
  const done = job.turn.then(
    () => working(job, work),
    () => working(job, work),
  )
  job.turn = done.catch(() => {})
  return done
}

async function working<T>(job: LiveJob, work: () => Promise<T>): Promise<T> {
  job.moving = true
  try {
    return await work()
  } finally {
    job.moving = false
  }
}

/** What is written together with a step of a job. */
interface Also {
  readonly patch?: JobPatch
  /** What becomes of its commands, beside what was deferred. */
  readonly commands?: readonly CommandPatch[]
  readonly write?: (tables: Tables) => Promise<void>
}

async function move(world: World, job: LiveJob, asked: JobHappening, also: Also): Promise<void> {
  // Looked at in the job's turn: an abort that was answered stands, however far the step was that came behind it.
  const happening = job.signal.aborted ? checkStop(job.record, asked, toEngineError(job.signal.reason)) : asked
  const atMs = world.clock.nowMs()
  const step = stepJob(job.record, happening, atMs)
  const { state, release, baseRelease, assignment, error, finishedAtMs } = step
  const { changes: changed, canary, paused } = step
  const facts = {
    state,
    release,
    baseRelease,
    changes: changed,
    assignment,
    error,
    finishedAtMs,
    canary: canary ?? null,
    ...(paused === undefined ? {} : { paused }),
  }
  const patch: JobPatch = { ...facts, ...also.patch }
  const record = { ...job.record, ...patch }
  const type = isFinal(state) ? 'result' : 'phase'
  const changes = [...job.deferred, ...(also.commands ?? [])]
  const deferredCount = job.deferred.length
  const commands = patched(job.commands, also.commands ?? [])
  const event: JobEvent = { type, id: world.watching.nextId(job.id), atMs, job: toView(record, commands, job.parts) }
  const worded = wordedStep(happening, also.commands ?? [], state)
  let onWorded = (): void => {}
  const write = (parts: readonly NodePart[]): Promise<void> =>
    world.store.transaction(async (tables) => {
      await also.write?.(tables)
      await tables.jobs.update(job.id, patch)
      onWorded = await world.wording.write(tables, job, worded)
      for (const change of changes) await tables.commands.update(job.id, change)
      await tables.jobNodes.put(job.id, parts)
      await tables.events.append(job.id, event)
      await world.announcing.announceJob(tables, happening.type, event.job, atMs)
    })
  await (isFinal(state) ? write(job.parts) : job.saveParts(write))
  onWorded()
  job.record = record
  job.commands = patched(job.commands, also.commands ?? [])
  job.deferred.splice(0, deferredCount)
  job.bell.ring()
  world.watching.tell(job.id, event)
  world.announcing.ring()
  world.log.info({ jobId: job.id, site: record.site, release: record.release, state, happening: happening.type }, 'job')
}

/** The number of the release that a job made itself; null while it has none, or for one that was there before. */
export async function ownRelease(world: World, { id, record }: LiveJob): Promise<number | null> {
  if (record.release === null) return null
  const made = await world.store.releases.get(record.site, record.release)
  return made?.jobId === id ? record.release : null
}

/** Reads a site anew after something about it was written. */
export async function refreshSite(world: World, site: string): Promise<void> {
  const record = await world.store.sites.get(site)
  if (record === null) return
  const all = (await world.store.assignments.list({ site })).filter((kept) => kept.packed !== null)
  const bases = new Set(all.flatMap((kept) => (kept.baseRelease === null ? [] : [kept.baseRelease])))
  const hashes = await world.store.releases.hashes(site, [...bases])
  const assignments: SendableAssignment[] = []
  for (const kept of all) {
    const baseHash = kept.baseRelease === null ? null : hashes.get(kept.baseRelease)
    if (baseHash === undefined) continue
    const base =
      kept.baseRelease === null || baseHash === null ? null : { release: kept.baseRelease, treeHash: baseHash }
    assignments.push({ id: kept.id, release: { release: kept.release, treeHash: kept.treeHash }, base, record: kept })
  }
  world.sites.set(site, { record, assignments })
}

/** Runs an effect that nobody waits for: what it throws is logged and stops nothing else. */
export function inBackground(world: World, what: string, work: () => Promise<void>): void {
  const running = work()
    .catch((error: unknown) => {
      const err = toEngineError(error)
      if (!isStopping(world, err)) world.log.error({ err, what }, 'an effect failed')
    })
    .finally(() => world.background.delete(running))
  world.background.add(running)
}

/** Whether an error only says that the coordinator closes. */
export function isStopping(world: World, error: EngineError): boolean {
  return (
    world.closing.aborted &&
    ['ENGINE_ERR_CLOSING', 'ENGINE_ERR_CANCELLED', 'ENGINE_ERR_NATIVE_CLOSED'].includes(error.code)
  )
}

/** Counts what peers of a relay did wrong. @returns true: it is counted. */
export function countFaults(
  { metrics }: Pick<World, 'metrics'>,
  role: 'coordinator' | 'node',
  found: RelayFaults,
): true {
  if (found.corruptChunks > 0) metrics.add('engine_corrupt_chunks_total', { role }, found.corruptChunks)
  if (found.faultyLinks > 0) metrics.add('engine_faulty_links_total', { role }, found.faultyLinks)
  return true
}
