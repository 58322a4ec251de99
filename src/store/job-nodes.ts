import type { JobNode, JobNodeState } from '../model/job.js'
import { type NewRow, type Queries, type Row } from './schema.js'

/** Rows written by one statement: 8 columns each, below SQLite's 32,766 parameters. */
const ROWS_PER_STATEMENT = 1000

export class JobNodes {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Writes the parts of these nodes in a job, new or changed. */
  async put(jobId: string, nodes: readonly JobNode[]): Promise<void> {
    for (let first = 0; first < nodes.length; first += ROWS_PER_STATEMENT) {
      const rows = nodes.slice(first, first + ROWS_PER_STATEMENT).map((node) => toRow(jobId, node))
      await this.#db()
        .insertInto('job_nodes')
        .values(rows)
        .onConflict((conflict) =>
          conflict.columns(['job_id', 'node_id']).doUpdateSet((row) => ({
            name: row.ref('excluded.name'),
            segment: row.ref('excluded.segment'),
            state: row.ref('excluded.state'),
            bytes_have: row.ref('excluded.bytes_have'),
            rate_bps: row.ref('excluded.rate_bps'),
            reason: row.ref('excluded.reason'),
          })),
        )
        .execute()
    }
  }

  /** By name. */
  async list(jobId: string): Promise<JobNode[]> {
    const query = this.#db().selectFrom('job_nodes').selectAll().where('job_id', '=', jobId).orderBy('name')
    return (await query.execute()).map(fromRow)
  }

  /** The nodes of several jobs at once; every id asked for has an entry. */
  async listMany(jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly JobNode[]>> {
    const found = new Map<string, JobNode[]>(jobIds.map((id) => [id, []]))
    if (jobIds.length === 0) return found
    const query = this.#db().selectFrom('job_nodes').selectAll().where('job_id', 'in', jobIds).orderBy('name')
    for (const row of await query.execute()) found.get(row.job_id)?.push(fromRow(row))
    return found
  }
}

function toRow(jobId: string, node: JobNode): NewRow<'job_nodes'> {
  return {
    job_id: jobId,
    node_id: node.nodeId,
    name: node.name,
    segment: node.segment,
    state: node.state,
    bytes_have: node.bytesHave,
    rate_bps: Math.round(node.rateBps),
    reason: node.reason,
  }
}

function fromRow(row: Row<'job_nodes'>): JobNode {
  return {
    nodeId: row.node_id,
    name: row.name,
    segment: row.segment,
    state: row.state as JobNodeState,
    bytesHave: row.bytes_have,
    rateBps: row.rate_bps,
    reason: row.reason,
  }
}
