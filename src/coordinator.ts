// In: jobs of embedding programs and of the HTTP API, hellos and reports of nodes. Out: releases on all nodes at once.
// It opens the rooms, puts them together and closes them; the steps of the path are in src/coordinator/.
// Never: a decision of its own, state outside its object: two coordinators in one process do not meet.
import { systemClock } from './base/clock.js'
import { EngineError, toEngineError } from './base/errors.js'
import { AUDIT_PAGE_DEFAULT, JOB_PAGE_DEFAULT, PROGRESS_INTERVAL_MS, SHUTDOWN_MS } from './base/limits.js'
import { silentLogger } from './base/log.js'
import { idSource, systemRandom } from './base/random.js'
import { readSoftware } from './base/software.js'
import type { AuditQuery, CoordinatorDoor, VersionView } from './control/door.js'
import type { JobsApi } from './control/door/api.js'
import type { EventsOptions } from './control/door/events.js'
import type { FilesApi } from './control/door/files.js'
import type { Job, JobFilter, KeyOption, OpenOptions, PublishOptions, RollbackOptions } from './control/door/jobs.js'
import type { PauseOptions, ResumeOptions, VerifyOptions } from './control/door/sites.js'
import type { WebhooksApi } from './control/door/webhooks.js'
import { filesOf } from './control/file-paging.js'
import { storeIn } from './coordinator/uploading.js'
import { abortedOf } from './control/job-outcome.js'
import { eachSite } from './control/sites-named.js'
import { createMetrics } from './control/metrics.js'
import { fromDirectory, openRequest, publishRequest, rollbackRequest } from './control/requests.js'
import { CHANNEL_VERSION } from './control/schema/channel.js'
import { ControlServer } from './control/server.js'
import { finished, verifyRequestOf } from './control/verify-run.js'
import { Door } from './coordinator/asking.js'
import { AuditedDoor } from './coordinator/auditing.js'
import { handleOf } from './coordinator/handle.js'
import { OpenedWorld, openWorld } from './coordinator/opening.js'
import { WebhookDesk } from './coordinator/webhook-desk.js'
import { recover } from './coordinator/recovering.js'
import { launch, startJobs } from './coordinator/running.js'
import { type CoordinatorOptions, settingsOf } from './coordinator/settings.js'
import { Ticking } from './coordinator/ticking.js'
import type { World } from './coordinator/world.js'
import type { AccountEvent } from './model/account.js'
import type { AuditPage } from './model/audit.js'
import type { HistoryEntry } from './model/history.js'
import type { LimitView } from './model/bandwidth.js'
import type { CloudEvent } from './model/fleet-event.js'
import type { CommandRequest, CommandView, JobRequest, JobView, Receipt } from './model/job.js'
import type { NodeView, PeerAddress } from './model/node.js'
import type { ProbeRequest, ProbeView } from './model/rate.js'
import type { NodeStateView } from './model/node-state.js'
import type { SiteView } from './model/site.js'
import type { VerifyRun } from './model/verification.js'

export type { CoordinatorOptions } from './coordinator/settings.js'

const API_VERSION = 1

interface Parts {
  readonly world: World
  readonly opened: OpenedWorld
  readonly door: CoordinatorDoor
  readonly server: ControlServer
  readonly closing: AbortController
}

/** A coordinator in this process: takes jobs, brings their content to the nodes, switches them, keeps count. */
export class Coordinator implements JobsApi {
  readonly #parts: Parts
  #closing: Promise<void> | null = null

  private constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Opens a coordinator on its data directory and takes up what an earlier life left.
   * @throws {EngineError} ENGINE_ERR_DATA_DIR_IN_USE, ENGINE_ERR_DATA_DIR_UNWRITABLE, ENGINE_ERR_PORT_IN_USE,
   * ENGINE_ERR_INSECURE_LISTEN, ENGINE_ERR_DATABASE_DAMAGED and what else its parts refuse.
   */
  static async open(options: CoordinatorOptions): Promise<Coordinator> {
    const { log = silentLogger, clock = systemClock } = options
    const settings = settingsOf(options)
    const closing = new AbortController()
    const metrics = createMetrics()
    const opened = new OpenedWorld()
    try {
      const world = await openWorld({ ...settings, log, clock, metrics, closing: closing.signal }, opened)
      await recover(world)
      const version = versionOf(world)
      const ids = idSource(() => clock.nowMs(), systemRandom)
      const webhooks = new WebhookDesk({ world, newId: ids, allowPrivate: settings.allowPrivate })
      const inner = new Door({ world, newJobId: ids, version, webhooks })
      const doorFor = (actor: string): CoordinatorDoor => new AuditedDoor(inner, world.auditLog, actor)
      const door = doorFor('embedded')
      metrics.set('engine_build_info', { version: version.version, role: 'coordinator' }, 1)
      const serverLog = log.child({ room: 'control' })
      const server = await ControlServer.open({ door, doorFor, ...settings.listen, log: serverLog, clock, metrics })
      opened.keep('server', server, (it) => it.close())
      world.wording.openAt(server.url)
      world.openedAtMs = clock.monotonicMs()
      const ticking = new Ticking(world)
      opened.keep(
        'timer',
        clock.setInterval(PROGRESS_INTERVAL_MS, () => ticking.tick()),
        (cancel) => cancel(),
      )
      for (const job of world.jobs.values()) if (job.record.state !== 'queued' || job.signal.aborted) launch(world, job)
      startJobs(world)
      world.announcing.ring()
      log.info(
        { listen: server.listen, relay: world.source.port, coordinatorId: world.coordinatorId },
        'coordinator open',
      )
      return new Coordinator({ world, opened, door, server, closing })
    } catch (error) {
      closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
      await opened.close(log)
      throw toEngineError(error)
    }
  }

