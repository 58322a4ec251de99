import { wellFormed } from '../base/text.js'
import type { CommandType, JobError, Receipt } from '../model/job.js'
import { ManyRows } from './many-rows.js'
import { fromJsonOrNull, type NewRow, type Queries, type Row, toJsonOrNull } from './schema.js'

const manyRows = new ManyRows({
  table: 'receipts',
  columns: [
    ...(['job_id', 'number', 'node_id', 'node_name', 'command', 'kind', 'release', 'tree_hash', 'at_ms'] as const),
    ...(['recorded_at_ms', 'bytes_fetched', 'output', 'error', 'site', 'command_id', 'signature'] as const),
    'public_key',
  ],
  keys: ['job_id', 'number', 'node_id', 'command', 'kind'],
  changesWhere: `excluded.kind = 'failure' or excluded.output is not null or excluded.error is not null`,
})

export class Receipts {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /**
   * Records what a node did with a command; durable when this returns, so it may be acknowledged.
   * Delivered twice, a receipt or completion stays as it was first told, unless the later one has an output or an
   * error, as hooks after a switch leave; of failures the last is kept.
   * @returns false when it was there already.
   */
  async record(receipt: Receipt): Promise<boolean> {
    const row = toRow(receipt)
    const result = await this.#db()
      .insertInto('receipts')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    const added = result.numInsertedOrUpdatedRows === 1n
    const saysMore = receipt.kind === 'failure' || receipt.output !== null || receipt.error !== null
    if (!added && saysMore) {
      await this.#db()
        .updateTable('receipts')
        .set(row)
        .where('job_id', '=', receipt.jobId)
        .where('number', '=', receipt.number)
        .where('node_id', '=', receipt.nodeId)
        .where('command', '=', receipt.command)
        .where('kind', '=', receipt.kind)
        .execute()
    }
    return added
  }

  /** The same of many, in their order, in as few statements as they fit into. */
  async recordAll(receipts: readonly Receipt[]): Promise<void> {
    await manyRows.put(this.#db, receipts, toRow)
  }

  /** The highest number that a job's receipts are about; 0: it has none. */
  async lastNumber(jobId: string): Promise<number> {
    const query = this.#db().selectFrom('receipts').where('job_id', '=', jobId)
    const row = await query.select((is) => is.fn.max('number').as('last')).executeTakeFirst()
    return row?.last ?? 0
  }

  /** In the order they were recorded; of one command, of one node, or all. */
  async list(
    jobId: string,
    { number, nodeId }: { readonly number?: number; readonly nodeId?: string } = {},
  ): Promise<Receipt[]> {
    let query = this.#db().selectFrom('receipts').selectAll().where('job_id', '=', jobId)
    if (number !== undefined) query = query.where('number', '=', number)
    if (nodeId !== undefined) query = query.where('node_id', '=', nodeId)
    const rows = await query.orderBy('recorded_at_ms').orderBy('number').orderBy('node_name').execute()
    return rows.map(fromRow)
  }
}

/** What is signed must come back as it was: half a character would not. */
const textOf = (text: string | null): string | null => (text === null ? null : wellFormed(text))

function toRow(receipt: Receipt): NewRow<'receipts'> {
  return {
    job_id: receipt.jobId,
    number: receipt.number,
    node_id: receipt.nodeId,
    node_name: receipt.nodeName,
    command: receipt.command,
    kind: receipt.kind,
    release: receipt.release,
    tree_hash: receipt.treeHash,
    at_ms: receipt.atMs,
    recorded_at_ms: receipt.recordedAtMs,
    bytes_fetched: receipt.bytesFetched,
    output: textOf(receipt.output),
    error: toJsonOrNull(receipt.error),
    site: receipt.site,
    command_id: textOf(receipt.commandId),
    signature: receipt.signature,
    public_key: receipt.publicKey,
  }
}

function fromRow(row: Row<'receipts'>): Receipt {
  return {
    jobId: row.job_id,
    number: row.number,
    commandId: row.command_id,
    site: row.site,
    nodeId: row.node_id,
    nodeName: row.node_name,
    command: row.command as CommandType,
    kind: row.kind as Receipt['kind'],
    release: row.release,
    treeHash: row.tree_hash,
    atMs: row.at_ms,
    recordedAtMs: row.recorded_at_ms,
    bytesFetched: row.bytes_fetched,
    output: row.output,
    error: fromJsonOrNull<JobError>(row.error),
    signature: row.signature,
    publicKey: row.public_key,
  }
}
