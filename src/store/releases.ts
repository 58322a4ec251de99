import type { Queries, Row } from './schema.js'

/** A release of which nothing says that it was ever to be live, and the job that made it. */
export type UndecidedRelease = Pick<ReleaseRecord, 'release' | 'treeHash' | 'jobId'>

/** One version of a site's content, and whether the shadow still holds it. */
export interface ReleaseRecord {
  readonly site: string
  readonly release: number
  readonly treeHash: string
  readonly baseRelease: number | null
  readonly jobId: string
  readonly fileCount: number
  readonly totalBytes: number
  /** True while the coordinator keeps its tree: it can be a base, packed whole, or gone back to. */
  readonly held: boolean
  readonly createdAtMs: number
}

export class Releases {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Adds a release or replaces its record (a job that starts packing again after a crash). */
  async put(record: ReleaseRecord): Promise<void> {
    const row = toRow(record)
    await this.#db()
      .insertInto('releases')
      .values(row)
      .onConflict((conflict) => conflict.columns(['site', 'release']).doUpdateSet(row))
      .execute()
  }

  async get(site: string, release: number): Promise<ReleaseRecord | null> {
    const query = this.#db().selectFrom('releases').selectAll().where('site', '=', site).where('release', '=', release)
    const row = await query.executeTakeFirst()
    return row === undefined ? null : fromRow(row)
  }

  /** Newest first; with `heldOnly` those whose trees the shadow keeps. */
  async list(site: string, options: { readonly heldOnly: boolean } = { heldOnly: false }): Promise<ReleaseRecord[]> {
    let query = this.#db().selectFrom('releases').selectAll().where('site', '=', site)
    if (options.heldOnly) query = query.where('held', '=', 1)
    return (await query.orderBy('release', 'desc').execute()).map(fromRow)
  }

  /** Hashes of some releases, by their numbers; what is not known has no entry. */
  async hashes(site: string, releases: readonly number[]): Promise<ReadonlyMap<number, string>> {
    if (releases.length === 0) return new Map()
    const query = this.#db().selectFrom('releases').select(['release', 'tree_hash'])
    const rows = await query.where('site', '=', site).where('release', 'in', releases).execute()
    return new Map(rows.map((row) => [row.release, row.tree_hash]))
  }

  /**
   * Those of some releases, by their numbers, whose tree the coordinator keeps no more and which no commit of the job
   * that made them is on record for. What is not known, or whose job is not, is none of them.
   */
  async undecided(site: string, releases: readonly number[]): Promise<UndecidedRelease[]> {
    if (releases.length === 0) return []
    const rows = await this.#db()
      .selectFrom('releases')
      .innerJoin('jobs', 'jobs.id', 'releases.job_id')
      .select(['releases.release', 'releases.tree_hash', 'releases.job_id'])
      .where('releases.site', '=', site)
      .where('releases.release', 'in', releases)
      .where('releases.held', '=', 0)
      .where((is) =>
        is.not(
          is.exists(
            is
              .selectFrom('commands')
              .select('commands.number')
              .whereRef('commands.job_id', '=', 'releases.job_id')
              .where('commands.type', '=', 'commit')
              .where('commands.state', '=', 'completed')
              // Jobs of an older coordinator had one commit, which names no release.
              .where((of) =>
                of.or([of('commands.release', 'is', null), of('commands.release', '=', of.ref('releases.release'))]),
              ),
          ),
        ),
      )
      .execute()
    return rows.map(({ release, tree_hash: treeHash, job_id: jobId }) => ({ release, treeHash, jobId }))
  }

  /** Notes that the shadow now holds the tree, or no longer does. */
  async setHeld(site: string, release: number, held: boolean): Promise<void> {
    await this.#db()
      .updateTable('releases')
      .set({ held: held ? 1 : 0 })
      .where('site', '=', site)
      .where('release', '=', release)
      .execute()
  }
}

function toRow(record: ReleaseRecord) {
  return {
    site: record.site,
    release: record.release,
    tree_hash: record.treeHash,
    base_release: record.baseRelease,
    job_id: record.jobId,
    file_count: record.fileCount,
    total_bytes: record.totalBytes,
    held: record.held ? 1 : 0,
    created_at_ms: record.createdAtMs,
  }
}

function fromRow(row: Row<'releases'>): ReleaseRecord {
  return {
    site: row.site,
    release: row.release,
    treeHash: row.tree_hash,
    baseRelease: row.base_release,
    jobId: row.job_id,
    fileCount: row.file_count,
    totalBytes: row.total_bytes,
    held: row.held === 1,
    createdAtMs: row.created_at_ms,
  }
}
