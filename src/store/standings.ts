import type { Standing } from '../model/standing.js'
import type { Queries } from './schema.js'

/** What was told last of a node (`site` empty: whether it is there), or of a site on it. */
export interface StandingRecord {
  readonly nodeId: string
  readonly site: string
  readonly standing: Standing
  /** The release that it was told about; null for presence. */
  readonly release: number | null
}

export class Standings {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  async put({ nodeId, site, standing, release }: StandingRecord): Promise<void> {
    await this.#db()
      .insertInto('standings')
      .values({ node_id: nodeId, site, standing, release })
      .onConflict((conflict) => conflict.columns(['node_id', 'site']).doUpdateSet({ standing, release }))
      .execute()
  }

  async list(): Promise<StandingRecord[]> {
    const rows = await this.#db().selectFrom('standings').selectAll().execute()
    return rows.map((row) => ({
      nodeId: row.node_id,
      site: row.site,
      standing: row.standing as Standing,
      release: row.release,
    }))
  }
}
