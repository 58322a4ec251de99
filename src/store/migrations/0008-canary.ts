import { type Kysely, type Migration, sql } from 'kysely'

/** The nodes that serve a job's release before the others do. */
export const canary: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw('alter table jobs add column canary text').execute(db)
  },
}
