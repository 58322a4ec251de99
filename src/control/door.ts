// In: nothing; these are the doors between the control plane and what it serves.
// Out: what routes and the node channel ask of a coordinator, and what its callers are given.
// Never: code that runs; an implementation lives with the coordinator or with the client.
import type { AccountEvent } from '../model/account.js'
import type { AuditPage } from '../model/audit.js'
import type { HistoryEntry } from '../model/history.js'
import type { EditRequest } from '../model/edit.js'
import type { Readable } from 'node:stream'
import type { FileEntry, FileFetch, FileLook, FilePlace, FileView } from '../model/file.js'
import type { JobEvent } from '../model/event.js'
import type { CommandRequest, CommandView, JobPolicy, JobRequest, JobState, JobView, Receipt } from '../model/job.js'
import type { NodeView } from '../model/node.js'
import type { HoldRequest, ResumeRequest, SiteView } from '../model/site.js'
import type { NodeStateView } from '../model/node-state.js'
import type { CloudEvent } from '../model/fleet-event.js'
import type { VerifyRun, VerifyRunRequest } from '../model/verification.js'
import type { Callback, DeliveryView, WebhookRequest, WebhookView, WebhookWithSecret } from '../model/webhook.js'
import type { BlobBody, BlobView, MissingPage, UploadEvent, UploadView } from '../model/upload.js'
import type { FromCoordinator, FromNode, Hello } from './schema/channel.js'

/** Which jobs to list, newest first. */
export interface JobFilter {
  readonly site?: string
  readonly state?: JobState
  /** 1–JOB_PAGE_MAX. */
  readonly limit: number
}

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
  | 'putFile'
  | 'commitJob'
  | 'abortJob'
  | 'createVerification'
  | 'holdSite'
  | 'resumeSite'

/** What everybody may ask without a record of it. */
export type ReadingDoor = Omit<CoordinatorDoor, ChangingMethod | 'webhooks'> & {
  readonly webhooks: Pick<WebhooksApi, 'list' | 'deliveries'>
}

/** Which events of the fleet: types by pattern, and the id after which they begin. */
export interface FleetFilter {
  readonly types: readonly string[]
  readonly sinceId: number
}

