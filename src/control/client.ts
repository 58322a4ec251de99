// A coordinator over HTTP, for programs elsewhere, the command line and the console.
// In: the coordinator's address and what is asked. Out: the same answers and errors as in the same process.
// Never: an import of Node's own modules (it runs in browsers too), a decision, a repeated request that changes things.
import { type Clock, systemClock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { AUDIT_PAGE_DEFAULT, JOB_PAGE_DEFAULT, REQUEST_TIMEOUT_MS, STREAM_OUTAGE_MS_MAX } from '../base/limits.js'
import { PROBE_REQUEST_MS } from '../base/probe-limits.js'
import type { AccountEvent } from '../model/account.js'
import type { AuditPage } from '../model/audit.js'
import type { HistoryEntry } from '../model/history.js'
import type { JobEvent } from '../model/event.js'
import type { LimitView } from '../model/bandwidth.js'
import type { CloudEvent } from '../model/fleet-event.js'
import type { CommandRequest, CommandView, JobRequest, JobView, Receipt } from '../model/job.js'
import type { NodeView } from '../model/node.js'
import type { ProbeRequest, ProbeView } from '../model/rate.js'
import type { ProbeList } from './schema/rate.js'
import type { NodeStateView } from '../model/node-state.js'
import type { VerifyRun } from '../model/verification.js'
import type { SiteView } from '../model/site.js'
import type { AuditQuery, VersionView } from './door.js'
import type { JobsApi } from './door/api.js'
import type { EventsOptions } from './door/events.js'
import type { FilesApi } from './door/files.js'
import type { Job, JobFilter, KeyOption, OpenOptions, PublishOptions, RollbackOptions } from './door/jobs.js'
import type { PauseOptions, ResumeOptions, VerifyOptions } from './door/sites.js'
import type { WebhooksApi } from './door/webhooks.js'
import { readEvents } from './event-stream.js'
import { following } from './following.js'
import { type Ask, ask, type HttpOptions, readJson } from './http.js'
import { abortedOf, outcomeOf } from './job-outcome.js'
import { filesOf } from './file-paging.js'
import { fileLocation, type FileRead, readFile } from './files-client.js'
import { fromDirectory, openRequest, publishRequest, rollbackRequest } from './requests.js'
import { eachSite } from './sites-named.js'
import { finished, verifyRequestOf } from './verify-run.js'
import { WebhooksClient } from './webhooks-client.js'
import { UploadsClient } from './uploads-client.js'

export interface ClientOptions {
  /** `http://host:7400`. */
  readonly url: string
  /** How long an answer may take to begin; not how long a job may take. Default REQUEST_TIMEOUT_MS. */
  readonly timeoutMs?: number
  /** How long a watched job's coordinator may be away before watching gives up. Default STREAM_OUTAGE_MS_MAX. */
  readonly outageMsMax?: number
  readonly clock?: Clock
}

function originOf(url: string): string {
  try {
    const parsed = new URL(url)
    if (parsed.protocol === 'http:' || parsed.protocol === 'https:') return parsed.origin
  } catch {
    // Said below, with the others.
  }
  const facts = { what: 'the url', why: `write it like http://127.0.0.1:7400, not ${url}` }
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', facts)
}

const keyHeader = ({ idempotencyKey }: KeyOption): Readonly<Record<string, string>> =>
  idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }

/** Has the coordinator's methods, over HTTP. Holds no connection between calls: nothing is to be closed. */
export class Client implements JobsApi {
  readonly url: string
  /** Who is called back. */
  readonly webhooks: WebhooksApi
  readonly #http: HttpOptions
  readonly #clock: Clock
  readonly #following: { readonly url: string; readonly clock: Clock; readonly outageMsMax: number }

