import { sql } from 'kysely'
import { ACCOUNT_BATCH_MAX, ACCOUNT_EVENTS_KEPT } from '../base/ending-limits.js'
import type { AccountEvent } from '../model/account.js'
import type { Queries } from './schema.js'

/** What jobs did about their nodes when they ended. */
export class Accounts {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Adds events of one job in their order; beyond ACCOUNT_EVENTS_KEPT its oldest go. */
  async add(jobId: string, events: readonly AccountEvent[]): Promise<void> {
    if (events.length === 0) return
    for (let from = 0; from < events.length; from += ACCOUNT_BATCH_MAX) {
      const rows = events.slice(from, from + ACCOUNT_BATCH_MAX).map(({ atMs, ...event }) => {
        return { job_id: jobId, at_ms: atMs, ...event }
      })
      await this.#db().insertInto('accounts').values(rows).execute()
    }
    await sql`delete from accounts where job_id = ${jobId} and id <= (
      select id from accounts where job_id = ${jobId} order by id desc limit 1 offset ${ACCOUNT_EVENTS_KEPT}
    )`.execute(this.#db())
  }

  /** Oldest first. */
  async list(jobId: string): Promise<AccountEvent[]> {
    const query = this.#db().selectFrom('accounts').selectAll().where('job_id', '=', jobId).orderBy('id')
    return (await query.execute()).map(({ at_ms: atMs, kind, node, reason, rung }) => {
      return { atMs, kind: kind as AccountEvent['kind'], node, reason, rung: rung as AccountEvent['rung'] }
    })
  }
}
