import type { Clock } from '../base/clock.js'
import { FLEET_EVENTS_KEPT_MS, FLEET_EVENTS_PAGE } from '../base/outside-limits.js'
import type { FleetFilter } from '../control/door/events.js'
import type { JobHappening } from '../jobs/job.js'
import { type CloudEvent, matchesType, type News } from '../model/fleet-event.js'
import type { JobView } from '../model/job.js'
import { toCloudEvent } from '../outside/webhooks/cloud-event.js'
import type { Deliverer } from '../outside/webhooks/deliverer.js'
import type { Store, Tables } from '../store/store.js'
import { Bell } from './bell.js'
import { jobNews } from './job-news.js'
import type { DurableOutbox } from './outbox.js'

export interface AnnouncingOptions {
  readonly store: Store
  readonly outbox: DurableOutbox
  readonly deliverer: Deliverer
  readonly clock: Clock
  readonly coordinatorId: string
}

/** Tells the world outside what happens: to webhooks, and on the event stream of the fleet. */
export class Announcing {
  readonly #options: AnnouncingOptions
  readonly #bell = new Bell()

  constructor(options: AnnouncingOptions) {
    this.#options = options
  }

  get outbox(): DurableOutbox {
    return this.#options.outbox
  }

  /** Puts news and their deliveries on record, within the transaction of what they tell of; `ring` comes after it. */
  async announce(tables: Tables, news: News): Promise<void> {
    await this.outbox.announce(tables, news)
  }

  /** The same of a job, where what happened to it is news. */
  async announceJob(
    tables: Tables,
    happening: JobHappening['type'] | 'queued',
    job: JobView,
    atMs: number,
  ): Promise<void> {
    const news = jobNews(happening, job, atMs)
    if (news !== null) await this.announce(tables, news)
  }

  /** What was written is told now. Never throws. */
  ring(): void {
    this.#bell.ring()
    this.#options.deliverer.wake()
  }

  /** The id that a reader who wants nothing old starts after. */
  lastId(): Promise<number> {
    return this.#options.store.fleetEvents.lastId()
  }

  /** Events with an id beyond `sinceId` that the types name, oldest first, then those that happen, until `signal`. */
  async *watch({ types, sinceId }: FleetFilter, signal: AbortSignal): AsyncGenerator<CloudEvent> {
    const { store, clock, coordinatorId } = this.#options
    let cursor = sinceId
    while (!signal.aborted) {
      // The next ring is listened for before looking: an event in between is not missed.
      const rung = this.#bell.wait(signal).catch(() => {})
      const events = await store.fleetEvents.since(cursor, clock.nowMs() - FLEET_EVENTS_KEPT_MS)
      for (const event of events) {
        cursor = event.id
        if (types.some((pattern) => matchesType(pattern, event.type))) yield toCloudEvent(event, coordinatorId)
        if (signal.aborted) return
      }
      if (events.length < FLEET_EVENTS_PAGE) await rung
    }
  }
}
