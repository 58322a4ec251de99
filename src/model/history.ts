import type { ChangeSummary, CommandType, JobError, JobState } from './job.js'

/** One job that changed what a site shows, or was to and failed. */
export interface HistoryEntry {
  readonly jobId: string
  /** When it was asked for. */
  readonly atMs: number
  readonly finishedAtMs: number | null
  /** From asking to its end; null while it goes on. */
  readonly durationMs: number | null
  readonly commands: readonly CommandType[]
  readonly result: JobState
  /** What was live before; null: nothing, or it is not known any more. */
  readonly fromRelease: number | null
  /** What it made live, or was to; null when it failed before that had a number. */
  readonly toRelease: number | null
  /** Who asked, as the audit log has it; null when that record is not kept any more. */
  readonly actor: string | null
  readonly reason: string | null
  /** Null for a job that brought nothing new. */
  readonly changes: ChangeSummary | null
  /** Length of what each node was sent; null when nothing was. */
  readonly sentBytes: number | null
  readonly nodesLive: number
  readonly nodesBehind: number
  readonly nodeCount: number
  readonly error: JobError | null
}
