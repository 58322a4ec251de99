import type { WebhooksApi } from '../control/door/webhooks.js'
import type { AuditRequest } from '../model/audit.js'
import type { WebhookRequest } from '../model/webhook.js'

/** What is recorded of one call before it is carried out. */
interface Asked {
  readonly action: string
  readonly subject: string
  readonly request: AuditRequest
}

/** Carries a call out as one actor's and records it, with what it made. */
export type Recording = <T>(asked: Asked, work: () => Promise<T>, resultOf?: (answer: T) => string | null) => Promise<T>

/** Webhooks as one actor has them. Neither a secret nor the path of an address, which may hold one, is recorded. */
export class AuditedWebhooks implements WebhooksApi {
  readonly #webhooks: WebhooksApi
  readonly #record: Recording

  constructor(webhooks: WebhooksApi, record: Recording) {
    this.#webhooks = webhooks
    this.#record = record
  }

  add: WebhooksApi['add'] = (request) =>
    this.#record(
      { action: 'addWebhook', subject: `host ${hostOf(request.url)}`, request: shownOf(request) },
      () => this.#webhooks.add(request),
      ({ webhook }) => webhook.id,
    )

  remove: WebhooksApi['remove'] = (id) => this.#record(about('removeWebhook', id), () => this.#webhooks.remove(id))

  rotate: WebhooksApi['rotate'] = (id, secret = null) =>
    this.#record(about('rotateWebhook', id), () => this.#webhooks.rotate(id, secret))

  resend: WebhooksApi['resend'] = (id, deliveryId) =>
    this.#record({ ...about('resendDelivery', id), request: { deliveryId } }, () =>
      this.#webhooks.resend(id, deliveryId),
    )

  ping: WebhooksApi['ping'] = (id) => this.#record(about('pingWebhook', id), () => this.#webhooks.ping(id))

  list: WebhooksApi['list'] = () => this.#webhooks.list()
  deliveries: WebhooksApi['deliveries'] = (id) => this.#webhooks.deliveries(id)
}

const about = (action: string, id: string): Asked => ({ action, subject: `webhook ${id}`, request: {} })

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'that is none')

function shownOf({ types, site, allowPrivate }: Partial<WebhookRequest>): AuditRequest {
  const names = types === undefined ? {} : { types: types.join(',') }
  return { ...names, ...(site ? { site } : {}), ...(allowPrivate === undefined ? {} : { allowPrivate }) }
}
