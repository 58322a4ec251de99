import { type Kysely, type Migration, sql } from 'kysely'

/** Whether a job's content is kept from being sent. */
export const paused: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw('alter table jobs add column paused integer not null default 0').execute(db)
  },
}
