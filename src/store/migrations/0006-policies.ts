import { type Kysely, type Migration, sql } from 'kysely'

const statements = [
  'alter table sites add column hold_until_ms integer',
  // The nodes that switch first, while they are watched; JSON.
  'alter table sites add column canary text',
]

/** A hold that ends by itself, and a release that some nodes of a site try. */
export const policies: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db)
  },
}
