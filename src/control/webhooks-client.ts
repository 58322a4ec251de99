import type { DeliveryView, WebhookRequest, WebhookView, WebhookWithSecret } from '../model/webhook.js'
import type { WebhooksApi } from './door/webhooks.js'
import { type Ask, readJson } from './http.js'

/** Webhooks of a coordinator over HTTP. */
export class WebhooksClient implements WebhooksApi {
  readonly #ask: (request: Ask) => Promise<Response>
  readonly #url: string

  /** @param ask asks the coordinator at `url` once. */
  constructor(ask: (request: Ask) => Promise<Response>, url: string) {
    this.#ask = ask
    this.#url = url
  }

  add(request: Partial<WebhookRequest> & { readonly url: string }): Promise<WebhookWithSecret> {
    return this.#json({ method: 'POST', path: '/v1/webhooks', body: request })
  }

  async list(): Promise<readonly WebhookView[]> {
    return (await this.#json<{ items: WebhookView[] }>({ method: 'GET', path: '/v1/webhooks' })).items
  }

  async remove(id: string): Promise<void> {
    await this.#ask({ method: 'DELETE', path: pathOf(id) })
  }

  rotate(id: string, secret: string | null = null): Promise<WebhookWithSecret> {
    return this.#json({ method: 'POST', path: `${pathOf(id)}/rotate`, body: { secret } })
  }

  async deliveries(id: string): Promise<readonly DeliveryView[]> {
    return (await this.#json<{ items: DeliveryView[] }>({ method: 'GET', path: `${pathOf(id)}/deliveries` })).items
  }

  resend(id: string, deliveryId: string): Promise<DeliveryView> {
    const path = `${pathOf(id)}/deliveries/${encodeURIComponent(deliveryId)}/resend`
    return this.#json({ method: 'POST', path })
  }

  ping(id: string): Promise<DeliveryView> {
    return this.#json({ method: 'POST', path: `${pathOf(id)}/ping` })
  }

  async #json<T>(request: Ask): Promise<T> {
    return readJson<T>(await this.#ask(request), this.#url)
  }
}

const pathOf = (id: string): string => `/v1/webhooks/${encodeURIComponent(id)}`
