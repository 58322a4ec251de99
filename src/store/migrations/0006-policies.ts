import { type Kysely, type Migration, sql } from 'kysely'

/** A hold that ends by itself. */
export const policies: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw('alter table sites add column hold_until_ms integer').execute(db)
  },
}
