import { EngineError } from '../base/errors.js'
import type { Hold } from '../model/site.js'
import { fromJsonOrNull, type Queries, type Row, toJsonOrNull } from './schema.js'

/** A site as it is kept; what the nodes should serve is its target. */
export interface SiteRecord {
  readonly site: string
  readonly group: string
  /** Names of the nodes that serve it; null: all of the group. */
  readonly only: readonly string[] | null
  readonly target: SiteTarget | null
  /** Set by a rollback or a pause; one that has ended by itself may still be here. */
  readonly hold: Hold | null
  /** Highest release number given out so far; 0 before the first. */
  readonly lastRelease: number
  readonly createdAtMs: number
}

/** The commit decision: the release every node of the group should serve, and what decided it. */
export interface SiteTarget {
  readonly release: number
  readonly treeHash: string
  readonly jobId: string
  readonly command: 'commit' | 'rollback'
  /** Of that command in its job, and of the one that has the release staged where it is missing. */
  readonly number: number
  readonly stageNumber: number
}

export class Sites {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /**
   * Makes the site if it is not there. An existing one takes the group over while nothing went live and no job
   * without an end holds it (a slip in the name binds nobody); else it comes back with its own group.
   */
  async ensure(site: string, { group, only }: Pick<SiteRecord, 'group' | 'only'>, nowMs: number): Promise<SiteRecord> {
    const bound = { group_name: group, only_nodes: toJsonOrNull(only) }
    await this.#db()
      .insertInto('sites')
      .values({ site, ...bound, last_release: 0, created_at_ms: nowMs })
      .onConflict((conflict) =>
        conflict
          .column('site')
          .doUpdateSet(bound)
          .where('sites.target_release', 'is', null)
          .where((is) => {
            const unfinished = is.selectFrom('jobs').where('jobs.site', '=', site).where('finished_at_ms', 'is', null)
            return is.not(is.exists(unfinished.select('jobs.id')))
          }),
      )
      .execute()
    return this.require(site)
  }

  async get(site: string): Promise<SiteRecord | null> {
    const row = await this.#db().selectFrom('sites').selectAll().where('site', '=', site).executeTakeFirst()
    return row === undefined ? null : fromRow(row)
  }

  /** @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN */
  async require(site: string): Promise<SiteRecord> {
    const found = await this.get(site)
    if (found === null) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site })
    return found
  }

  /** By name. */
  async list(): Promise<SiteRecord[]> {
    return (await this.#db().selectFrom('sites').selectAll().orderBy('site').execute()).map(fromRow)
  }

  /**
   * Takes the next release number of a site; no number is given twice, even after kill -9.
   * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN
   */
  async nextRelease(site: string): Promise<number> {
    const updated = await this.#db()
      .updateTable('sites')
      .set((row) => ({ last_release: row('last_release', '+', 1) }))
      .where('site', '=', site)
      .returning('last_release')
      .executeTakeFirst()
    if (updated === undefined) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site })
    return updated.last_release
  }

  /**
   * Writes the commit decision. It is durable when this returns; only then may anybody be told.
   * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN
   */
  async setTarget(site: string, target: SiteTarget, hold: Hold | null): Promise<void> {
    const result = await this.#db()
      .updateTable('sites')
      .set({
        target_release: target.release,
        target_tree_hash: target.treeHash,
        target_job_id: target.jobId,
        target_command: target.command,
        target_number: target.number,
        target_stage_number: target.stageNumber,
        ...holdRow(hold),
      })
      .where('site', '=', site)
      .executeTakeFirst()
    if (result.numUpdatedRows === 0n) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site })
  }

  async setHold(site: string, hold: Hold | null): Promise<void> {
    await this.#db().updateTable('sites').set(holdRow(hold)).where('site', '=', site).execute()
  }
}

const holdRow = (hold: Hold | null) => ({ hold_reason: hold?.reason ?? null, hold_until_ms: hold?.untilMs ?? null })

function fromRow(row: Row<'sites'>): SiteRecord {
  const { target_release: release, target_tree_hash: treeHash } = row
  const command = row.target_command === 'rollback' ? 'rollback' : 'commit'
  const numbers = { number: row.target_number ?? 1, stageNumber: row.target_stage_number ?? 1 }
  const decided = { jobId: row.target_job_id ?? '', command, ...numbers } as const
  const target = release === null || treeHash === null ? null : { release, treeHash, ...decided }
  return {
    site: row.site,
    group: row.group_name,
    only: fromJsonOrNull<readonly string[]>(row.only_nodes),
    target,
    hold: row.hold_reason === null ? null : { reason: row.hold_reason, untilMs: row.hold_until_ms },
    lastRelease: row.last_release,
    createdAtMs: row.created_at_ms,
  }
}
