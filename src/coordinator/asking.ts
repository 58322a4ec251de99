import { realpath, stat } from 'node:fs/promises'
import { isAbsolute, relative, sep } from 'node:path'
import { EngineError } from '../base/errors.js'
import { JOB_PAGE_DEFAULT } from '../base/limits.js'
import type { AuditQuery, CoordinatorDoor, FleetFilter, JobFilter, VersionView, WebhooksApi } from '../control/door.js'
import { jobRequest } from '../control/schema/job.js'
import { verifyRunRequest } from '../control/schema/verification.js'
import { checkAbort, checkCommit } from '../jobs/job.js'
import { checkQueue, type QueueMember } from '../jobs/queue.js'
import { type AuditPage, pageOf } from '../model/audit.js'
import type { JobEvent } from '../model/event.js'
import type { CloudEvent } from '../model/fleet-event.js'
import type { JobRequest, JobView, Receipt } from '../model/job.js'
import type { NodeView } from '../model/node.js'
import type { SiteView } from '../model/site.js'
import type { VerifyRun, VerifyRunRequest } from '../model/verification.js'
import type { JobRecord, JobWish } from '../store/jobs.js'
import type { SiteRecord } from '../store/sites.js'
import { newPart, toPart } from '../track/fold.js'
import { historyOf } from './history.js'
import type { Uploads } from '../uploads/index.js'
import { nodeConnected } from './listening.js'
import { LiveJob, toView } from './live-job.js'
import { launch, startJobs } from './running.js'
import { VerifyRuns } from './verify-runs.js'
import { nodeViews, siteViews } from './views.js'
import type { World } from './world.js'

export interface DoorOptions {
  readonly world: World
  readonly newJobId: () => string
  readonly version: VersionView
  readonly webhooks: WebhooksApi
}

/** What routes, the node channel and embedding programs ask of a coordinator, answered. */
export class Door implements CoordinatorDoor {
  readonly #world: World
  readonly #options: DoorOptions
  readonly webhooks: WebhooksApi
  readonly #verifyRuns: VerifyRuns

  constructor(options: DoorOptions) {
    this.#world = options.world
    this.webhooks = options.webhooks
    this.#options = options
    this.#verifyRuns = new VerifyRuns(options.world, options.newJobId)
  }