  /** 32 hexadecimal digits; stays the same for a data directory. */
  get id(): string {
    return this.#parts.world.coordinatorId
  }

  /** Where HTTP and the node channel are. */
  get address(): PeerAddress {
    return this.#parts.server.address
  }

  /** What nodes join and clients call. */
  get url(): string {
    return this.#parts.server.url
  }

  /** Where the relay is, as nodes are told: `host:port`. */
  get relayAddress(): string {
    const { host, port } = this.#parts.world.source
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  }

  /** True once `close` was called. */
  get closed(): boolean {
    return this.#closing !== null
  }

  /** Opens a job; commands may be added until it is ended. */
  openJob(options: OpenOptions): Promise<Job> {
    return this.#ask(openRequest(options), options)
  }

  /** Brings a directory to the nodes of a group; resolves when the job is accepted. */
  async publish(directory: string, options: PublishOptions): Promise<Job> {
    return this.#ask(publishRequest(fromDirectory(directory), options), options)
  }

  /** Makes an older release live again; nothing is sent to nodes that still hold it. */
  async rollback(options: RollbackOptions): Promise<Job> {
    return this.#ask(rollbackRequest(options), options)
  }

  /** Adds commands to a job; they are on record when this resolves. */
  addCommands(
    jobId: string,
    commands: readonly CommandRequest[],
    { idempotencyKey }: KeyOption = {},
  ): Promise<JobView> {
    return this.#parts.door.addCommands(jobId, commands, idempotencyKey ?? null)
  }

  /** Closes a job: nothing is added after this, and it ends when its nodes have answered. */
  end(jobId: string): Promise<JobView> {
    return this.addCommands(jobId, [{ type: 'end-job' }])
  }

  /** The commands of a job, and where every node stands with each. */
  commands(jobId: string): Promise<readonly CommandView[]> {
    return this.#parts.door.commands(jobId)
  }

  /** Asks a staged job to switch live; answers when that is on record. Its events tell what comes of it. */
  commit(jobId: string): Promise<JobView> {
    return this.#parts.door.commitJob(jobId)
  }

