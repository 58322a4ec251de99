import { type Kysely, type Migration, sql } from 'kysely'

const statements = [
  `create table audit (
    seq integer primary key, kind text not null, at_ms integer not null, actor text not null, action text not null,
    subject text not null, request text not null, outcome text not null, code text, result text,
    prev_hash text not null, hash text not null
  ) strict`,
  'create index audit_by_result on audit (result) where result is not null',
  `create table audit_open (
    id integer primary key autoincrement, at_ms integer not null, actor text not null, action text not null,
    subject text not null, request text not null
  ) strict`,
  'alter table nodes add column public_key text',
  `alter table receipts add column site text not null default ''`,
  'alter table receipts add column command_id text',
  'alter table receipts add column signature text',
  'alter table receipts add column public_key text',
  'update receipts set site = (select site from jobs where jobs.id = receipts.job_id)',
]

/**
 * The audit log: calls that were answered, chained by their hashes, and calls that are being answered. The keys of
 * nodes, and receipts with all that these sign.
 */
export const audit: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db)
  },
}
