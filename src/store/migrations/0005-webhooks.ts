import { type Kysely, type Migration, sql } from 'kysely'

/** An id of a fleet event is never given twice, whatever was dropped. What a delivery names cannot be dropped. */
const statements = [
  `create table fleet_events (
    id integer primary key autoincrement, type text not null, subject text not null, site text,
    at_ms integer not null, data text not null
  ) strict`,
  'create index fleet_events_by_time on fleet_events (at_ms)',
  `create table webhooks (
    id text primary key, url text not null, types text not null, site text, secrets text not null,
    allow_private integer not null check (allow_private in (0, 1)), job_id text, created_at_ms integer not null,
    off_at_ms integer, off_reason text, failing_since_ms integer, delivered_at_ms integer,
    check ((off_at_ms is null) = (off_reason is null))
  ) strict`,
  `create table deliveries (
    id text primary key, webhook_id text not null references webhooks (id) on delete cascade,
    event_id integer not null references fleet_events (id),
    state text not null check (state in ('waiting', 'delivered', 'failed')),
    attempts integer not null, since_ms integer not null, next_at_ms integer, created_at_ms integer not null,
    last_at_ms integer, last_status integer, last_ms integer, last_error text,
    unique (webhook_id, event_id), check ((state = 'waiting') = (next_at_ms is not null))
  ) strict`,
  "create index deliveries_waiting on deliveries (webhook_id, next_at_ms, event_id) where state = 'waiting'",
  'create index deliveries_by_event on deliveries (event_id)',
  `create table standings (
    node_id text not null, site text not null, standing text not null, release integer,
    primary key (node_id, site)
  ) strict, without rowid`,
]

/** What is told of the fleet: events, who is called back, what is on its way, and what was told of each node. */
export const webhooks: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db)
  },
}
