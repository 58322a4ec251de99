import { FLEET_EVENTS_PAGE } from '../base/outside-limits.js'
import type { FleetEvent, FleetEventType, News } from '../model/fleet-event.js'
import { fromJson, type Queries, type Row, toJson } from './schema.js'

export class FleetEvents {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Puts news on record; ids grow in the order of transactions. */
  async append(news: News): Promise<FleetEvent> {
    const { type, subject, site, atMs, data } = news
    const row = await this.#db()
      .insertInto('fleet_events')
      .values({ type, subject, site, at_ms: atMs, data: toJson(data) })
      .returning('id')
      .executeTakeFirstOrThrow()
    return { ...news, id: row.id }
  }

  /** Events with an id beyond `sinceId` that are not older than `fromMs`, in order, at most `limit`. */
  async since(sinceId: number, fromMs: number, limit = FLEET_EVENTS_PAGE): Promise<FleetEvent[]> {
    const query = this.#db().selectFrom('fleet_events').selectAll().where('id', '>', sinceId)
    return (await query.where('at_ms', '>=', fromMs).orderBy('id').limit(limit).execute()).map(toFleetEvent)
  }

  /** Highest id kept; 0 when there is none. */
  async lastId(): Promise<number> {
    const query = this.#db().selectFrom('fleet_events').select('id').orderBy('id', 'desc').limit(1)
    return (await query.executeTakeFirst())?.id ?? 0
  }
}

export function toFleetEvent(row: Row<'fleet_events'>): FleetEvent {
  const { id, subject, site, at_ms: atMs } = row
  return { id, type: row.type as FleetEventType, subject, site, atMs, data: fromJson(row.data) }
}
