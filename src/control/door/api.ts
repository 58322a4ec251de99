// In: nothing; these are words. Out: what embedding programs, the client and the CLI have in common.
// Never: code that runs.
import type { AccountEvent } from '../../model/account.js'
import type { AuditPage } from '../../model/audit.js'
import type { LimitView } from '../../model/bandwidth.js'
import type { CloudEvent } from '../../model/fleet-event.js'
import type { HistoryEntry } from '../../model/history.js'
import type { CommandRequest, CommandView, JobView, Receipt } from '../../model/job.js'
import type { NodeStateView } from '../../model/node-state.js'
import type { NodeView } from '../../model/node.js'
import type { ProbeRequest, ProbeView } from '../../model/rate.js'
import type { SiteView } from '../../model/site.js'
import type { VerifyRun } from '../../model/verification.js'
import type { VersionView, AuditQuery } from '../door.js'
import type { EventsOptions } from './events.js'
import type { FilesApi } from './files.js'
import type { JobFilter, OpenOptions, PublishOptions, RollbackOptions, Job, KeyOption } from './jobs.js'
import type { PauseOptions, ResumeOptions, VerifyOptions } from './sites.js'
import type { WebhooksApi } from './webhooks.js'

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
  /**
   * Stops a job that has not switched anything yet; answers when it has stopped.
   * @param options.signal only stops waiting: what was asked stands.
   */
  abort(jobId: string, options?: { readonly signal?: AbortSignal }): Promise<JobView>
  /**
   * Has a job's content sent no more, within a second, until `resumeJob`: what is there stays.
   * @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN, ENGINE_ERR_JOB_STATE, as `resumeJob` does.
   */
  pauseJob(jobId: string): Promise<JobView>
  resumeJob(jobId: string): Promise<JobView>
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
  /** How fast the coordinator (`coordinator`) and the nodes that are connected may send. */
  limits(): Promise<readonly LimitView[]>
  /**
   * Limits what a node or `coordinator` sends until its process starts again; resolves when that is in force.
   * @param bandwidth as `--bwlimit` takes it: `5M`, `off`, `08:00,5M 19:00,off`.
   * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, and as `queryNode`.
   */
  setLimit(name: string, bandwidth: string): Promise<LimitView>
  /**
   * Measures what the coordinator can send to a node and that to the coordinator, or what another node can send to it.
   * It is kept as what is known of the sender's uplink (`uplink` of `nodes`).
   * @throws {EngineError} ENGINE_ERR_PROBE_FAILED; ENGINE_ERR_PROBE_BUSY while content is on its way, unless `force`
   * is given; and as `queryNode`.
   */
  probe(name: string, request?: ProbeRequest): Promise<readonly ProbeView[]>
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
