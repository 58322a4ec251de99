import { type Kysely, type Migration, sql } from 'kysely'

/** The account that each job gives of its end, a line an event. */
const statements = [
  `create table accounts (
    id integer primary key autoincrement, job_id text not null references jobs (id) on delete cascade,
    at_ms integer not null, kind text not null, node text, reason text not null, rung text
  ) strict`,
  'create index accounts_by_job on accounts (job_id, id)',
]

export const accounts: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db)
  },
}
