import { EngineError } from '../base/errors.js'
import { fromJson, type Queries, type Row, toJson } from './schema.js'

/** A secret as it is kept; `untilMs` null: it stays. */
export interface SecretRecord {
  readonly secret: string
  readonly untilMs: number | null
}

/** Who is called back. Its secrets never leave the coordinator but once, when they are made. */
export interface WebhookRecord {
  readonly id: string
  readonly url: string
  readonly types: readonly string[]
  readonly site: string | null
  readonly secrets: readonly SecretRecord[]
  readonly allowPrivate: boolean
  /** A callback of this one job; null: a webhook that stands by itself. */
  readonly jobId: string | null
  readonly createdAtMs: number
  readonly offAtMs: number | null
  readonly offReason: string | null
  readonly failingSinceMs: number | null
  readonly deliveredAtMs: number | null
}

export type WebhookPatch = Partial<
  Pick<WebhookRecord, 'secrets' | 'offAtMs' | 'offReason' | 'failingSinceMs' | 'deliveredAtMs'>
>

export class Webhooks {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  async create(webhook: WebhookRecord): Promise<void> {
    const { id, url, types, site, secrets, allowPrivate, jobId, createdAtMs } = webhook
    const kept = { id, url, types: toJson(types), site, secrets: toJson(secrets), job_id: jobId }
    const row = { ...kept, allow_private: allowPrivate ? 1 : 0, created_at_ms: createdAtMs, ...toColumns(webhook) }
    await this.#db().insertInto('webhooks').values(row).execute()
  }

  async get(id: string): Promise<WebhookRecord | null> {
    const row = await this.#db().selectFrom('webhooks').selectAll().where('id', '=', id).executeTakeFirst()
    return row === undefined ? null : fromRow(row)
  }

  /** @throws {EngineError} ENGINE_ERR_WEBHOOK_UNKNOWN */
  async require(id: string): Promise<WebhookRecord> {
    const found = await this.get(id)
    if (found === null) throw new EngineError('ENGINE_ERR_WEBHOOK_UNKNOWN', { webhookId: id })
    return found
  }

  /** Those that stand by themselves, oldest first. */
  async list(): Promise<WebhookRecord[]> {
    const query = this.#db().selectFrom('webhooks').selectAll().where('job_id', 'is', null).orderBy('id')
    return (await query.execute()).map(fromRow)
  }

  /** Those that are not off, and of callbacks only those of this job. */
  async listening(jobId: string | null): Promise<WebhookRecord[]> {
    const query = this.#db()
      .selectFrom('webhooks')
      .selectAll()
      .where('off_at_ms', 'is', null)
      .where((is) => is.or([is('job_id', 'is', null), is('job_id', '=', jobId)]))
    return (await query.orderBy('id').execute()).map(fromRow)
  }

  async update(id: string, patch: WebhookPatch): Promise<void> {
    const columns = toColumns(patch)
    if (Object.keys(columns).length === 0) return
    await this.#db().updateTable('webhooks').set(columns).where('id', '=', id).execute()
  }

  /** Its deliveries go with it. @returns false when there was none. */
  async remove(id: string): Promise<boolean> {
    const removed = await this.#db().deleteFrom('webhooks').where('id', '=', id).executeTakeFirst()
    return removed.numDeletedRows > 0n
  }
}

function toColumns(patch: WebhookPatch): Partial<Row<'webhooks'>> {
  const { secrets, offAtMs, offReason, failingSinceMs, deliveredAtMs } = patch
  return {
    ...(secrets === undefined ? {} : { secrets: toJson(secrets) }),
    ...(offAtMs === undefined ? {} : { off_at_ms: offAtMs }),
    ...(offReason === undefined ? {} : { off_reason: offReason }),
    ...(failingSinceMs === undefined ? {} : { failing_since_ms: failingSinceMs }),
    ...(deliveredAtMs === undefined ? {} : { delivered_at_ms: deliveredAtMs }),
  }
}

function fromRow(row: Row<'webhooks'>): WebhookRecord {
  return {
    id: row.id,
    url: row.url,
    types: fromJson<string[]>(row.types),
    site: row.site,
    secrets: fromJson<SecretRecord[]>(row.secrets),
    allowPrivate: row.allow_private === 1,
    jobId: row.job_id,
    createdAtMs: row.created_at_ms,
    offAtMs: row.off_at_ms,
    offReason: row.off_reason,
    failingSinceMs: row.failing_since_ms,
    deliveredAtMs: row.delivered_at_ms,
  }
}
