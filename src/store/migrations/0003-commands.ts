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
  `create table commands (
    job_id text not null references jobs (id) on delete cascade, number integer not null, type text not null,
    request text not null, state text not null, release integer, error text,
    created_at_ms integer not null, started_at_ms integer, finished_at_ms integer,
    primary key (job_id, number)
  ) strict, without rowid`,
  ...[
    {
      number: 1,
      type: 'publish',
      of: 'publish',
      request: `json_object('type', 'publish', 'directory', directory, 'upload', null)`,
    },
    { number: 2, type: 'commit', of: 'publish', request: `'{"type":"commit"}'` },
    { number: 3, type: 'end-job', of: 'publish', request: `'{"type":"end-job"}'` },
    { number: 1, type: 'rollback', of: 'rollback', request: `json_object('type', 'rollback', 'release', release)` },
    { number: 2, type: 'end-job', of: 'rollback', request: `'{"type":"end-job"}'` },
  ].map(queued),
  // A staged job waits for its commit, which ends it.
  `delete from commands where number > 1 and job_id in
    (select id from jobs where type = 'publish' and finished_at_ms is null and asked is not 'commit'
      and json_extract(policy, '$.stageOnly') = 1)`,
  `update jobs set state = 'open' where state = 'packing'`,
  'alter table jobs drop column type',
  'alter table jobs drop column directory',
  'alter table jobs add column only_nodes text',
  `create table answers (
    key text primary key, fingerprint text not null,
    job_id text not null references jobs (id) on delete cascade, at_ms integer not null
  ) strict, without rowid`,
  'alter table sites add column only_nodes text',
  'alter table sites add column target_number integer',
  'alter table sites add column target_stage_number integer',
  `update sites set target_stage_number = 1, target_number = case target_command when 'commit' then 2 else 1 end
    where target_release is not null`,
]

/** A command that every job of a kind had without saying so. */
function queued(of: {
  readonly number: number
  readonly type: string
  readonly of: string
  readonly request: string
}): string {
  const isFirst = of.number === 1
  const underWay = isFirst ? `case when state in ('queued') then 'new' else 'in-progress' end` : `'new'`
  const isDone = of.type === 'publish' ? `state in ('staged', 'committing')` : 'false'
  const isCommitting = of.type === 'commit' ? `state = 'committing'` : 'false'
  return `insert into commands
    select id, ${of.number}, '${of.type}', ${of.request},
      case when state in ('succeeded', 'partial') or ${isDone} then 'completed'
        when state in ('failed', 'aborted') then 'failed'
        when ${isCommitting} then 'in-progress'
        else ${underWay} end,
      null, null, created_at_ms, null, finished_at_ms
    from jobs where type = '${of.of}'`
}

/** A job holds a queue of numbered commands: receipts tell which of them they answer, targets which decided. */
export const commands: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db)
  },
}
