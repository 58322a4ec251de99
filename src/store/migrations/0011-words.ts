import { type Kysely, type Migration, sql } from 'kysely'

/** What was decided for each site last, as it travels from node to node; its revision never goes back. */
const statements = [
  `create table words (
    site text primary key references sites (site) on delete cascade, revision integer not null,
    job_id text not null, body text not null
  ) strict`,
]

export const words: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db)
  },
}
