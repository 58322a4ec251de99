// In: nothing; these are words. Out: what a job is asked with, and a job in the hands of who asked for it.
// Never: code that runs.
import type { JobEvent } from '../../model/event.js'
import type { CommandRequest, JobPolicy, JobState, JobView } from '../../model/job.js'
import type { UploadEvent } from '../../model/upload.js'
import type { Callback } from '../../model/webhook.js'

/** Which jobs to list, newest first. */
export interface JobFilter {
  readonly site?: string
  readonly state?: JobState
  /** 1–JOB_PAGE_MAX. */
  readonly limit: number
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

/** Back to `release`, or to the one that was live before. `reason` is shown while the site is held. */
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
