import { compressSync, uncompress } from 'lz4-napi'
import { EngineError } from '../base/errors.js'
import type { ChangeSummary } from '../model/job.js'
import type { Queries, Row } from './schema.js'

/** What an assignment was, without its content: tells later what a node that was away has missed. */
export interface Snapshot {
  readonly serial: number
  readonly site: string
  readonly release: number
  readonly jobId: string
  readonly atMs: number
  readonly details: SnapshotDetails
}

export interface SnapshotDetails {
  readonly assignmentId: string
  readonly command: 'publish' | 'replicate'
  readonly baseRelease: number | null
  readonly treeHash: string
  readonly dataDigest: string
  readonly chunkBytes: number
  readonly chunkCount: number
  readonly streamBytes: number
  readonly contentBytes: number
  readonly changes: ChangeSummary | null
  /** Names of the nodes it was meant for. */
  readonly nodes: readonly string[]
}

export class Snapshots {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Keeps the record of one assignment; a second one of the same serial replaces it. */
  async put(snapshot: Snapshot): Promise<void> {
    const row = {
      serial: snapshot.serial,
      site: snapshot.site,
      release: snapshot.release,
      job_id: snapshot.jobId,
      at_ms: snapshot.atMs,
      details: compressSync(JSON.stringify(snapshot.details)),
    }
    await this.#db()
      .insertInto('snapshots')
      .values(row)
      .onConflict((conflict) => conflict.column('serial').doUpdateSet(row))
      .execute()
  }

  /** @throws {EngineError} ENGINE_ERR_DATABASE_DAMAGED when the record cannot be unpacked. */
  async get(serial: number): Promise<Snapshot | null> {
    const row = await this.#db().selectFrom('snapshots').selectAll().where('serial', '=', serial).executeTakeFirst()
    return row === undefined ? null : fromRow(row)
  }
}

async function fromRow(row: Row<'snapshots'>): Promise<Snapshot> {
  const { serial, site, release, at_ms: atMs, job_id: jobId } = row
  try {
    const text = (await uncompress(row.details)).toString('utf8')
    return { serial, site, release, jobId, atMs, details: JSON.parse(text) as SnapshotDetails }
  } catch (error) {
    const why = `the snapshot of assignment ${serial} cannot be unpacked`
    throw new EngineError('ENGINE_ERR_DATABASE_DAMAGED', { path: 'snapshots', why }, { cause: error })
  }
}
