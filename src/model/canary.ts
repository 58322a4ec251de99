import type { JobError } from './job.js'

/** Which nodes switch first, for how long, and by which hook they tell that all is well; one of the first three. */
export interface CanaryPolicy {
  /** Share (0–1) of the nodes that have staged it, at least one. */
  readonly share?: number | undefined
  readonly count?: number | undefined
  /** Their names. */
  readonly nodes?: readonly string[] | undefined
  /** From when all of them are live until everybody switches. */
  readonly bakeMs: number
  /** The hook that is run on them; absent: their health. */
  readonly health?: string | undefined
}

/** The nodes that serve a job's release before its decision. It is on record before any of them is told. */
export interface Canary {
  readonly nodeIds: readonly string[]
  readonly names: readonly string[]
  /** Of the commit that they carry out before the others. */
  readonly number: number
  readonly decidedAtMs: number
  /** When everybody switches if all stays well; null: not all of them are live yet. */
  readonly untilMs: number | null
  /** Why they switch back; null: they do not. */
  readonly revoked: JobError | null
}
