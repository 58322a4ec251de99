import type { Queries } from './schema.js'

/** What was asked for once, and the job that came of it. */
export interface KeyedAnswer {
  /** Hash of what was asked: another request under the same key is refused. */
  readonly fingerprint: string
  readonly jobId: string
}

/** Answers to requests that carry an idempotency key. */
export class Answers {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** @param key the caller's key, in the scope of what it was used for. */
  async get(key: string): Promise<KeyedAnswer | null> {
    const query = this.#db().selectFrom('answers').selectAll().where('key', '=', key)
    const row = await query.executeTakeFirst()
    return row === undefined ? null : { fingerprint: row.fingerprint, jobId: row.job_id }
  }

  async put(key: string, { fingerprint, jobId }: KeyedAnswer, atMs: number): Promise<void> {
    await this.#db().insertInto('answers').values({ key, fingerprint, job_id: jobId, at_ms: atMs }).execute()
  }
}
