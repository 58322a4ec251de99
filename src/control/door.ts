// In: nothing; these are the doors between the control plane and what it serves.
// Out: what routes and the node channel ask of a coordinator, and what its callers are given.
// Never: code that runs; an implementation lives with the coordinator or with the client.
import type { Readable } from 'node:stream'
import type { AccountEvent } from '../model/account.js'
import type { AuditPage } from '../model/audit.js'
import type { JobEvent } from '../model/event.js'
import type { LimitView } from '../model/bandwidth.js'
import type { CloudEvent } from '../model/fleet-event.js'
import type { HistoryEntry } from '../model/history.js'
import type { CommandRequest, CommandView, JobRequest, JobView, Receipt } from '../model/job.js'
import type { NodeStateView } from '../model/node-state.js'
import type { NodeView } from '../model/node.js'
import type { ProbeRequest, ProbeView } from '../model/rate.js'
import type { HoldRequest, ResumeRequest, SiteView } from '../model/site.js'
import type { VerifyRun, VerifyRunRequest } from '../model/verification.js'
import type { NodeLink, NodeSession } from './door/channel.js'
import type { FleetFilter } from './door/events.js'
import type { FilesDoor, FilePut } from './door/files.js'
import type { JobFilter } from './door/jobs.js'
import type { UploadsDoor } from './door/uploads.js'
import type { WebhooksApi } from './door/webhooks.js'
import type { Hello } from './schema/channel.js'

/** Who answers: the software, its API, and the coordinator's identity (32 hexadecimal digits). */
export interface VersionView {
  readonly name: string
  readonly version: string
  readonly apiVersion: number
  readonly channelVersion: number
  readonly coordinatorId: string
  /** The coordinator's ed25519 key, which signs assignments and the audit log: 64 hexadecimal digits. */
  readonly publicKey: string
}

/** Which audit records to give, oldest first. */
export interface AuditQuery {
  /** Records with a greater number; 0: from the first. */
  readonly sinceSeq: number
  /** 1–AUDIT_PAGE_MAX. */
  readonly limit: number
}

/** What changes something: a route calls it on the door of who asks, so that it is recorded as theirs. */
export type ChangingMethod =
  | 'createJob'
  | 'addCommands'
  | 'putFile'
  | 'commitJob'
  | 'abortJob'
  | 'pauseJob'
  | 'resumeJob'
  | 'createVerification'
  | 'holdSite'
  | 'resumeSite'
  | 'setLimit'
  | 'probe'

/** What everybody may ask without a record of it. */
export type ReadingDoor = Omit<CoordinatorDoor, ChangingMethod | 'webhooks' | 'uploads'> & {
  readonly webhooks: Pick<WebhooksApi, 'list' | 'deliveries'>
  readonly uploads: Pick<UploadsDoor, 'list' | 'loose' | 'get' | 'missing' | 'blob'>
}

/**
 * What routes and the node channel ask of the coordinator. Every method rejects (or throws) with an
 * EngineError: ENGINE_ERR_JOB_UNKNOWN for an id nobody knows, otherwise as the coordinator decides.
 */
export interface CoordinatorDoor {
  /** @param key  an idempotency key: the same key and request again give the same job. */
  createJob(request: JobRequest, key?: string | null): Promise<JobView>
  addCommands(id: string, commands: readonly CommandRequest[], key?: string | null): Promise<JobView>
  /** A job that puts one file, whose bytes come with it; `check` may refuse them when they have ended. */
  putFile(
    put: FilePut,
    body: { readonly bytes: Readable; readonly check: () => void },
    key?: string | null,
  ): Promise<JobView>
  commands(id: string): Promise<readonly CommandView[]>
  getJob(id: string): Promise<JobView>
  listJobs(filter: JobFilter): Promise<readonly JobView[]>
  /** Answers when the wish is on record, as abortJob does; events tell what comes of it. */
  commitJob(id: string): Promise<JobView>
  abortJob(id: string): Promise<JobView>
  /** Has its content sent no more, until resumeJob; answers when that is on record and told. */
  pauseJob(id: string): Promise<JobView>
  resumeJob(id: string): Promise<JobView>
  receipts(jobId: string): Promise<readonly Receipt[]>
  /** How a job came to its end, oldest first. */
  explain(jobId: string): Promise<readonly AccountEvent[]>
  nodes(): Promise<readonly NodeView[]>
  /** @throws {EngineError} ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_NODE_LOST, ENGINE_ERR_NODE_SILENT. */
  queryNode(name: string): Promise<NodeStateView>
  /** How fast the coordinator and nodes that are there may send. */
  limits(): Promise<readonly LimitView[]>
  /** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, and as queryNode. */
  setLimit(name: string, bandwidth: string): Promise<LimitView>
  /** @throws {EngineError} ENGINE_ERR_PROBE_FAILED, ENGINE_ERR_PROBE_BUSY, and as queryNode. */
  probe(name: string, request: ProbeRequest): Promise<readonly ProbeView[]>
  sites(): Promise<readonly SiteView[]>
  /** @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN, as resumeSite does. */
  holdSite(site: string, request: HoldRequest): Promise<SiteView>
  resumeSite(site: string, request: ResumeRequest): Promise<SiteView>
  audit(query: AuditQuery): Promise<AuditPage>
  /** @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN. */
  history(site: string, limit: number): Promise<readonly HistoryEntry[]>
  /** Has nodes read a site; answers when they are asked. */
  createVerification(request: VerifyRunRequest): Promise<VerifyRun>
  /** @throws {EngineError} ENGINE_ERR_VERIFICATION_UNKNOWN. */
  getVerification(id: string): Promise<VerifyRun>
  /**
   * Tells the events of a job with id > `sinceId`, oldest first, then those that happen; ends after
   * `result`, at once when the job is over and nothing newer exists, or when `signal` fires (then
   * without an error). Event ids grow and survive a restart.
   */
  watchJob(id: string, sinceId: number, signal: AbortSignal): AsyncIterable<JobEvent>
  readonly webhooks: WebhooksApi
  /** Events of the fleet beyond `sinceId`, then those that happen, until `signal` fires (without an error). */
  watchFleet(filter: FleetFilter, signal: AbortSignal): AsyncIterable<CloudEvent>
  /** Where a reader begins who wants nothing old. */
  lastFleetEventId(): Promise<number>
  /**
   * A node said hello. The coordinator sends `welcome` itself through `link` (first message), then
   * whatever it wants; commands may be sent from within this call.
   * @throws {EngineError} ENGINE_ERR_NODE_NAME_TAKEN and whatever else refuses this node; the channel
   * turns it into `refuse` and closes.
   */
  nodeConnected(link: NodeLink, hello: Hello): NodeSession
  /** Content from afar. */
  readonly uploads: UploadsDoor
  /** What nodes have on disk. */
  readonly files: FilesDoor
  version(): VersionView
  /** Whether new work is taken: database open, not closing. */
  ready(): boolean
}
