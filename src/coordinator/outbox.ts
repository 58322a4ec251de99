import { jobEndTypes, matchesType, type FleetEvent, type News } from '../model/fleet-event.js'
import type { Callback } from '../model/webhook.js'
import type { Attempt, Outbox, Outgoing } from '../outside/webhooks/deliverer.js'
import { keyOf } from '../outside/webhooks/signature.js'
import { checkTarget } from '../outside/webhooks/target.js'
import type { Store, Tables } from '../store/store.js'
import type { WebhookRecord } from '../store/webhooks.js'

export interface OutboxOptions {
  readonly store: Store
  readonly newId: () => string
  /** Of the whole coordinator: every callback may be on a private address. */
  readonly allowPrivate: boolean
  readonly nowMs: () => number
}

/** Events and their deliveries in the database: written with what they tell of, kept until they are told. */
export class DurableOutbox implements Outbox {
  readonly #options: OutboxOptions
  readonly #store: Store

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#store = options.store
  }

  /** Writes news, and a delivery for each webhook that wants them, within the transaction of what happened. */
  async announce(tables: Tables, news: News): Promise<FleetEvent> {
    const event = await tables.fleetEvents.append(news)
    const jobId = typeof news.data['jobId'] === 'string' ? news.data['jobId'] : null
    for (const webhook of await tables.webhooks.listening(jobId)) {
      if (wants(webhook, event)) await this.enqueue(tables, webhook.id, event)
    }
    return event
  }

  /** Writes the delivery of one event to one webhook, within a transaction. */
  async enqueue(tables: Tables, webhookId: string, event: FleetEvent): Promise<string> {
    const id = `${webhookId}_${event.id}`
    await tables.deliveries.create({ id, webhookId, eventId: event.id }, this.#options.nowMs())
    return id
  }

  /**
   * Has the end of a job told to whom the client named when it asked for it; within the transaction that makes the
   * job. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_ADDRESS_BLOCKED.
   */
  async enqueueFor(tables: Tables, job: { readonly id: string }, { url, secret }: Callback): Promise<void> {
    const { newId, nowMs, allowPrivate } = this.#options
    checkTarget(url, allowPrivate)
    if (secret !== undefined) keyOf(secret)
    const secrets = secret === undefined ? [] : [{ secret, untilMs: null }]
    const about = { id: newId(), url, types: jobEndTypes, site: null, secrets, allowPrivate: false, jobId: job.id }
    await tables.webhooks.create({ ...about, ...blank, createdAtMs: nowMs() })
  }

  due(nowMs: number, busy: readonly string[]): ReturnType<Outbox['due']> {
    return this.#store.deliveries.due(nowMs, busy)
  }

  nextAtMs(busy: readonly string[]): Promise<number | null> {
    return this.#store.deliveries.nextAtMs(busy)
  }

  async load(id: string): Promise<Outgoing | null> {
    const found = await this.#store.deliveries.get(id)
    const webhook = found === null ? null : await this.#store.webhooks.get(found.webhookId)
    if (found === null || webhook === null) return null
    const { url, secrets, allowPrivate, offAtMs, failingSinceMs } = webhook
    return { ...found, endpoint: { url, secrets, allowPrivate, isOff: offAtMs !== null, failingSinceMs } }
  }

  async record({ id, webhookId, attempts, endpoint }: Outgoing, attempt: Attempt): Promise<void> {
    const { state, nextAtMs, atMs, status, error, off, failingSinceMs, tookMs } = attempt
    const last = { lastAtMs: atMs, lastStatus: status, lastMs: tookMs, lastError: error }
    await this.#store.transaction(async (tables) => {
      await tables.deliveries.update(id, { state, attempts: attempts + 1, nextAtMs, ...last })
      if (state === 'delivered') {
        // One that was off is on again: somebody asked for this attempt, and it worked.
        const on = { offAtMs: null, offReason: null }
        await tables.webhooks.update(webhookId, { ...on, failingSinceMs: null, deliveredAtMs: atMs })
      } else if (off === null) {
        await tables.webhooks.update(webhookId, { failingSinceMs })
      } else {
        await tables.webhooks.update(webhookId, { failingSinceMs, offAtMs: atMs, offReason: off })
        await tables.deliveries.giveUp(webhookId, `the webhook was turned off: ${off}`)
        const { host } = new URL(endpoint.url)
        const data = { webhookId, host, reason: off }
        await this.announce(tables, offNews(webhookId, atMs, data))
      }
    })
  }
}

const blank = { offAtMs: null, offReason: null, failingSinceMs: null, deliveredAtMs: null } as const

/** A webhook that was never called yet. */
export function freshWebhook(about: Omit<WebhookRecord, keyof typeof blank | 'jobId'>): WebhookRecord {
  return { ...about, ...blank, jobId: null }
}

const offNews = (webhookId: string, atMs: number, data: News['data']): News => ({
  ...{ type: 'engine.webhook.off', subject: `webhooks/${webhookId}`, site: null, atMs, data },
})

/** A webhook of a site hears of nothing but that site; pings go to whom they are meant for. */
function wants({ types, site }: WebhookRecord, event: FleetEvent): boolean {
  if (event.type === 'engine.webhook.ping') return false
  if (site !== null && event.site !== site) return false
  return types.some((pattern) => matchesType(pattern, event.type))
}
