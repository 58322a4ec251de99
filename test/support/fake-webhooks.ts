// Webhooks of a coordinator that only remembers.
import { EngineError } from '../../src/base/errors.js'
import type { WebhooksApi } from '../../src/control/door/webhooks.js'
import type { DeliveryView, WebhookRequest, WebhookView, WebhookWithSecret } from '../../src/model/webhook.js'

export class FakeWebhooks implements WebhooksApi {
  readonly calls: string[] = []
  readonly added: WebhookRequest[] = []
  readonly #kept = new Map<string, WebhookView>()

  async add(request: Partial<WebhookRequest> & { readonly url: string }): Promise<WebhookWithSecret> {
    const whole = { types: ['*'], site: null, secret: null, allowPrivate: false, ...request }
    this.added.push(whole)
    const { secret, ...shown } = whole
    const times = { createdAtMs: 1, offAtMs: null, offReason: null, failingAtMs: null, deliveredAtMs: null }
    const webhook = { id: `w${this.added.length}`, ...shown, ...times, waiting: 0 }
    this.#kept.set(webhook.id, webhook)
    return { webhook, secret: secret ?? 'whsec_made' }
  }

  async list(): Promise<readonly WebhookView[]> {
    return [...this.#kept.values()]
  }

  async remove(id: string): Promise<void> {
    this.#require(id)
    this.#kept.delete(id)
  }

  async rotate(id: string, secret: string | null = null): Promise<WebhookWithSecret> {
    return { webhook: this.#require(id), secret: secret ?? 'whsec_new' }
  }

  async deliveries(id: string): Promise<readonly DeliveryView[]> {
    this.#require(id)
    return [this.#delivery(id, `${id}_1`)]
  }

  async resend(id: string, deliveryId: string): Promise<DeliveryView> {
    this.calls.push(`resend ${id} ${deliveryId}`)
    this.#require(id)
    return this.#delivery(id, deliveryId)
  }

  async ping(id: string): Promise<DeliveryView> {
    this.calls.push(`ping ${id}`)
    this.#require(id)
    return this.#delivery(id, `${id}_1`)
  }

  #require(id: string): WebhookView {
    const found = this.#kept.get(id)
    if (found === undefined) throw new EngineError('ENGINE_ERR_WEBHOOK_UNKNOWN', { webhookId: id })
    return found
  }

  #delivery(webhookId: string, id: string): DeliveryView {
    const about = { id, webhookId, eventId: 1, eventType: 'engine.job.failed', subject: 'jobs/1' } as const
    const last = { lastAtMs: 3, lastStatus: 200, lastMs: 12, lastError: null }
    return { ...about, state: 'delivered', attempts: 1, createdAtMs: 1, nextAtMs: null, ...last }
  }
}