  /**
   * Accepts a job; it is durable when this answers.
   * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_SITE_UNKNOWN, ENGINE_ERR_SOURCE_MISSING,
   * ENGINE_ERR_CONFLICT, ENGINE_ERR_OVERLOADED, ENGINE_ERR_CLOSING.
   */
  async createJob(asked: JobRequest): Promise<JobView> {
    const world = this.#world
    this.#requireOpen()
    const request = await this.#placed(checked(asked))
    const { site, group } = request
    checkQueue([...world.jobs.values()].map(toMember), site)
    if (request.directory !== null && request.upload === undefined)
      await requireDirectory(request.directory, world.content.paths.directory)
    const parts = world.roster.inGroup(group).map((known) => newPart(known.identity))
    const job = new LiveJob(this.#newRecord(request), parts, world.clock.monotonicMs())
    await world.watching.begin(job.id, true)
    const atMs = job.record.createdAtMs
    const event: JobEvent = { type: 'phase', id: world.watching.nextId(job.id), atMs, job: job.view }
    const siteRecord = await keep(world, job, event).catch((error: unknown) => {
      world.watching.end(job.id)
      throw error
    })
    // Only a site that no job holds is new or changes hands: nobody else writes about it meanwhile.
    if (world.sites.get(site)?.record.group !== group) world.sites.set(site, { record: siteRecord, assignments: [] })
    world.jobs.set(job.id, job)
    world.watching.tell(job.id, event)
    world.announcing.ring()
    world.log.info({ jobId: job.id, type: request.type, site, group, nodeCount: parts.length }, 'job accepted')
    startJobs(world)
    return event.job
  }

  async getJob(id: string): Promise<JobView> {
    const live = this.#world.jobs.get(id)
    if (live !== undefined) return live.view
    const record = await this.#world.store.jobs.require(id)
    return toView(record, (await this.#world.store.jobNodes.list(id)).map(toPart))
  }

  async listJobs(filter: Partial<JobFilter>): Promise<readonly JobView[]> {
    const { store, jobs } = this.#world
    const records = await store.jobs.list({ limit: JOB_PAGE_DEFAULT, ...filter })
    const nodes = await store.jobNodes.listMany(records.map((record) => record.id))
    return records.map((record) => {
      const live = jobs.get(record.id)
      return live === undefined ? toView(record, (nodes.get(record.id) ?? []).map(toPart)) : live.view
    })
  }

  /**
   * Asks a staged job to switch; answers when that is on record. Its events tell what comes of it.
   * @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN; ENGINE_ERR_JOB_STATE when it is not staged, or being aborted.
   */
  async commitJob(id: string): Promise<JobView> {
    const job = await this.#noteAsked(id, 'commit', checkCommit)
    job.commitAsked = true
    job.bell.ring()
    return job.view
  }

  /**
   * Asks a job to stop before anything is switched; answers when that is on record. Its events tell when it has.
   * @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN; ENGINE_ERR_JOB_STATE when it has decided or ended.
   */
  async abortJob(id: string): Promise<JobView> {
    const job = await this.#noteAsked(id, 'abort', checkAbort)
    job.controller.abort(new EngineError('ENGINE_ERR_JOB_ABORTED', { jobId: id }))
    launch(this.#world, job)
    return job.view
  }

  async receipts(jobId: string): Promise<readonly Receipt[]> {
    await this.#world.store.jobs.require(jobId)
    return this.#world.store.receipts.list(jobId)
  }

  async nodes(): Promise<readonly NodeView[]> {
    return nodeViews(this.#world)
  }

  sites(): Promise<readonly SiteView[]> {
    return siteViews(this.#world)
  }

  async audit({ sinceSeq, limit }: AuditQuery): Promise<AuditPage> {
    return pageOf(await this.#world.store.audit.list(sinceSeq, limit), limit)
  }

  history: CoordinatorDoor['history'] = (site, limit) => historyOf(this.#world, site, limit)

  async createVerification(asked: VerifyRunRequest): Promise<VerifyRun> {
    this.#requireOpen()
    const read = verifyRunRequest.safeParse(asked)
    if (read.success) return this.#verifyRuns.begin(read.data)
    const [issue] = read.error.issues
    const what = issue?.path.join('.') || 'the verification'
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why: issue?.message ?? 'it does not fit the schema' })
  }

  async getVerification(id: string): Promise<VerifyRun> {
    return this.#verifyRuns.get(id)
  }

  async *watchJob(id: string, sinceId: number, signal: AbortSignal): AsyncGenerator<JobEvent> {
    await this.getJob(id)
    const either = AbortSignal.any([signal, this.#world.closing])
    yield* this.#world.watching.watch(id, sinceId, either)
  }

  async *watchFleet(filter: FleetFilter, signal: AbortSignal): AsyncGenerator<CloudEvent> {
    yield* this.#world.announcing.watch(filter, AbortSignal.any([signal, this.#world.closing]))
  }

  lastFleetEventId(): Promise<number> {
    return this.#world.announcing.lastId()
  }

  nodeConnected: CoordinatorDoor['nodeConnected'] = (link, hello) => nodeConnected(this.#world, link, hello)

  get uploads(): Uploads {
    return this.#world.uploads
  }

  version(): VersionView {
    return this.#options.version
  }

  ready(): boolean {
    return !this.#world.closing.aborted
  }

  /** A job of an upload has a directory that stands for it. */
  async #placed(request: JobRequest): Promise<JobRequest> {
    if (request.upload === undefined) return request
    return { ...request, directory: await this.#world.uploads.directoryOf(request.upload, request.site) }
  }

  /** What is asked stands, also after a restart, before it is answered. */
  async #noteAsked(id: string, wish: JobWish, check: (job: JobRecord) => void): Promise<LiveJob> {
    this.#requireOpen()
    const job = await this.#requireLive(id, check)
    if (wish === 'commit' && job.signal.aborted) check({ ...job.record, state: 'aborted' })
    await this.#world.store.jobs.setAsked(id, wish)
    // It went on meanwhile.
    check(job.record)
    return job
  }

  async #requireLive(id: string, check: (job: JobRecord) => void): Promise<LiveJob> {
    const live = this.#world.jobs.get(id)
    const record = live?.record ?? (await this.#world.store.jobs.require(id))
    check(record)
    if (live === undefined) throw new EngineError('ENGINE_ERR_JOB_UNKNOWN', { jobId: id })
    return live
  }

  #requireOpen(): void {
    if (this.#world.closing.aborted) throw new EngineError('ENGINE_ERR_CLOSING')
  }

  #newRecord(request: JobRequest): JobRecord {
    const { type, site, group, directory, release, reason, policy } = request
    return {
      ...{ id: this.#options.newJobId(), type, site, group, directory, release, reason, policy },
      state: 'queued',
      baseRelease: null,
      treeHash: null,
      changes: null,
      assignment: null,
      error: null,
      createdAtMs: this.#world.clock.nowMs(),
      finishedAtMs: null,
    }
  }
}

/** A job as the queue looks at it. */
function toMember({ id, record, commitAsked, signal }: LiveJob): QueueMember {
  const { site, state } = record
  return { id, site, state, isUncalled: state === 'staged' && !commitAsked && !signal.aborted }
}

/** Writes an accepted job, its first event and the site that it is for, in one step. */
function keep(world: World, job: LiveJob, event: JobEvent): Promise<SiteRecord> {
  const { site, group, type, createdAtMs } = job.record
  return world.store.transaction(async ({ sites, ...tables }) => {
    const known = await (type === 'publish' ? sites.ensure(site, group, createdAtMs) : sites.require(site))
    if (known.group !== group) {
      const why = `site ${site} belongs to group ${known.group}`
      throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the group', why })
    }
    await tables.jobs.create(job.record)
    await tables.jobNodes.put(job.id, job.parts)
    await tables.events.append(job.id, event)
    await world.announcing.announceJob({ sites, ...tables }, 'queued', event.job, createdAtMs)
    return known
  })
}

/** What an embedding program asks for goes through the same check as what comes over HTTP. */
function checked(asked: JobRequest): JobRequest {
  const parsed = jobRequest.safeParse(asked)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const what = issue?.path.join('.') || 'the job'
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why: issue?.message ?? 'it does not fit the schema' })
}

/**
 * A slip in the name is told at once, before a job or a site is made of it; so is a directory that would bring
 * the coordinator's signing key to every node.
 */
async function requireDirectory(path: string, dataDir: string): Promise<void> {
  const found = await stat(path).catch(() => null)
  if (found?.isDirectory() !== true) throw new EngineError('ENGINE_ERR_SOURCE_MISSING', { path })
  const [asked, own] = await Promise.all([realpath(path), realpath(dataDir)])
  if (!isWithin(own, asked) && !isWithin(asked, own)) return
  const relation = isWithin(own, asked) ? 'lies in' : 'contains'
  const why = `${path} ${relation} the coordinator's data directory ${own}, which holds its signing key`
  const hint = `publish a directory outside of ${own} that does not contain it, or move the data directory`
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the directory', why }, { hint })
}

/** Both as realpath gives them; a directory is within itself. Pure. */
function isWithin(parent: string, path: string): boolean {
  const way = relative(parent, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}
