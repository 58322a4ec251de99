import type { Queries, Row } from './schema.js'

/** An assignment whose stream the coordinator keeps or is packing. */
export interface AssignmentRecord {
  /** 32 hexadecimal digits. */
  readonly id: string
  readonly serial: number
  readonly command: 'publish' | 'replicate'
  readonly site: string
  readonly release: number
  readonly baseRelease: number | null
  readonly treeHash: string
  readonly jobId: string
  readonly chunkBytes: number
  /** Null until it is packed whole. */
  readonly packed: PackedAssignment | null
  readonly createdAtMs: number
}

/** Known when the last byte was packed. */
export interface PackedAssignment {
  readonly chunkCount: number
  readonly streamBytes: number
  readonly contentBytes: number
  /** 64 hexadecimal digits. */
  readonly dataDigest: string
}

export class Assignments {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Adds an assignment, packed or not; one with the same id stays as it was. */
  async create(record: AssignmentRecord): Promise<void> {
    await this.#db()
      .insertInto('assignments')
      .values({ ...toRow(record), ...packedRow(record.packed) })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute()
  }

  /** Notes that the whole stream is in its file. */
  async setPacked(id: string, packed: PackedAssignment): Promise<void> {
    await this.#db().updateTable('assignments').set(packedRow(packed)).where('id', '=', id).execute()
  }

  async get(id: string): Promise<AssignmentRecord | null> {
    const row = await this.#db().selectFrom('assignments').selectAll().where('id', '=', id).executeTakeFirst()
    return row === undefined ? null : fromRow(row)
  }

  /** Newest first; of one site, of one release, or all. */
  async list(filter: { readonly site?: string; readonly release?: number } = {}): Promise<AssignmentRecord[]> {
    let query = this.#db().selectFrom('assignments').selectAll().orderBy('serial', 'desc')
    if (filter.site !== undefined) query = query.where('site', '=', filter.site)
    if (filter.release !== undefined) query = query.where('release', '=', filter.release)
    return (await query.execute()).map(fromRow)
  }

  /** Forgets an assignment whose file is gone; its snapshot stays. */
  async remove(id: string): Promise<void> {
    await this.#db().deleteFrom('assignments').where('id', '=', id).execute()
  }
}

function toRow(record: AssignmentRecord) {
  return {
    id: record.id,
    serial: record.serial,
    command: record.command,
    site: record.site,
    release: record.release,
    base_release: record.baseRelease,
    tree_hash: record.treeHash,
    job_id: record.jobId,
    chunk_bytes: record.chunkBytes,
    created_at_ms: record.createdAtMs,
  }
}

function packedRow(packed: PackedAssignment | null) {
  return {
    chunk_count: packed?.chunkCount ?? null,
    stream_bytes: packed?.streamBytes ?? null,
    content_bytes: packed?.contentBytes ?? null,
    data_digest: packed?.dataDigest ?? null,
  }
}

function packedFrom(row: Row<'assignments'>): PackedAssignment | null {
  const { chunk_count: chunkCount, stream_bytes: streamBytes, content_bytes: contentBytes } = row
  if (chunkCount === null || streamBytes === null || contentBytes === null || row.data_digest === null) return null
  return { chunkCount, streamBytes, contentBytes, dataDigest: row.data_digest }
}

function fromRow(row: Row<'assignments'>): AssignmentRecord {
  return {
    id: row.id,
    serial: row.serial,
    command: row.command === 'replicate' ? 'replicate' : 'publish',
    site: row.site,
    release: row.release,
    baseRelease: row.base_release,
    treeHash: row.tree_hash,
    jobId: row.job_id,
    chunkBytes: row.chunk_bytes,
    packed: packedFrom(row),
    createdAtMs: row.created_at_ms,
  }
}