  /** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT when `url` is no HTTP address. */
  constructor(options: ClientOptions) {
    this.url = originOf(options.url)
    this.#clock = options.clock ?? systemClock
    this.#http = { url: this.url, clock: this.#clock, timeoutMs: options.timeoutMs ?? REQUEST_TIMEOUT_MS }
    const outageMsMax = options.outageMsMax ?? STREAM_OUTAGE_MS_MAX
    this.#following = { url: this.url, clock: this.#clock, outageMsMax }
    this.webhooks = new WebhooksClient((request) => ask(this.#http, request), this.url)
  }

  /** Content from afar, a request a method. */
  get uploads(): UploadsClient {
    return new UploadsClient(this.#http)
  }

  /** What nodes have on disk, and changes of it. */
  get files(): FilesApi {
    return filesOf((look) => this.#get(fileLocation(look)), {
      openJob: (options) => this.openJob(options),
      store: (site, content, signal) => this.uploads.putContent(site, content, signal),
    })
  }

  /** Bytes of a file of a node, from `offset` on, as they come. */
  readFile(read: FileRead): Promise<ReadableStream<Uint8Array> | null> {
    return readFile(this.#http, read)
  }

  /** Publishes what an upload describes; it may still be arriving. */
  publishUpload(upload: string, options: PublishOptions): Promise<Job> {
    return this.#openJob(publishRequest({ directory: null, upload }, options), options)
  }

  /** Opens a job; commands may be added until it is ended. */
  openJob(options: OpenOptions): Promise<Job> {
    return this.#openJob(openRequest(options), options)
  }

  /** @param directory staging directory on the coordinator's machine; relative ones are resolved here. */
  async publish(directory: string, options: PublishOptions): Promise<Job> {
    return this.#openJob(publishRequest(fromDirectory(directory), options), options)
  }

  async rollback(options: RollbackOptions): Promise<Job> {
    return this.#openJob(rollbackRequest(options), options)
  }

  /** Adds commands to a job; they are on record when this resolves. */
  addCommands(jobId: string, commands: readonly CommandRequest[], options: KeyOption = {}): Promise<JobView> {
    return this.#post(`/v1/jobs/${encodeURIComponent(jobId)}/commands`, { commands }, keyHeader(options))
  }

  /** Closes a job: nothing is added after this, and it ends when its nodes have answered. */
  end(jobId: string): Promise<JobView> {
    return this.#post(`/v1/jobs/${encodeURIComponent(jobId)}/end`)
  }

  /** The commands of a job, and where every node stands with each. */
  commands(jobId: string): Promise<readonly CommandView[]> {
    return this.#items(`/v1/jobs/${encodeURIComponent(jobId)}/commands`)
  }

  /** Asks a staged job to switch live; answers when that is on record. Its events tell what comes of it. */
  commit(jobId: string): Promise<JobView> {
    return this.#post(`/v1/jobs/${encodeURIComponent(jobId)}/commit`)
  }

  /** Stops a job that has not switched anything yet; answers when it has stopped. */
  async abort(jobId: string, options: { readonly signal?: AbortSignal } = {}): Promise<JobView> {
    const asked = await this.#post<JobView>(`/v1/jobs/${encodeURIComponent(jobId)}/abort`)
    return abortedOf(asked, () => this.job(jobId), this.watch(jobId, 0, options.signal))
  }

  /** Has a job's content sent no more, until `resumeJob`: what is there stays. */
  pauseJob(jobId: string): Promise<JobView> {
    return this.#post(`/v1/jobs/${encodeURIComponent(jobId)}/pause`)
  }

  resumeJob(jobId: string): Promise<JobView> {
    return this.#post(`/v1/jobs/${encodeURIComponent(jobId)}/resume`)
  }

  job(jobId: string): Promise<JobView> {
    return this.#get(`/v1/jobs/${encodeURIComponent(jobId)}`)
  }

  /** Jobs, newest first. */
  async jobs(filter: Partial<JobFilter> = {}): Promise<readonly JobView[]> {
    const query = new URLSearchParams({ limit: String(filter.limit ?? JOB_PAGE_DEFAULT) })
    if (filter.site !== undefined) query.set('site', filter.site)
    if (filter.state !== undefined) query.set('state', filter.state)
    return this.#items(`/v1/jobs?${query.toString()}`)
  }

  /** Has nodes read what they serve; resolves when all have answered. */
  async verify(options: VerifyOptions): Promise<VerifyRun> {
    const run = await this.#post<VerifyRun>('/v1/verifications', verifyRequestOf(options))
    const look = (id: string): Promise<VerifyRun> => this.#get(`/v1/verifications/${encodeURIComponent(id)}`)
    return finished(run, look, this.#clock, options.signal)
  }

  receipts(jobId: string): Promise<readonly Receipt[]> {
    return this.#items(`/v1/jobs/${encodeURIComponent(jobId)}/receipts`)
  }

  /** How a job came to its end: every wait, query, answer and repair with its reason, oldest first. */
  explain(jobId: string): Promise<readonly AccountEvent[]> {
    return this.#items(`/v1/jobs/${encodeURIComponent(jobId)}/explain`)
  }

  nodes(): Promise<readonly NodeView[]> {
    return this.#items('/v1/nodes')
  }

  /** Asks a node, now, where each command of the running jobs stands on it. */
  queryNode(name: string): Promise<NodeStateView> {
    return this.#get(`/v1/nodes/${encodeURIComponent(name)}/state`)
  }

  /** How fast the coordinator (`coordinator`) and the nodes that are connected may send. */
  limits(): Promise<readonly LimitView[]> {
    return this.#items('/v1/limits')
  }

  /** Limits what a node or `coordinator` sends until its process starts again. */
  setLimit(name: string, bandwidth: string): Promise<LimitView> {
    return this.#json({ method: 'PUT', path: `/v1/limits/${encodeURIComponent(name)}`, body: { bandwidth } })
  }

  /** Measures what can be sent to a node, and by it, now. */
  async probe(name: string, request: ProbeRequest = {}): Promise<readonly ProbeView[]> {
    const path = `/v1/nodes/${encodeURIComponent(name)}/probe`
    const asked = { method: 'POST', path, body: request, timeoutMs: PROBE_REQUEST_MS } as const
    return (await this.#json<ProbeList>(asked)).items
  }

  sites(): Promise<readonly SiteView[]> {
    return this.#items('/v1/sites')
  }

  /** Holds sites on the releases that they serve: no job makes another one live, but rollbacks. */
  async pause({ reason, forMs, ...which }: PauseOptions): Promise<readonly SiteView[]> {
    const request = { reason, forMs: forMs ?? null }
    return eachSite(await this.sites(), which, (site) =>
      this.#post(`/v1/sites/${encodeURIComponent(site)}/hold`, request),
    )
  }

  /** Ends the hold of sites; jobs that waited for it go on. */
  async resume({ reason, ...which }: ResumeOptions): Promise<readonly SiteView[]> {
    const request = { reason: reason ?? null }
    return eachSite(await this.sites(), which, (site) =>
      this.#post(`/v1/sites/${encodeURIComponent(site)}/resume`, request),
    )
  }

  /** Who asked for which change and what came of it, oldest first, a page at a time. */
  audit({ sinceSeq = 0, limit = AUDIT_PAGE_DEFAULT }: Partial<AuditQuery> = {}): Promise<AuditPage> {
    return this.#get(`/v1/audit?sinceSeq=${sinceSeq}&limit=${limit}`)
  }

  /** Every kept job of a site that decided or failed, newest first. */
  history(
    site: string,
    { limit = JOB_PAGE_DEFAULT }: { readonly limit?: number } = {},
  ): Promise<readonly HistoryEntry[]> {
    return this.#items(`/v1/sites/${encodeURIComponent(site)}/history?limit=${limit}`)
  }

  version(): Promise<VersionView> {
    return this.#get('/v1/version')
  }

  /** A handle of a job that somebody else asked for. @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN. */
  async attach(jobId: string): Promise<Job> {
    const { id } = await this.job(jobId)
    return this.#handle(id)
  }

  /**
   * Events of a job with id > `sinceId`. A coordinator that restarts meanwhile is waited for, and
   * nothing but superseded progress is missed.
   * @throws {EngineError} ENGINE_ERR_COORDINATOR_UNREACHABLE after `outageMsMax` without it; ENGINE_ERR_JOB_UNKNOWN.
   */
  async *watch(jobId: string, sinceId = 0, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    let since = sinceId
    const open = (): AsyncIterable<JobEvent> => this.#jobEvents(jobId, since, signal)
    const isLast = (event: JobEvent): boolean => event.type === 'result'
    for await (const event of following({ ...this.#following, signal, open, isLast })) {
      since = event.id
      yield event
    }
  }

  /**
   * Events of the fleet, as webhooks get them, until `signal` fires. A coordinator that restarts meanwhile is waited
   * for, and nothing of the last hour is missed.
   * @throws {EngineError} ENGINE_ERR_COORDINATOR_UNREACHABLE after `outageMsMax`; ENGINE_ERR_INVALID_ARGUMENT.
   */
  async *events({ types = ['*'], sinceId, signal }: EventsOptions = {}): AsyncGenerator<CloudEvent> {
    let since = sinceId
    const open = (alive: () => void): AsyncIterable<CloudEvent> => {
      const heard = (comment: string): void => {
        alive()
        const told = /^\s*since (\d+)$/.exec(comment)?.[1]
        if (told !== undefined) since = Number(told)
      }
      return this.#fleetEvents(types, since, { signal, heard })
    }
    for await (const event of following({ ...this.#following, signal, open, isLast: () => false })) {
      since = Number(event.id)
      yield event
    }
  }

  async *#jobEvents(jobId: string, since: number, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    const answer = await ask(this.#http, {
      method: 'GET',
      path: `/v1/jobs/${encodeURIComponent(jobId)}/events?sinceId=${since}`,
      headers: { accept: 'text/event-stream, application/problem+json' },
      ...(signal === undefined ? {} : { signal }),
    }).catch(async (error: unknown) => {
      // Others read all the streams there are: that a job is over it tells itself.
      const isFull = error instanceof EngineError && error.code === 'ENGINE_ERR_OVERLOADED'
      if (!isFull || (await this.job(jobId)).finishedAtMs === null) throw error
      return null
    })
    if (answer === null || answer.status === 204 || answer.body === null) {
      yield await this.#lastEvent(jobId, since)
      return
    }
    yield* readEvents<JobEvent>(answer.body, { clock: this.#clock, signal })
  }

  async *#fleetEvents(
    types: readonly string[],
    since: number | undefined,
    { signal, heard }: { readonly signal: AbortSignal | undefined; readonly heard: (comment: string) => void },
  ): AsyncGenerator<CloudEvent> {
    const query = new URLSearchParams({
      types: types.join(','),
      ...(since === undefined ? {} : { since: String(since) }),
    })
    const answer = await ask(this.#http, {
      method: 'GET',
      path: `/v1/events?${query.toString()}`,
      headers: { accept: 'text/event-stream, application/problem+json' },
      ...(signal === undefined ? {} : { signal }),
    })
    if (answer.body === null) return
    yield* readEvents<CloudEvent>(answer.body, { clock: this.#clock, signal, onComment: heard })
  }

  /** The result of a job whose events are no longer kept. */
  async #lastEvent(jobId: string, since: number): Promise<JobEvent> {
    const job = await this.job(jobId)
    return { type: 'result', id: since, atMs: job.finishedAtMs ?? job.createdAtMs, job }
  }

  async #openJob(request: JobRequest, options: KeyOption & { readonly signal?: AbortSignal }): Promise<Job> {
    const { signal } = options
    if (signal?.aborted) throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the job' })
    // The request itself is not cut: a job that was made must be known here, to be aborted.
    const { id } = await this.#post<JobView>('/v1/jobs', request, keyHeader(options))
    if (signal === undefined) return this.#handle(id)
    const abort = (): void => {
      this.abort(id).catch(() => {})
    }
    if (signal.aborted) {
      await this.abort(id)
      throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the job' }, { cause: signal.reason })
    }
    signal.addEventListener('abort', abort, { once: true })
    return this.#handle(id, () => signal.removeEventListener('abort', abort))
  }

  #handle(id: string, onEnd: () => void = () => {}): Job {
    const watch = (sinceId: number, signal?: AbortSignal): AsyncIterable<JobEvent> => this.watch(id, sinceId, signal)
    async function* progress(options: { sinceId?: number; signal?: AbortSignal } = {}): AsyncGenerator<JobEvent> {
      for await (const event of watch(options.sinceId ?? 0, options.signal)) {
        if (event.type === 'result') onEnd()
        yield event
      }
    }
    const completed = async (): Promise<JobView> => {
      for await (const event of progress()) if (event.type === 'result') return outcomeOf(event.job)
      throw new EngineError('ENGINE_ERR_COORDINATOR_UNREACHABLE', { url: this.url, why: 'no result came' })
    }
    const add = (...commands: readonly CommandRequest[]): Promise<JobView> => this.addCommands(id, commands)
    return { id, add, end: () => this.end(id), progress, completed }
  }

  async #items<T>(path: string): Promise<readonly T[]> {
    return (await this.#get<{ readonly items: readonly T[] }>(path)).items
  }

  #get<T>(path: string): Promise<T> {
    return this.#json<T>({ method: 'GET', path })
  }

  #post<T>(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    return this.#json<T>({ method: 'POST', path, headers, ...(body === undefined ? {} : { body }) })
  }

  async #json<T>(request: Ask): Promise<T> {
    return readJson<T>(await ask(this.#http, request), this.url)
  }
}