  /** Stops a job that has not switched anything yet; answers when it has stopped. */
  async abort(jobId: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<JobView> {
    const { door, closing } = this.#parts
    const until = signal === undefined ? closing.signal : AbortSignal.any([closing.signal, signal])
    const asked = await door.abortJob(jobId)
    return abortedOf(asked, () => door.getJob(jobId), door.watchJob(jobId, 0, until))
  }

  /** Has a job's content sent no more, until `resumeJob`: what is there stays. */
  pauseJob(jobId: string): Promise<JobView> {
    return this.#parts.door.pauseJob(jobId)
  }

  resumeJob(jobId: string): Promise<JobView> {
    return this.#parts.door.resumeJob(jobId)
  }

  job(jobId: string): Promise<JobView> {
    return this.#parts.door.getJob(jobId)
  }

  /** Jobs, newest first. */
  jobs(filter: Partial<JobFilter> = {}): Promise<readonly JobView[]> {
    return this.#parts.door.listJobs({ limit: JOB_PAGE_DEFAULT, ...filter })
  }

  /** A handle of a job that was asked for earlier. @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN. */
  async attach(jobId: string): Promise<Job> {
    const { id } = await this.job(jobId)
    return handleOf(this.#parts.door, id, () => {})
  }

  receipts(jobId: string): Promise<readonly Receipt[]> {
    return this.#parts.door.receipts(jobId)
  }

  /** Has nodes read what they serve; resolves when all have answered. */
  async verify(options: VerifyOptions): Promise<VerifyRun> {
    const { door, world } = this.#parts
    const run = await door.createVerification(verifyRequestOf(options))
    return finished(run, (id) => door.getVerification(id), world.clock, options.signal ?? world.closing)
  }

  explain(jobId: string): Promise<readonly AccountEvent[]> {
    return this.#parts.door.explain(jobId)
  }

  nodes(): Promise<readonly NodeView[]> {
    return this.#parts.door.nodes()
  }

  /** Asks a node, now, where each command of the running jobs stands on it. */
  queryNode(name: string): Promise<NodeStateView> {
    return this.#parts.door.queryNode(name)
  }

  /** How fast this coordinator and the nodes that are connected may send. */
  limits(): Promise<readonly LimitView[]> {
    return this.#parts.door.limits()
  }

  /** Limits what a node or `coordinator` sends until its process starts again. */
  setLimit(name: string, bandwidth: string): Promise<LimitView> {
    return this.#parts.door.setLimit(name, bandwidth)
  }

  /** Measures what can be sent to a node, and by it, now. */
  probe(name: string, request: ProbeRequest = {}): Promise<readonly ProbeView[]> {
    return this.#parts.door.probe(name, request)
  }

  sites(): Promise<readonly SiteView[]> {
    return this.#parts.door.sites()
  }

  /** Holds sites on the releases that they serve: no job makes another one live, but rollbacks. */
  async pause({ reason, forMs, ...which }: PauseOptions): Promise<readonly SiteView[]> {
    const request = { reason, forMs: forMs ?? null }
    return eachSite(await this.sites(), which, (site) => this.#parts.door.holdSite(site, request))
  }

  /** Ends the hold of sites; jobs that waited for it go on. */
  async resume({ reason, ...which }: ResumeOptions): Promise<readonly SiteView[]> {
    const request = { reason: reason ?? null }
    return eachSite(await this.sites(), which, (site) => this.#parts.door.resumeSite(site, request))
  }

  /** Who asked for which change and what came of it, oldest first, a page at a time. */
  audit({ sinceSeq = 0, limit = AUDIT_PAGE_DEFAULT }: Partial<AuditQuery> = {}): Promise<AuditPage> {
    return this.#parts.door.audit({ sinceSeq, limit })
  }

  /** Every kept job of a site that decided or failed, newest first. */
  history(
    site: string,
    { limit = JOB_PAGE_DEFAULT }: { readonly limit?: number } = {},
  ): Promise<readonly HistoryEntry[]> {
    return this.#parts.door.history(site, limit)
  }

  async version(): Promise<VersionView> {
    return this.#parts.door.version()
  }

  /** Who is called back when something happens. */
  get webhooks(): WebhooksApi {
    return this.#parts.door.webhooks
  }

  /** What nodes have on disk, and changes of it. */
  get files(): FilesApi {
    const { door } = this.#parts
    return filesOf((look) => door.files.look(look), { openJob: (asked) => this.openJob(asked), store: storeIn(door) })
  }

  /** Events of the fleet, as webhooks get them: from now, or after `sinceId`, until `signal` fires or it closes. */
  async *events({ types = ['*'], sinceId, signal }: EventsOptions = {}): AsyncGenerator<CloudEvent> {
    const { door, closing } = this.#parts
    const filter = { types, sinceId: sinceId ?? (await door.lastFleetEventId()) }
    yield* door.watchFleet(filter, signal ?? closing.signal)
  }

  /**
   * Closes: jobs stop where the next opening takes them up, nodes keep serving. Idempotent; takes at
   * most SHUTDOWN_MS, after which it ends as a killed process would, which loses nothing.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    const { world, opened, server, closing } = this.#parts
    const reason = new EngineError('ENGINE_ERR_CLOSING')
    closing.abort(reason)
    for (const job of world.jobs.values()) job.controller.abort(reason)
    const late = new AbortController()
    const inTime = world.clock.sleep(SHUTDOWN_MS, late.signal).catch(() => {})
    const stopped = server
      .close()
      .catch((error: unknown) => world.log.error({ err: toEngineError(error) }, 'the server did not close'))
      .then(() => quiet(world))
    await Promise.race([stopped, inTime])
    const closed = opened.close(world.log)
    await Promise.race([closed, inTime])
    late.abort()
    world.log.info({}, 'coordinator closed')
  }

  async #ask(request: JobRequest, options: KeyOption & { readonly signal?: AbortSignal }): Promise<Job> {
    const { door } = this.#parts
    const { signal, idempotencyKey } = options
    if (signal?.aborted) throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the job' }, { cause: signal.reason })
    const { id } = await door.createJob(request, idempotencyKey ?? null)
    const abort = (): void => void door.abortJob(id).catch(() => {})
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    return handleOf(door, id, () => signal?.removeEventListener('abort', abort))
  }
}

/** Waits until nothing is under way: jobs, effects in the background, messages of nodes. */
async function quiet(world: World): Promise<void> {
  const running = [...world.jobs.values()].flatMap((job) => (job.running === null ? [] : [job.running]))
  await Promise.allSettled(running)
  await Promise.allSettled(world.roster.all.map((known) => known.inbox))
  while (world.background.size > 0) await Promise.allSettled([...world.background])
}

function versionOf({ coordinatorId, publicKey }: World): VersionView {
  const versions = { apiVersion: API_VERSION, channelVersion: CHANNEL_VERSION }
  return { ...readSoftware(), ...versions, coordinatorId, publicKey }
}
