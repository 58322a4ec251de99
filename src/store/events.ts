import { JOB_EVENTS_KEPT } from '../base/limits.js'
import type { JobEvent } from '../model/event.js'
import type { JobView } from '../model/job.js'
import { fromJson, type Queries, type Row, toJson } from './schema.js'

export class Events {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /**
   * Keeps an event under the id it brings; one that is there already stays as it was.
   * Phases and results are worth keeping; progress that is only shown need not be.
   */
  async append(jobId: string, event: JobEvent): Promise<void> {
    await this.#db()
      .insertInto('events')
      .values({ job_id: jobId, id: event.id, type: event.type, at_ms: event.atMs, job: toJson(event.job) })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }

  /** Events with an id greater than `sinceId`, in order, at most `limit`. */
  async since(jobId: string, sinceId: number, limit = JOB_EVENTS_KEPT): Promise<JobEvent[]> {
    const query = this.#db().selectFrom('events').selectAll().where('job_id', '=', jobId).where('id', '>', sinceId)
    return (await query.orderBy('id').limit(limit).execute()).map(fromRow)
  }

  /** Highest id kept; 0 when there is none. */
  async lastId(jobId: string): Promise<number> {
    const query = this.#db().selectFrom('events').select('id').where('job_id', '=', jobId)
    return (await query.orderBy('id', 'desc').limit(1).executeTakeFirst())?.id ?? 0
  }
}

function fromRow(row: Row<'events'>): JobEvent {
  return { type: row.type as JobEvent['type'], id: row.id, atMs: row.at_ms, job: fromJson<JobView>(row.job) }
}
