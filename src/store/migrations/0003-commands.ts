import { type Kysely, type Migration, sql } from 'kysely'

/** STRICT: a value of the wrong type is refused instead of kept. */
const statements = [
  `create table receipts_numbered (
    job_id text not null references jobs (id) on delete cascade, number integer not null, node_id text not null,
    command text not null, kind text not null, node_name text not null, release integer, tree_hash text,
    at_ms integer not null, recorded_at_ms integer not null, bytes_fetched integer not null,
    output text, error text,
    primary key (job_id, number, node_id, command, kind)
  ) strict, without rowid`,
  `insert into receipts_numbered
    select job_id, case command when 'commit' then 2 else 1 end, node_id, command, kind, node_name, release, tree_hash,
      at_ms, recorded_at_ms, bytes_fetched, null, error
    from receipts`,
  'drop table receipts',
  'alter table receipts_numbered rename to receipts',
  'alter table sites add column target_number integer',
  'alter table sites add column target_stage_number integer',
  `update sites set target_stage_number = 1, target_number = case target_command when 'commit' then 2 else 1 end
    where target_release is not null`,
]

/** Commands of a job have numbers: receipts tell which of them they answer, targets which of them decided. */
export const commands: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db)
  },
}