/** Who is called back, and what came of it; the same here and over HTTP. */
export interface WebhooksApi {
  /** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT; ENGINE_ERR_ADDRESS_BLOCKED: it is not public. */
  add(request: Partial<WebhookRequest> & { readonly url: string }): Promise<WebhookWithSecret>
  /** Oldest first, without secrets. */
  list(): Promise<readonly WebhookView[]>
  /** What waits for it is forgotten. @throws {EngineError} ENGINE_ERR_WEBHOOK_UNKNOWN, as the rest does. */
  remove(id: string): Promise<void>
  /** A new secret, given or made; for a day the one before it signs too. */
  rotate(id: string, secret?: string | null): Promise<WebhookWithSecret>
  /** Newest first. */
  deliveries(id: string): Promise<readonly DeliveryView[]>
  /** Answers when it is on record; `deliveries` tells the rest. @throws {EngineError} ENGINE_ERR_DELIVERY_UNKNOWN. */
  resend(id: string, deliveryId: string): Promise<DeliveryView>
  /** Sends an event that says nothing. Where it arrives at a webhook that is off, that is on again. */
  ping(id: string): Promise<DeliveryView>
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
  receipts(jobId: string): Promise<readonly Receipt[]>
  /** How a job came to its end, oldest first. */
  explain(jobId: string): Promise<readonly AccountEvent[]>
  nodes(): Promise<readonly NodeView[]>
  /** @throws {EngineError} ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_NODE_LOST, ENGINE_ERR_NODE_SILENT. */
  queryNode(name: string): Promise<NodeStateView>
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

/** What routes ask of files on nodes; ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_NODE_LOST, and what the node answers. */
export interface FilesDoor {
  look(look: FileLook, signal?: AbortSignal): Promise<FileView>
  /** Bytes of a file, as the node sends them; nothing is read from it while nobody reads. */
  fetch(fetch: FileFetch, signal?: AbortSignal): Promise<Readable>
  /** A node brings what `fetch` waits for. @throws {EngineError} ENGINE_ERR_TRANSFER_UNKNOWN: nobody does. */
  receive(transferId: string, body: Readable): Promise<void>
}

/** Looking at what nodes have on disk, and changing what they serve, here or over HTTP. */
export interface FilesApi extends FileEdits {
  /** What a path of a release on a node is. */
  stat(place: FileAt): Promise<FileView>
  /** A directory, ascending by the bytes of the names; all pages are of one release. */
  list(place: FileAt): AsyncIterable<FileEntry>
}

/** Where to look; without a release at the live one, without a path at the release's own directory. */
export type FileAt = Pick<FilePlace, 'node' | 'site'> & Partial<Pick<FilePlace, 'release' | 'path'>>

/** A path of a site, on all nodes that serve it; %XX is a byte. */
export interface SitePath {
  readonly site: string
  readonly path: string
}

/** What an edit may say beside what it changes. */
export type EditOptions = Omit<PublishOptions, 'site'>

/** What a file is put with; null: as `EditRequest` says. */
export interface PutOptions extends EditOptions {
  readonly mode?: string | null
  readonly mtimeNs?: string | null
  readonly parents?: boolean
}

/** A file to put, without its bytes. */
export interface FilePut extends SitePath, Pick<EditOptions, 'group' | 'reason' | 'stageOnly'> {
  readonly mode: string | null
  readonly mtimeNs: string | null
  readonly parents: boolean
}

/** Changing single paths of a site. Each is a job: followed, it ends as a publish does. */
export interface FileEdits {
  /** Several changes, in their order, as one release. */
  edit(site: string, edits: readonly EditRequest[], options?: EditOptions): Promise<Job>
  put(place: SitePath, content: Blob | ReadableStream, options?: PutOptions): Promise<Job>
  mkdir(place: SitePath, options?: EditOptions & { readonly mode?: string; readonly parents?: boolean }): Promise<Job>
  /** @param mode octal digits. */
  chmod(place: SitePath, mode: string, options?: EditOptions): Promise<Job>
  /** An empty file is made where nothing is, unless `create` is false. */
  touch(place: SitePath, options: EditOptions & { readonly mtimeNs: string; readonly create?: boolean }): Promise<Job>
  remove(place: SitePath, options?: EditOptions & { readonly recursive?: boolean }): Promise<Job>
}

/** What routes ask of uploads; ENGINE_ERR_UPLOAD_UNKNOWN for an id nobody knows. */
export interface UploadsDoor {
  /** Takes a manifest in; the same tree for the same site is the same upload. */
  create(site: string, body: Readable): Promise<UploadView>
  list(): readonly UploadView[]
  get(id: string): Promise<UploadView>
  /** Contents that are missing, ascending by digest. */
  missing(id: string, after: string | null, limit: number): Promise<MissingPage>
  blob(id: string, digest: string): Promise<BlobView>
  /** Takes bytes of a content; when all of it is here it was hashed, and counts. */
  putBlob(id: string, digest: string, sent: BlobBody): Promise<BlobView>
  /** Takes a content of unknown length and digest; `check` may refuse it when it has ended. */
  putContent(site: string, body: Readable, check?: () => void): Promise<BlobView>
  /** Everything was sent: it is durable when this answers. */
  complete(id: string): Promise<UploadView>
  drop(id: string): Promise<void>
}

/** The coordinator's end of one node's channel. Both methods never throw; after close they do nothing. */
export interface NodeLink {
  send(message: FromCoordinator): void
  /** Tells the node why (`refuse`), then closes the socket. */
  close(code: string, message: string): void
}

/**
 * What the channel tells the coordinator of one node. `onClosed` is called exactly once, last. When a
 * node connects anew while its old socket is still open, the old session hears `onClosed` first.
 */
export interface NodeSession {
  onMessage(message: FromNode): void
  /** It gave a sign of life that says nothing else. */
  onAlive(): void
  onClosed(): void
}

/** What a job may say; absent fields take the policy's defaults. */
export interface OpenOptions extends Partial<JobPolicy> {
  readonly site: string
  /** Absent: the group that the site belongs to. */
  readonly group?: string
  /** Names of nodes; absent: all that serve the site. */
  readonly only?: readonly string[]
  readonly reason?: string
  /** The first commands. */
  readonly commands?: readonly CommandRequest[]
  /** Where its end is told, though nobody waits for it here. */
  readonly callback?: Callback
  /** Asked again with the same key, also after a restart, it is the same job. */
  readonly idempotencyKey?: string
  /** Stops asking and, when the job was made, asks for its abort. */
  readonly signal?: AbortSignal
  /**
   * Of a client on Node.js: bring the content of this machine. `auto`, which is what it does when nothing is said, does
   * so when the coordinator's address is not of this machine.
   */
  readonly upload?: boolean | 'auto'
  /** Hears how far an upload is. */
  readonly onUpload?: (event: UploadEvent) => void
}

/** What a publish may say beside its directory. */
export interface PublishOptions extends Omit<OpenOptions, 'commands'> {
  /** Stage everywhere; `commit` makes it live. */
  readonly stageOnly?: boolean
}

/** Back to `release`, or to the one before the live one. `reason` is shown while the site is held. */
export interface RollbackOptions {
  readonly site: string
  readonly group?: string
  readonly reason: string
  readonly release?: number
  /** Where its end is told, though nobody waits for it here. */
  readonly callback?: Callback
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
}

/** Which sites: one by name, or all of a group. */
export interface SitesNamed {
  readonly site?: string
  readonly group?: string
}

/** Which sites to hold on what they serve, why, and for how long; absent: until they are resumed. */
export interface PauseOptions extends SitesNamed {
  readonly reason: string
  readonly forMs?: number
}

export interface ResumeOptions extends SitesNamed {
  readonly reason?: string
}

/** What to verify; absent fields as in `VerifyRunRequest`. */
export interface VerifyOptions extends Partial<VerifyRunRequest> {
  readonly site: string
  readonly signal?: AbortSignal
}

/** Which events of the fleet to read. */
export interface EventsOptions {
  /** Patterns: `job.*`, `node.lost`; all by default. */
  readonly types?: readonly string[]
  readonly sinceId?: number
  readonly signal?: AbortSignal
}

/** A job in the hands of who asked for it. */
export interface Job {
  readonly id: string
  /** Adds commands to it; they are on record when this resolves. */
  add(...commands: readonly CommandRequest[]): Promise<JobView>
  /** Closes it: nothing is added after this. */
  end(): Promise<JobView>
  /**
   * Every event from the job's first (or from after `sinceId`) on, ending after `result`, or quietly
   * when `signal` fires. Each call is a watcher of its own; a slow one misses progress, never a phase.
   */
  progress(options?: { readonly sinceId?: number; readonly signal?: AbortSignal }): AsyncIterable<JobEvent>
  /**
   * Waits for the end. `partial` resolves: it is live, some nodes follow.
   * @throws {EngineError} the job's own code when it failed; ENGINE_ERR_JOB_ABORTED when it was aborted.
   */
  completed(): Promise<JobView>
  /** Resolves when its content was sent from here to the end; absent where nothing is sent. */
  sent?(): Promise<void>
}

/** A key under which the same request is answered once. */
export interface KeyOption {
  readonly idempotencyKey?: string
}

/** What embedding programs, the client and the CLI have in common: a coordinator here or over HTTP. */
export interface JobsApi {
  /** Opens a job; commands may be added until it is ended. */
  openJob(options: OpenOptions): Promise<Job>
  /** Adds commands to a job, by whomever it was opened. */
  addCommands(jobId: string, commands: readonly CommandRequest[], options?: KeyOption): Promise<JobView>
  /** Closes a job: it ends when its nodes have answered. */
  end(jobId: string): Promise<JobView>
  /** The commands of a job, and where every node stands with each. */
  commands(jobId: string): Promise<readonly CommandView[]>
  /** @param directory staging directory on the coordinator's machine. */
  publish(directory: string, options: PublishOptions): Promise<Job>
  rollback(options: RollbackOptions): Promise<Job>
  /** Takes a job in hand that was asked for earlier, by whomever: to follow it. */
  attach(jobId: string): Promise<Job>
  /** Asks a staged job to switch live; answers when that is on record. Its events tell what comes of it. */
  commit(jobId: string): Promise<JobView>
  /** Stops a job that has not switched anything yet; answers when it has stopped. */
  /** @param options.signal only stops waiting: what was asked stands. */
  abort(jobId: string, options?: { readonly signal?: AbortSignal }): Promise<JobView>
  job(jobId: string): Promise<JobView>
  jobs(filter?: Partial<JobFilter>): Promise<readonly JobView[]>
  receipts(jobId: string): Promise<readonly Receipt[]>
  /** How a job came to its end: every wait, query, answer and repair with its reason, oldest first. */
  explain(jobId: string): Promise<readonly AccountEvent[]>
  nodes(): Promise<readonly NodeView[]>
  /**
   * Asks a node, now, where each command of the running jobs stands on it.
   * @throws {EngineError} ENGINE_ERR_NODE_UNKNOWN; ENGINE_ERR_NODE_LOST: it is away; ENGINE_ERR_NODE_SILENT.
   */
  queryNode(name: string): Promise<NodeStateView>
  sites(): Promise<readonly SiteView[]>
  /**
   * Holds sites on the releases that they serve: no job makes another one live, but rollbacks.
   * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN, ENGINE_ERR_INVALID_ARGUMENT, as `resume` does.
   */
  pause(options: PauseOptions): Promise<readonly SiteView[]>
  /** Ends the hold of sites; jobs that waited for it go on. */
  resume(options: ResumeOptions): Promise<readonly SiteView[]>
  /** Who asked for which change and what came of it, oldest first, a page at a time. */
  audit(query?: Partial<AuditQuery>): Promise<AuditPage>
  /** Every kept job of a site that decided or failed, newest first. */
  history(site: string, options?: { readonly limit?: number }): Promise<readonly HistoryEntry[]>
  /**
   * Has nodes read what they serve and compare it with what was staged; resolves when all have answered.
   * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN, ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_GROUP_EMPTY; when `signal`
   * fires ENGINE_ERR_CANCELLED, and the nodes read on.
   */
  verify(options: VerifyOptions): Promise<VerifyRun>
  version(): Promise<VersionView>
  readonly webhooks: WebhooksApi
  /** What nodes have on disk. */
  readonly files: FilesApi
  /**
   * Events of the fleet, as webhooks get them: from now, or after `sinceId` (0: all of the last hour), until
   * `signal` fires.
   */
  events(options?: EventsOptions): AsyncIterable<CloudEvent>
}
