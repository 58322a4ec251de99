import { createHash } from 'node:crypto'
import { EngineError } from '../base/errors.js'
import { JOB_PAGE_DEFAULT } from '../base/limits.js'
import type { AuditQuery, CoordinatorDoor, VersionView } from '../control/door.js'
import type { FleetFilter } from '../control/door/events.js'
import type { FilesDoor } from '../control/door/files.js'
import type { JobFilter } from '../control/door/jobs.js'
import type { WebhooksApi } from '../control/door/webhooks.js'
import { holdRequest, resumeRequest } from '../control/schema/hold.js'
import { commandsRequest, jobRequest } from '../control/schema/job.js'
import { probeRequest } from '../control/schema/rate.js'
import { verifyRunRequest } from '../control/schema/verification.js'
import { checkCommands } from '../jobs/commands.js'
import { checkAbort, checkCommit, checkOpen, checkPause } from '../jobs/job.js'
import { checkQueue, type QueueMember } from '../jobs/queue.js'
import { checkJobsQuota } from '../jobs/quota.js'
import type { AccountEvent } from '../model/account.js'
import { type AuditPage, pageOf } from '../model/audit.js'
import type { JobEvent } from '../model/event.js'
import type { CloudEvent } from '../model/fleet-event.js'
import type { CommandView, CommandRequest, JobRequest, JobView, Receipt } from '../model/job.js'
import type { NodeView } from '../model/node.js'
import type { HoldRequest, ResumeRequest, SiteView } from '../model/site.js'
import type { VerifyRun, VerifyRunRequest } from '../model/verification.js'
import type { JobRecord } from '../store/jobs.js'
import { commandsOnNodes } from '../track/commands.js'
import { newPart, toPart } from '../track/fold.js'
import {
  type Answered,
  audienceOf,
  checked,
  checkHooks,
  checkOrder,
  checkReachable,
  keep,
  keyOf,
  newRecord,
  numbered,
  placed,
} from './accepting.js'
import { addTo } from './adding.js'
import { nodesOf } from './audience.js'
import { checkCanary } from './canaries.js'
import { checkHeld, holdSite, resumeSite } from './holding.js'
import { giveWay } from './conflicting.js'
import { abortError } from './ending.js'
import { isBound } from './waiting.js'
import { historyOf } from './history.js'
import type { Uploads } from '../uploads/index.js'
import { limitViews, setLimit } from './limiting.js'
import { nodeConnected } from './listening.js'
import { LiveJob, toView } from './live-job.js'
import { setPaused } from './pausing.js'
import { launch, startJobs } from './running.js'
import { queryNode } from './querying.js'
import { VerifyRuns } from './verify-runs.js'
import { putFile } from './storing.js'
import { nodeViews, siteViews } from './views.js'
import { inTurn, type World } from './world.js'

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
  /** Idempotency keys of requests that are being answered. */
  readonly #underWay = new Set<string>()
  /** Jobs are accepted one after the other: what one is judged by, no other changes meanwhile. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: DoorOptions) {
    this.#world = options.world
    this.webhooks = options.webhooks
    this.#options = options
    this.#verifyRuns = new VerifyRuns(options.world, options.newJobId)
  }

  /**
   * Accepts a job; it is durable when this answers.
   * @param key  the same key and request again: the job that came of it, and no other.
   * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_SITE_UNKNOWN, ENGINE_ERR_NODE_UNKNOWN,
   * ENGINE_ERR_SOURCE_MISSING, ENGINE_ERR_HOOK_UNKNOWN, ENGINE_ERR_HOOK_ARGUMENTS, ENGINE_ERR_CONFLICT,
   * ENGINE_ERR_QUOTA, ENGINE_ERR_GROUP_EMPTY, ENGINE_ERR_QUORUM, ENGINE_ERR_KEY_REUSED, ENGINE_ERR_OVERLOADED,
   * ENGINE_ERR_CLOSING.
   */
  async createJob(asked: JobRequest, key: string | null = null): Promise<JobView> {
    this.#requireOpen()
    const request = checked<JobRequest>(jobRequest, asked)
    return this.#once(key === null ? null : `job:${key}`, request, (answered) => this.#accept(request, answered))
  }

  async putFile(...[put, body, key = null]: Parameters<CoordinatorDoor['putFile']>): Promise<JobView> {
    this.#requireOpen()
    return putFile(this.#world, put, body, (request) => this.createJob(request, key))
  }

  async #accept(request: JobRequest, answered: Answered | null): Promise<JobView> {
    checkCommands([], request.commands)
    // A disk that does not answer holds up no other job: this is not in its turn.
    const requests = await placed(this.#world, request.site, request.commands)
    const done = this.#turn.then(() => this.#take(request, requests, answered))
    this.#turn = done.catch(() => {})
    return done
  }

  async #take(request: JobRequest, requests: readonly CommandRequest[], answered: Answered | null): Promise<JobView> {
    const world = this.#world
    const { site } = request
    const gone = await giveWay(world, request)
    checkQueue([...world.jobs.values()].filter((job) => !gone.includes(job)).map(toMember), site)
    checkJobsQuota(world.quotas, world.jobs.size - gone.length)
    checkHeld(world, site, request.commands)
    const audience = audienceOf(world, request)
    checkOrder(world, request)
    checkHooks(world, { site, ...audience }, request.commands)
    checkCanary(world, request, audience)
    checkReachable(world, request, audience)
    const atMs = world.clock.nowMs()
    const record = newRecord(this.#options.newJobId(), request, audience, atMs)
    const parts = nodesOf(world, audience).map((known) => newPart(known.identity))
    const commands = numbered([], requests, atMs)
    const job = new LiveJob(record, { commands, parts }, world.clock.monotonicMs())
    await world.watching.begin(job.id, true)
    const event: JobEvent = { type: 'phase', id: world.watching.nextId(job.id), atMs, job: job.view }
    const siteRecord = await keep(world, job, event, answered, request.callback ?? null).catch((error: unknown) => {
      world.watching.end(job.id)
      throw error
    })
    // Only a site that no job holds is new or changes hands: nobody else writes about it meanwhile.
    const { group, only } = siteRecord
    const known = world.sites.get(site)?.record
    if (known?.group !== group || String(known.only) !== String(only)) {
      world.sites.set(site, { record: siteRecord, assignments: [] })
    }
    world.jobs.set(job.id, job)
    world.watching.tell(job.id, event)
    world.announcing.ring()
    const types = commands.map((command) => command.request.type)
    world.log.info({ jobId: job.id, site, group, commands: types, nodeCount: parts.length }, 'job accepted')
    await this.#supersede(gone, job)
    startJobs(world)
    return job.view
  }

  /** The new job is on record: those that it takes the place of stop, unless they have decided meanwhile. */
  async #supersede(gone: readonly LiveJob[], { id }: LiveJob): Promise<void> {
    const message = `job ${id} has taken its place`
    for (const job of gone) {
      // In its turn, as an abort is.
      await inTurn(job, async () => {
        if (isBound(job)) return
        await this.#world.store.jobs.askAbort(job.id)
        job.controller.abort(new EngineError('ENGINE_ERR_JOB_ABORTED', { jobId: job.id }, { message }))
      })
      if (job.signal.aborted) launch(this.#world, job)
    }
  }

  /**
   * Adds commands to a job that has not ended; they are durable when this answers.
   * @param key  as of createJob.
   * @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN; ENGINE_ERR_JOB_STATE when it has ended or is being aborted;
   * ENGINE_ERR_INVALID_ARGUMENT when one does not fit those before it; ENGINE_ERR_SOURCE_MISSING.
   */
  async addCommands(id: string, asked: readonly CommandRequest[], key: string | null = null): Promise<JobView> {
    this.#requireOpen()
    const { commands: requests } = checked(commandsRequest, { commands: asked })
    const job = await this.#requireLive(id, checkOpen)
    const scope = key === null ? null : `commands:${id}:${key}`
    return this.#once(scope, requests, async (answered) => {
      return addTo(this.#world, job, await placed(this.#world, job.record.site, requests), { answered })
    })
  }

  async getJob(id: string): Promise<JobView> {
    const live = this.#world.jobs.get(id)
    if (live !== undefined) return live.view
    const record = await this.#world.store.jobs.require(id)
    const commands = await this.#world.store.commands.list(id)
    return toView(record, commands, (await this.#world.store.jobNodes.list(id)).map(toPart))
  }

  async listJobs(filter: Partial<JobFilter>): Promise<readonly JobView[]> {
    const { store, jobs } = this.#world
    const records = await store.jobs.list({ limit: JOB_PAGE_DEFAULT, ...filter })
    const ids = records.map((record) => record.id)
    const nodes = await store.jobNodes.listMany(ids)
    const commands = await store.commands.listMany(ids)
    return records.map((record) => {
      const parts = (nodes.get(record.id) ?? []).map(toPart)
      return jobs.get(record.id)?.view ?? toView(record, commands.get(record.id) ?? [], parts)
    })
  }

  /**
   * Asks a staged job to switch; answers when that is on record. Its events tell what comes of it.
   * @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN; ENGINE_ERR_JOB_STATE when it is not staged, or being aborted.
   */
  async commitJob(id: string): Promise<JobView> {
    this.#requireOpen()
    const job = await this.#requireLive(id, checkCommit)
    if (job.signal.aborted || job.next !== undefined) {
      checkCommit({ ...job.record, state: job.signal.aborted ? 'aborted' : 'committing' })
    }
    return this.addCommands(id, [{ type: 'commit' }, { type: 'end-job' }])
  }

  /**
   * Asks a job to stop before anything is switched, or to wait for nobody any longer before it ends; answers when that
   * is on record. Its events tell when it has.
   * @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN; ENGINE_ERR_JOB_STATE when it has decided or ended.
   */
  async abortJob(id: string): Promise<JobView> {
    this.#requireOpen()
    const job = await this.#requireLive(id, checkAbort)
    // In its turn: no step that was begun before goes on behind it.
    await inTurn(job, async () => {
      checkAbort(job.record)
      await this.#world.store.jobs.askAbort(id)
      job.isHurried = true
      job.bell.ring()
      if (job.record.state === 'ending') return
      job.controller.abort(abortError(job))
    })
    if (!job.signal.aborted) return job.view
    launch(this.#world, job)
    return job.view
  }

  pauseJob: CoordinatorDoor['pauseJob'] = (id) => this.#setPaused(id, true)

  resumeJob: CoordinatorDoor['resumeJob'] = (id) => this.#setPaused(id, false)

  async #setPaused(id: string, isPaused: boolean): Promise<JobView> {
    this.#requireOpen()
    return setPaused(this.#world, await this.#requireLive(id, (job) => checkPause(job, isPaused)), isPaused)
  }

  /** Each command of a job, and where every node stands with it. */
  async commands(jobId: string): Promise<readonly CommandView[]> {
    const job = await this.getJob(jobId)
    const receipts = await this.#world.store.receipts.list(jobId)
    return job.commands.map((command) => ({ ...command, nodes: commandsOnNodes(job, command, receipts) }))
  }

  async receipts(jobId: string): Promise<readonly Receipt[]> {
    await this.#world.store.jobs.require(jobId)
    return this.#world.store.receipts.list(jobId)
  }

  async explain(jobId: string): Promise<readonly AccountEvent[]> {
    await this.#world.store.jobs.require(jobId)
    return this.#world.store.accounts.list(jobId)
  }

  async nodes(): Promise<readonly NodeView[]> {
    return nodeViews(this.#world)
  }

  queryNode: CoordinatorDoor['queryNode'] = (name) => queryNode(this.#world, name)

  limits: CoordinatorDoor['limits'] = async () => limitViews(this.#world)

  probe: CoordinatorDoor['probe'] = async (name, request) =>
    this.#world.probes.probe(name, checked(probeRequest, request))

  setLimit: CoordinatorDoor['setLimit'] = async (name, bandwidth) => setLimit(this.#world, name, bandwidth)

  sites(): Promise<readonly SiteView[]> {
    return siteViews(this.#world)
  }

  async holdSite(site: string, asked: HoldRequest): Promise<SiteView> {
    this.#requireOpen()
    return holdSite(this.#world, site, checked(holdRequest, asked))
  }

  async resumeSite(site: string, asked: ResumeRequest): Promise<SiteView> {
    this.#requireOpen()
    const resumed = await resumeSite(this.#world, site, checked(resumeRequest, asked))
    startJobs(this.#world)
    return resumed
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

  get files(): FilesDoor {
    return this.#world.looking
  }

  get uploads(): Uploads {
    return this.#world.uploads
  }

  version(): VersionView {
    return this.#options.version
  }

  ready(): boolean {
    return !this.#world.closing.aborted
  }

  /** Carries a request out unless it was under this key: then the job that came of it is the answer again. */
  async #once(
    key: string | null,
    request: unknown,
    work: (answered: Answered | null) => Promise<JobView>,
  ): Promise<JobView> {
    if (key === null) return work(null)
    const fingerprint = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const before = await this.#world.store.answers.get(key)
    if (before === null) {
      if (this.#underWay.has(key)) {
        const facts = { what: 'a request with the same idempotency key', why: 'it is being answered' }
        throw new EngineError('ENGINE_ERR_CONFLICT', facts, { hint: 'send it again in a moment' })
      }
      this.#underWay.add(key)
      return work({ key, fingerprint }).finally(() => this.#underWay.delete(key))
    }
    if (before.fingerprint !== fingerprint) throw new EngineError('ENGINE_ERR_KEY_REUSED', { key: keyOf(key) })
    return this.getJob(before.jobId)
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
}

/** A job as the queue looks at it. */
function toMember({ id, record, next, signal }: LiveJob): QueueMember {
  const { site, state } = record
  return { id, site, state, isUncalled: state === 'staged' && next === undefined && !signal.aborted }
}
