import { type Kysely, type Migration, sql } from 'kysely'

/** What a client asked of a job that is under way: it stands after a restart. */
export const asked: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(`alter table jobs add column asked text check (asked in ('commit', 'abort'))`).execute(db)
  },
}
