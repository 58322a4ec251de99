import { EngineError } from '../base/errors.js'
import { WEBHOOKS_MAX } from '../base/outside-limits.js'
import { systemRandom } from '../base/random.js'
import type { WebhooksApi } from '../control/door/webhooks.js'
import { webhookRequest } from '../control/schema/webhook.js'
import type { DeliveryView, WebhookRequest, WebhookView, WebhookWithSecret } from '../model/webhook.js'
import { keyOf, newSecret, rotated } from '../outside/webhooks/signature.js'
import { checkTarget } from '../outside/webhooks/target.js'
import type { WebhookRecord } from '../store/webhooks.js'
import { freshWebhook } from './outbox.js'
import type { World } from './world.js'

export interface WebhookDeskOptions {
  readonly world: World
  readonly newId: () => string
  /** Of the whole coordinator: every webhook may be on a private address. */
  readonly allowPrivate: boolean
}

/** Who wants to be called back: asked, kept, shown without their secrets. */
export class WebhookDesk implements WebhooksApi {
  readonly #options: WebhookDeskOptions
  readonly #world: World

  constructor(options: WebhookDeskOptions) {
    this.#options = options
    this.#world = options.world
  }

  /** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_ADDRESS_BLOCKED, ENGINE_ERR_OVERLOADED. */
  async add(asked: Partial<WebhookRequest> & { readonly url: string }): Promise<WebhookWithSecret> {
    const { store, clock, log } = this.#world
    this.#requireOpen()
    const request = checked(asked)
    checkTarget(request.url, request.allowPrivate || this.#options.allowPrivate)
    const secret = secretOf(request.secret)
    const { url, types, site, allowPrivate } = request
    const secrets = [{ secret, untilMs: null }]
    const about = { id: this.#options.newId(), url, types, site, secrets, allowPrivate, createdAtMs: clock.nowMs() }
    const record = freshWebhook(about)
    await store.transaction(async (tables) => {
      if ((await tables.webhooks.list()).length >= WEBHOOKS_MAX) {
        throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'webhooks' })
      }
      await tables.webhooks.create(record)
    })
    log.info({ webhookId: record.id, host: new URL(url).host, types, site }, 'webhook added')
    return { webhook: toView(record, 0), secret }
  }

  async list(): Promise<readonly WebhookView[]> {
    const { webhooks, deliveries } = this.#world.store
    const waiting = await deliveries.waiting()
    return (await webhooks.list()).map((record) => toView(record, waiting.get(record.id) ?? 0))
  }

  /** What waits for it is forgotten with it. @throws {EngineError} ENGINE_ERR_WEBHOOK_UNKNOWN. */
  async remove(id: string): Promise<void> {
    this.#requireOpen()
    const removed = await this.#world.store.webhooks.remove(id)
    if (!removed) throw new EngineError('ENGINE_ERR_WEBHOOK_UNKNOWN', { webhookId: id })
    this.#world.log.info({ webhookId: id }, 'webhook removed')
  }

  /** A new secret signs first; the one before it signs too, for a day. */
  async rotate(id: string, secret: string | null = null): Promise<WebhookWithSecret> {
    this.#requireOpen()
    const { store, clock, log } = this.#world
    const made = secretOf(secret)
    const record = await store.transaction(async ({ webhooks }) => {
      const before = await webhooks.require(id)
      const secrets = rotated(before.secrets, made, clock.nowMs())
      await webhooks.update(id, { secrets })
      return { ...before, secrets }
    })
    log.info({ webhookId: id }, 'webhook has a new secret')
    return { webhook: await this.#view(record), secret: made }
  }

  /** Newest first. */
  async deliveries(id: string): Promise<readonly DeliveryView[]> {
    const { webhooks, deliveries } = this.#world.store
    await webhooks.require(id)
    return deliveries.list(id)
  }

  /** Makes a delivery again, under the same id; one to a webhook that is off is tried once. */
  async resend(id: string, deliveryId: string): Promise<DeliveryView> {
    this.#requireOpen()
    await this.#world.store.transaction(async ({ webhooks, deliveries }) => {
      await webhooks.require(id)
      await deliveries.again(id, deliveryId, this.#world.clock.nowMs())
    })
    return this.#told(id, deliveryId)
  }

  /** Sends an event that says nothing; where it arrives at a webhook that is off, that is on again. */
  async ping(id: string): Promise<DeliveryView> {
    this.#requireOpen()
    const { store, clock, announcing } = this.#world
    const deliveryId = await store.transaction(async (tables) => {
      await tables.webhooks.require(id)
      const about = { type: 'engine.webhook.ping', subject: `webhooks/${id}`, site: null } as const
      const event = await announcing.outbox.announce(tables, { ...about, atMs: clock.nowMs(), data: { webhookId: id } })
      return announcing.outbox.enqueue(tables, id, event)
    })
    return this.#told(id, deliveryId)
  }

  async #told(id: string, deliveryId: string): Promise<DeliveryView> {
    const [view] = await this.#world.store.deliveries.list(id, { id: deliveryId })
    if (view === undefined) throw new EngineError('ENGINE_ERR_DELIVERY_UNKNOWN', { webhookId: id, deliveryId })
    this.#world.announcing.ring()
    return view
  }

  async #view(record: WebhookRecord): Promise<WebhookView> {
    const waiting = await this.#world.store.deliveries.waiting()
    return toView(record, waiting.get(record.id) ?? 0)
  }

  #requireOpen(): void {
    if (this.#world.closing.aborted) throw new EngineError('ENGINE_ERR_CLOSING')
  }
}

/** The secret that was given, when it is one; else a new one. */
function secretOf(given: string | null): string {
  if (given === null) return newSecret(systemRandom)
  keyOf(given)
  return given
}

/** What an embedding program asks for goes through the same check as what comes over HTTP. */
function checked(asked: Partial<WebhookRequest>): WebhookRequest {
  const parsed = webhookRequest.safeParse(asked)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const what = issue?.path.join('.') || 'the webhook'
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why: issue?.message ?? 'it does not fit the schema' })
}

function toView(record: WebhookRecord, waiting: number): WebhookView {
  const { id, url, types, site, allowPrivate, createdAtMs, offAtMs, offReason, deliveredAtMs } = record
  const facts = { id, url, types, site, allowPrivate, createdAtMs, offAtMs, offReason, deliveredAtMs }
  return { ...facts, failingAtMs: record.failingSinceMs, waiting }
}
