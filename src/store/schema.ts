import type { Generated, Insertable, Kysely, Selectable } from 'kysely'

// The database's own names (snake_case) and types: text, integers, blobs. JSON is kept as text.
// These types never leave the room; each noun's file turns them into the model's.

interface MetaTable {
  id: number
  coordinator_id: string
  key_seed: Uint8Array
  epoch: number
  last_serial: number
}

interface SitesTable {
  site: string
  group_name: string
  only_nodes: string | null
  target_release: number | null
  target_tree_hash: string | null
  target_job_id: string | null
  target_command: string | null
  target_number: number | null
  target_stage_number: number | null
  hold_reason: string | null
  hold_until_ms: number | null
  last_release: number
  created_at_ms: number
}

interface ReleasesTable {
  site: string
  release: number
  tree_hash: string
  base_release: number | null
  job_id: string
  file_count: number
  total_bytes: number
  held: number
  created_at_ms: number
}

interface JobsTable {
  id: string
  site: string
  group_name: string
  only_nodes: string | null
  state: string
  release: number | null
  base_release: number | null
  tree_hash: string | null
  reason: string | null
  policy: string
  changes: string | null
  assignment: string | null
  error: string | null
  asked: string | null
  canary: string | null
  /** 0 or 1. */
  paused: Generated<number>
  created_at_ms: number
  finished_at_ms: number | null
}

interface CommandsTable {
  job_id: string
  number: number
  type: string
  request: string
  state: string
  release: number | null
  error: string | null
  created_at_ms: number
  started_at_ms: number | null
  finished_at_ms: number | null
}

interface AnswersTable {
  key: string
  fingerprint: string
  job_id: string
  at_ms: number
}

interface JobNodesTable {
  job_id: string
  node_id: string
  name: string
  segment: string
  state: string
  bytes_have: number
  rate_bps: number
  reason: string | null
}

interface ReceiptsTable {
  job_id: string
  number: number
  node_id: string
  node_name: string
  command: string
  kind: string
  release: number | null
  tree_hash: string | null
  at_ms: number
  recorded_at_ms: number
  bytes_fetched: number
  output: string | null
  error: string | null
  site: string
  command_id: string | null
  signature: string | null
  public_key: string | null
}

interface NodesTable {
  id: string
  name: string
  group_names: string
  segment: string
  data_host: string
  data_port: number
  sites: string
  joined_at_ms: number
  last_seen_ms: number
  public_key: string | null
}

interface AssignmentsTable {
  id: string
  serial: number
  command: string
  site: string
  release: number
  base_release: number | null
  tree_hash: string
  job_id: string
  chunk_bytes: number
  chunk_count: number | null
  stream_bytes: number | null
  content_bytes: number | null
  data_digest: string | null
  created_at_ms: number
}

interface EventsTable {
  job_id: string
  id: number
  type: string
  at_ms: number
  job: string
}

interface SnapshotsTable {
  serial: number
  site: string
  release: number
  job_id: string
  at_ms: number
  details: Uint8Array
}

interface AuditTable {
  seq: number
  kind: string
  at_ms: number
  actor: string
  action: string
  subject: string
  request: string
  outcome: string
  code: string | null
  result: string | null
  prev_hash: string
  hash: string
}

interface AuditOpenTable {
  id: Generated<number>
  at_ms: number
  actor: string
  action: string
  subject: string
  request: string
}

interface FleetEventsTable {
  id: Generated<number>
  type: string
  subject: string
  site: string | null
  at_ms: number
  data: string
}

interface WebhooksTable {
  id: string
  url: string
  types: string
  site: string | null
  secrets: string
  allow_private: number
  job_id: string | null
  created_at_ms: number
  off_at_ms: number | null
  off_reason: string | null
  failing_since_ms: number | null
  delivered_at_ms: number | null
}

interface DeliveriesTable {
  id: string
  webhook_id: string
  event_id: number
  state: string
  attempts: number
  since_ms: number
  next_at_ms: number | null
  created_at_ms: number
  last_at_ms: number | null
  last_status: number | null
  last_ms: number | null
  last_error: string | null
}

interface StandingsTable {
  node_id: string
  site: string
  standing: string
  release: number | null
}

interface AccountsTable {
  id: Generated<number>
  job_id: string
  at_ms: number
  kind: string
  node: string | null
  reason: string
  rung: string | null
}

interface WordsTable {
  site: string
  revision: number
  job_id: string
  body: string
}

export interface Schema {
  accounts: AccountsTable
  meta: MetaTable
  sites: SitesTable
  releases: ReleasesTable
  jobs: JobsTable
  commands: CommandsTable
  answers: AnswersTable
  job_nodes: JobNodesTable
  receipts: ReceiptsTable
  nodes: NodesTable
  assignments: AssignmentsTable
  events: EventsTable
  snapshots: SnapshotsTable
  audit: AuditTable
  audit_open: AuditOpenTable
  fleet_events: FleetEventsTable
  webhooks: WebhooksTable
  deliveries: DeliveriesTable
  standings: StandingsTable
  words: WordsTable
}

export type Row<T extends keyof Schema> = Selectable<Schema[T]>
export type NewRow<T extends keyof Schema> = Insertable<Schema[T]>

/** Gives the connection or the transaction at hand; asked anew for each query. */
export type Queries = () => Kysely<Schema>

/** JSON of the model as it is kept in a text column. */
export const toJson = (value: unknown): string => JSON.stringify(value)
/** The same read back; what this process wrote needs no second check. */
export const fromJson = <T>(text: string): T => JSON.parse(text) as T
export const toJsonOrNull = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))
export const fromJsonOrNull = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T))
