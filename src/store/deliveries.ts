import { sql } from 'kysely'
import { EngineError } from '../base/errors.js'
import { DELIVERIES_KEPT } from '../base/outside-limits.js'
import type { FleetEvent } from '../model/fleet-event.js'
import type { DeliveryState, DeliveryView } from '../model/webhook.js'
import { toFleetEvent } from './fleet-events.js'
import type { Queries, Row } from './schema.js'

/** One event for one webhook; `id` follows from both, so that it is written once. */
export interface NewDelivery {
  readonly id: string
  readonly webhookId: string
  readonly eventId: number
}

/** A delivery with the event that it brings. */
export interface DeliveryRecord {
  readonly id: string
  readonly webhookId: string
  readonly attempts: number
  readonly sinceMs: number
  readonly event: FleetEvent
}

/** What came of an attempt. */
export interface DeliveryPatch {
  readonly state: DeliveryState
  readonly attempts: number
  readonly nextAtMs: number | null
  readonly lastAtMs: number
  readonly lastStatus: number | null
  readonly lastMs: number
  readonly lastError: string | null
}

export class Deliveries {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Writes a delivery that is due at once. */
  async create({ id, webhookId, eventId }: NewDelivery, nowMs: number): Promise<void> {
    const times = { since_ms: nowMs, next_at_ms: nowMs, created_at_ms: nowMs }
    await this.#db()
      .insertInto('deliveries')
      .values({ id, webhook_id: webhookId, event_id: eventId, state: 'waiting', attempts: 0, ...times })
      .execute()
  }

  /** Of each webhook that is not in `busy` its oldest delivery that is due. */
  async due(nowMs: number, busy: readonly string[]): Promise<{ id: string; webhookId: string }[]> {
    const { rows } = await sql<{ id: string; webhook_id: string }>`
      select id, webhook_id from deliveries join (
        select webhook_id as owner, min(event_id) as first from deliveries
        where state = 'waiting' and next_at_ms <= ${nowMs} ${notIn(busy)} group by webhook_id
      ) on webhook_id = owner and event_id = first`.execute(this.#db())
    return rows.map((row) => ({ id: row.id, webhookId: row.webhook_id }))
  }

  /** When the next delivery to a webhook that is not in `busy` falls due. */
  async nextAtMs(busy: readonly string[]): Promise<number | null> {
    const { rows } = await sql<{ next: number | null }>`
      select min(next_at_ms) as next from deliveries where state = 'waiting' ${notIn(busy)}`.execute(this.#db())
    return rows[0]?.next ?? null
  }

  async get(id: string): Promise<DeliveryRecord | null> {
    const row = await this.#db().selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirst()
    if (row === undefined) return null
    const query = this.#db().selectFrom('fleet_events').selectAll().where('id', '=', row.event_id)
    const event = toFleetEvent(await query.executeTakeFirstOrThrow())
    return { id, webhookId: row.webhook_id, attempts: row.attempts, sinceMs: row.since_ms, event }
  }

  async update(id: string, patch: DeliveryPatch): Promise<void> {
    const { state, attempts, nextAtMs, lastAtMs, lastStatus, lastMs, lastError } = patch
    const last = { last_at_ms: lastAtMs, last_status: lastStatus, last_ms: lastMs, last_error: lastError }
    const row = { state, attempts, next_at_ms: nextAtMs, ...last }
    await this.#db().updateTable('deliveries').set(row).where('id', '=', id).execute()
  }

  /**
   * Has a delivery made again, from the start.
   * @throws {EngineError} ENGINE_ERR_DELIVERY_UNKNOWN when the webhook has none of this id.
   */
  async again(webhookId: string, id: string, nowMs: number): Promise<void> {
    const updated = await this.#db()
      .updateTable('deliveries')
      .set({ state: 'waiting', attempts: 0, since_ms: nowMs, next_at_ms: nowMs })
      .where('id', '=', id)
      .where('webhook_id', '=', webhookId)
      .executeTakeFirst()
    if (updated.numUpdatedRows === 0n)
      throw new EngineError('ENGINE_ERR_DELIVERY_UNKNOWN', { webhookId, deliveryId: id })
  }

  /** Gives up all that waits for a webhook. */
  async giveUp(webhookId: string, why: string): Promise<void> {
    await this.#db()
      .updateTable('deliveries')
      .set({ state: 'failed', next_at_ms: null, last_error: why })
      .where('webhook_id', '=', webhookId)
      .where('state', '=', 'waiting')
      .execute()
  }

  /** Newest event first. */
  async list(
    webhookId: string,
    filter: { readonly id?: string; readonly limit?: number } = {},
  ): Promise<DeliveryView[]> {
    let query = this.#db()
      .selectFrom('deliveries')
      .innerJoin('fleet_events', 'fleet_events.id', 'deliveries.event_id')
      .selectAll('deliveries')
      .select(['fleet_events.type', 'fleet_events.subject'])
      .where('webhook_id', '=', webhookId)
      .orderBy('event_id', 'desc')
      .limit(filter.limit ?? DELIVERIES_KEPT)
    if (filter.id !== undefined) query = query.where('deliveries.id', '=', filter.id)
    return (await query.execute()).map(toView)
  }

  /** Deliveries that wait, by webhook; who has none is not in it. */
  async waiting(): Promise<ReadonlyMap<string, number>> {
    const query = this.#db()
      .selectFrom('deliveries')
      .select(['webhook_id', (row) => row.fn.countAll<number>().as('count')])
      .where('state', '=', 'waiting')
      .groupBy('webhook_id')
    return new Map((await query.execute()).map((row) => [row.webhook_id, row.count]))
  }
}

const notIn = (busy: readonly string[]): ReturnType<typeof sql> =>
  busy.length === 0 ? sql`` : sql`and webhook_id not in (${sql.join(busy)})`

function toView(row: Row<'deliveries'> & { readonly type: string; readonly subject: string }): DeliveryView {
  return {
    id: row.id,
    webhookId: row.webhook_id,
    eventId: row.event_id,
    eventType: row.type,
    subject: row.subject,
    state: row.state as DeliveryState,
    attempts: row.attempts,
    createdAtMs: row.created_at_ms,
    nextAtMs: row.next_at_ms,
    lastAtMs: row.last_at_ms,
    lastStatus: row.last_status,
    lastMs: row.last_ms,
    lastError: row.last_error,
  }
}
