import { type Kysely, type Migration, sql } from 'kysely'

/** STRICT: a value of the wrong type is refused instead of kept. */
const statements = [
  `create table meta (
    id integer primary key check (id = 1), coordinator_id text not null, key_seed blob not null,
    epoch integer not null, last_serial integer not null
  ) strict`,
  `create table sites (
    site text primary key, group_name text not null,
    target_release integer, target_tree_hash text, target_job_id text, target_command text, hold_reason text,
    last_release integer not null, created_at_ms integer not null,
    check ((target_release is null) = (target_tree_hash is null))
  ) strict`,
  `create table releases (
    site text not null references sites (site), release integer not null, tree_hash text not null,
    base_release integer, job_id text not null, file_count integer not null, total_bytes integer not null,
    held integer not null check (held in (0, 1)), created_at_ms integer not null,
    primary key (site, release)
  ) strict`,
  `create table jobs (
    id text primary key, type text not null, site text not null, group_name text not null, state text not null,
    directory text, release integer, base_release integer, tree_hash text, reason text,
    policy text not null, changes text, assignment text, error text,
    created_at_ms integer not null, finished_at_ms integer
  ) strict`,
  'create index jobs_by_site on jobs (site, id)',
  'create index jobs_unfinished on jobs (id) where finished_at_ms is null',
  `create table job_nodes (
    job_id text not null references jobs (id) on delete cascade, node_id text not null,
    name text not null, segment text not null, state text not null,
    bytes_have integer not null, rate_bps integer not null, reason text,
    primary key (job_id, node_id)
  ) strict, without rowid`,
  `create table receipts (
    job_id text not null references jobs (id) on delete cascade, node_id text not null, command text not null,
    kind text not null, node_name text not null, release integer not null, tree_hash text not null,
    at_ms integer not null, recorded_at_ms integer not null, bytes_fetched integer not null, error text,
    primary key (job_id, node_id, command, kind)
  ) strict, without rowid`,
  `create table nodes (
    id text primary key, name text not null unique, group_names text not null, segment text not null,
    data_host text not null, data_port integer not null, sites text not null,
    joined_at_ms integer not null, last_seen_ms integer not null
  ) strict`,
  `create table assignments (
    id text primary key, serial integer not null unique, command text not null, site text not null,
    release integer not null, base_release integer, tree_hash text not null, job_id text not null,
    chunk_bytes integer not null, chunk_count integer, stream_bytes integer, content_bytes integer,
    data_digest text, created_at_ms integer not null
  ) strict`,
  'create index assignments_by_release on assignments (site, release)',
  `create table events (
    job_id text not null references jobs (id) on delete cascade, id integer not null,
    type text not null, at_ms integer not null, job text not null,
    primary key (job_id, id)
  ) strict, without rowid`,
  `create table snapshots (
    serial integer primary key, site text not null, release integer not null, job_id text not null,
    at_ms integer not null, details blob not null
  ) strict`,
  'create index snapshots_by_site on snapshots (site, serial)',
]

/** The tables of the spine: identity, sites, releases, jobs, nodes, assignments, their records. */
export const spine: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db)
  },
}
