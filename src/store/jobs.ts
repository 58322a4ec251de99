import { EngineError } from '../base/errors.js'
import { JOB_PAGE_DEFAULT, JOB_PAGE_MAX } from '../base/limits.js'
import type { Canary } from '../model/canary.js'
import type { AssignmentRef, ChangeSummary, JobError, JobPolicy, JobState, JobView } from '../model/job.js'
import { fromJson, fromJsonOrNull, type NewRow, type Queries, type Row, toJson, toJsonOrNull } from './schema.js'

/** A job as it is kept: what a client sees, without its commands and nodes. */
export interface JobRecord extends Omit<JobView, 'nodes' | 'commands' | 'waitsFor'> {
  /** Hash of the tree that this job makes live; null until it was scanned. */
  readonly treeHash: string | null
}

/** What may change in the life of a job. */
export type JobPatch = Partial<
  Pick<
    JobRecord,
    | 'state'
    | 'release'
    | 'baseRelease'
    | 'treeHash'
    | 'changes'
    | 'assignment'
    | 'error'
    | 'finishedAtMs'
    | 'reason'
    | 'canary'
    | 'paused'
  >
>

export interface JobFilter {
  readonly site?: string
  readonly state?: JobState
  /** 1–JOB_PAGE_MAX. */
  readonly limit?: number
}

export class Jobs {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  async create(job: JobRecord): Promise<void> {
    await this.#db().insertInto('jobs').values(toRow(job)).execute()
  }

  async get(id: string): Promise<JobRecord | null> {
    const row = await this.#db().selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
    return row === undefined ? null : fromRow(row)
  }

  /** @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN */
  async require(id: string): Promise<JobRecord> {
    const found = await this.get(id)
    if (found === null) throw new EngineError('ENGINE_ERR_JOB_UNKNOWN', { jobId: id })
    return found
  }

  /** Newest first. */
  async list(filter: JobFilter = {}): Promise<JobRecord[]> {
    const limit = Math.min(Math.max(filter.limit ?? JOB_PAGE_DEFAULT, 1), JOB_PAGE_MAX)
    let query = this.#db().selectFrom('jobs').selectAll().orderBy('id', 'desc').limit(limit)
    if (filter.site !== undefined) query = query.where('site', '=', filter.site)
    if (filter.state !== undefined) query = query.where('state', '=', filter.state)
    return (await query.execute()).map(fromRow)
  }

  /** Jobs without an end, oldest first: what a coordinator takes up again after a restart. */
  async unfinished(): Promise<JobRecord[]> {
    const query = this.#db().selectFrom('jobs').selectAll().where('finished_at_ms', 'is', null).orderBy('id')
    return (await query.execute()).map(fromRow)
  }

  /** Notes that an abort was asked for: it stands after a restart. */
  async askAbort(id: string): Promise<void> {
    await this.#db().updateTable('jobs').set({ asked: 'abort' }).where('id', '=', id).execute()
  }

  async isAbortAsked(id: string): Promise<boolean> {
    const row = await this.#db().selectFrom('jobs').select('asked').where('id', '=', id).executeTakeFirst()
    return row?.asked === 'abort'
  }

  /** @throws {EngineError} ENGINE_ERR_JOB_UNKNOWN */
  async update(id: string, patch: JobPatch): Promise<void> {
    const row = patchRow(patch)
    if (Object.keys(row).length === 0) return
    const result = await this.#db().updateTable('jobs').set(row).where('id', '=', id).executeTakeFirst()
    if (result.numUpdatedRows === 0n) throw new EngineError('ENGINE_ERR_JOB_UNKNOWN', { jobId: id })
  }
}

function patchRow(patch: JobPatch): Partial<NewRow<'jobs'>> {
  return {
    ...(patch.state !== undefined && { state: patch.state }),
    ...(patch.release !== undefined && { release: patch.release }),
    ...(patch.baseRelease !== undefined && { base_release: patch.baseRelease }),
    ...(patch.treeHash !== undefined && { tree_hash: patch.treeHash }),
    ...(patch.reason !== undefined && { reason: patch.reason }),
    ...(patch.changes !== undefined && { changes: toJsonOrNull(patch.changes) }),
    ...(patch.assignment !== undefined && { assignment: toJsonOrNull(patch.assignment) }),
    ...(patch.canary !== undefined && { canary: toJsonOrNull(patch.canary) }),
    ...pausedRow(patch),
    ...(patch.error !== undefined && { error: toJsonOrNull(patch.error) }),
    ...(patch.finishedAtMs !== undefined && { finished_at_ms: patch.finishedAtMs }),
  }
}

/** 0 or 1, where it changes. */
const pausedRow = ({ paused }: JobPatch): Partial<NewRow<'jobs'>> =>
  paused === undefined ? {} : { paused: paused ? 1 : 0 }

function toRow(job: JobRecord): NewRow<'jobs'> {
  return {
    id: job.id,
    site: job.site,
    group_name: job.group,
    only_nodes: toJsonOrNull(job.only),
    state: job.state,
    release: job.release,
    base_release: job.baseRelease,
    tree_hash: job.treeHash,
    reason: job.reason,
    policy: toJson(job.policy),
    changes: toJsonOrNull(job.changes),
    assignment: toJsonOrNull(job.assignment),
    error: toJsonOrNull(job.error),
    canary: toJsonOrNull(job.canary ?? null),
    created_at_ms: job.createdAtMs,
    finished_at_ms: job.finishedAtMs,
  }
}

function fromRow(row: Row<'jobs'>): JobRecord {
  return {
    id: row.id,
    site: row.site,
    group: row.group_name,
    only: fromJsonOrNull<readonly string[]>(row.only_nodes),
    state: row.state as JobState,
    release: row.release,
    baseRelease: row.base_release,
    treeHash: row.tree_hash,
    reason: row.reason,
    policy: fromJson<JobPolicy>(row.policy),
    changes: fromJsonOrNull<ChangeSummary>(row.changes),
    assignment: fromJsonOrNull<AssignmentRef>(row.assignment),
    error: fromJsonOrNull<JobError>(row.error),
    createdAtMs: row.created_at_ms,
    finishedAtMs: row.finished_at_ms,
    ...(row.canary === null ? {} : { canary: fromJson<Canary>(row.canary) }),
    ...(row.paused === 0 ? {} : { paused: true }),
  }
}
