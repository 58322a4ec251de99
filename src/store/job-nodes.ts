import type { JobNode, JobNodeCounts, JobNodeState } from '../model/job.js'
import { ManyRows } from './many-rows.js'
import { type NewRow, type Queries, type Row } from './schema.js'

const manyRows = new ManyRows({
  table: 'job_nodes',
  columns: ['job_id', 'node_id', 'name', 'segment', 'state', 'bytes_have', 'rate_bps', 'reason'],
  keys: ['job_id', 'node_id'],
})

export class JobNodes {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Writes the parts of these nodes in a job, new or changed. */
  async put(jobId: string, nodes: readonly JobNode[]): Promise<void> {
    await manyRows.put(this.#db, nodes, (node) => toRow(jobId, node))
  }

  /** By name. */
  async list(jobId: string): Promise<JobNode[]> {
    const query = this.#db().selectFrom('job_nodes').selectAll().where('job_id', '=', jobId).orderBy('name')
    return (await query.execute()).map(fromRow)
  }

  /** Whether a node has a part in a job. */
  async has(jobId: string, nodeId: string): Promise<boolean> {
    const query = this.#db().selectFrom('job_nodes').select('node_id')
    return (await query.where('job_id', '=', jobId).where('node_id', '=', nodeId).executeTakeFirst()) !== undefined
  }

  /** How many nodes of several jobs are in each state, without reading them one by one. */
  async counts(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobNodeCounts>> {
    const found = new Map<string, JobNodeCounts>()
    if (jobIds.length === 0) return found
    const query = this.#db().selectFrom('job_nodes').where('job_id', 'in', jobIds).groupBy(['job_id', 'state'])
    const rows = await query.select((is) => ['job_id', 'state', is.fn.countAll<number>().as('count')]).execute()
    for (const { job_id: id, state, count } of rows) found.set(id, { ...found.get(id), [state as JobNodeState]: count })
    return found
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
