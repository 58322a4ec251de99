import type { CommandRequest, CommandState, CommandType, JobCommand, JobError } from '../model/job.js'
import { fromJson, fromJsonOrNull, type NewRow, type Queries, type Row, toJson, toJsonOrNull } from './schema.js'

/** What changes in the life of a command. */
export type CommandPatch = Pick<JobCommand, 'number'> &
  Partial<Pick<JobCommand, 'state' | 'release' | 'error' | 'startedAtMs' | 'finishedAtMs'>>

/** A command that a node missed while it was away. */
export interface OwedCommand {
  readonly jobId: string
  readonly site: string
  readonly number: number
  readonly request: CommandRequest
}

/** Commands of jobs, each with its number. */
export class Commands {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  async add(jobId: string, commands: readonly JobCommand[]): Promise<void> {
    if (commands.length === 0) return
    const rows = commands.map((command) => toRow(jobId, command))
    await this.#db().insertInto('commands').values(rows).execute()
  }

  async update(jobId: string, patch: CommandPatch): Promise<void> {
    const { number, state, release, error, startedAtMs, finishedAtMs } = patch
    const row: Partial<NewRow<'commands'>> = {
      ...(state !== undefined && { state }),
      ...(release !== undefined && { release }),
      ...(error !== undefined && { error: toJsonOrNull(error) }),
      ...(startedAtMs !== undefined && { started_at_ms: startedAtMs }),
      ...(finishedAtMs !== undefined && { finished_at_ms: finishedAtMs }),
    }
    await this.#db().updateTable('commands').set(row).where('job_id', '=', jobId).where('number', '=', number).execute()
  }

  /** Forgets the commands of a job beyond one. */
  async dropAfter(jobId: string, number: number): Promise<void> {
    await this.#db().deleteFrom('commands').where('job_id', '=', jobId).where('number', '>', number).execute()
  }

  /** In their order. */
  async list(jobId: string): Promise<JobCommand[]> {
    const query = this.#db().selectFrom('commands').selectAll().where('job_id', '=', jobId).orderBy('number')
    return (await query.execute()).map(fromRow)
  }

  /** The commands of several jobs at once; every id asked for has an entry. */
  async listMany(jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly JobCommand[]>> {
    const found = new Map<string, JobCommand[]>(jobIds.map((id) => [id, []]))
    if (jobIds.length === 0) return found
    const query = this.#db().selectFrom('commands').selectAll().where('job_id', 'in', jobIds).orderBy('number')
    for (const row of await query.execute()) found.get(row.job_id)?.push(fromRow(row))
    return found
  }

  /**
   * What a node was to carry out and never answered, of jobs that it took part in and that were not given up:
   * oldest job first, in the order of their numbers.
   * @param types commands that are carried out once, not by converging on a release.
   */
  async owedTo(nodeId: string, types: readonly CommandType[]): Promise<OwedCommand[]> {
    const rows = await this.#db()
      .selectFrom('commands')
      .innerJoin('jobs', 'jobs.id', 'commands.job_id')
      .innerJoin('job_nodes', 'job_nodes.job_id', 'commands.job_id')
      .select(['commands.job_id', 'commands.number', 'commands.request', 'jobs.site'])
      .where('job_nodes.node_id', '=', nodeId)
      .where('job_nodes.state', '!=', 'departed')
      .where('commands.type', 'in', types)
      .where('commands.state', 'in', ['completed', 'failed'])
      .where('jobs.state', 'not in', ['failed', 'aborted'])
      .where((is) =>
        is.not(
          is.exists(
            is
              .selectFrom('receipts')
              .select('receipts.number')
              .whereRef('receipts.job_id', '=', 'commands.job_id')
              .whereRef('receipts.number', '=', 'commands.number')
              .where('receipts.node_id', '=', nodeId)
              .where('receipts.kind', '!=', 'receipt'),
          ),
        ),
      )
      .orderBy('commands.job_id')
      .orderBy('commands.number')
      .execute()
    return rows.map(({ job_id: jobId, site, number, request }) => {
      return { jobId, site, number, request: fromJson<CommandRequest>(request) }
    })
  }
}

function toRow(jobId: string, command: JobCommand): NewRow<'commands'> {
  return {
    job_id: jobId,
    number: command.number,
    type: command.request.type,
    request: toJson(command.request),
    state: command.state,
    release: command.release,
    error: toJsonOrNull(command.error),
    created_at_ms: command.createdAtMs,
    started_at_ms: command.startedAtMs,
    finished_at_ms: command.finishedAtMs,
  }
}

function fromRow(row: Row<'commands'>): JobCommand {
  return {
    number: row.number,
    request: fromJson<CommandRequest>(row.request),
    state: row.state as CommandState,
    release: row.release,
    error: fromJsonOrNull<JobError>(row.error),
    createdAtMs: row.created_at_ms,
    startedAtMs: row.started_at_ms,
    finishedAtMs: row.finished_at_ms,
  }
}
