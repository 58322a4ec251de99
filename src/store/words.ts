import type { WordCommand, WordTarget } from '../model/word.js'
import { fromJson, type Queries, toJson } from './schema.js'

/** What was decided for a site by its newest job, without what changes of itself: addresses, signatures. */
export interface WordRecord {
  readonly site: string
  readonly revision: number
  readonly jobId: string
  readonly commands: readonly WordCommand[]
  readonly target: WordTarget | null
  readonly ended: boolean
}

type Body = Pick<WordRecord, 'commands' | 'target' | 'ended'>

export class WordRecords {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  async get(site: string): Promise<WordRecord | null> {
    const query = this.#db().selectFrom('words').selectAll().where('site', '=', site)
    const row = await query.executeTakeFirst()
    if (row === undefined) return null
    return { site, revision: row.revision, jobId: row.job_id, ...fromJson<Body>(row.body) }
  }

  async list(): Promise<WordRecord[]> {
    const rows = await this.#db().selectFrom('words').selectAll().execute()
    return rows.map(({ site, revision, job_id: jobId, body }) => ({ site, revision, jobId, ...fromJson<Body>(body) }))
  }

  /** Writes the newest word of a site. */
  async put({ site, revision, jobId, commands, target, ended }: WordRecord): Promise<void> {
    const row = { revision, job_id: jobId, body: toJson({ commands, target, ended }) }
    await this.#db()
      .insertInto('words')
      .values({ site, ...row })
      .onConflict((conflict) => conflict.column('site').doUpdateSet(row))
      .execute()
  }
}
