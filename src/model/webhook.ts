/** What is asked for when a webhook is added. */
export interface WebhookRequest {
  /** `https://host/path`; `http://` too. */
  readonly url: string
  /** Patterns of event types: `*`, `job.*`, `node.lost`. */
  readonly types: readonly string[]
  /** Only events of this site; null: all. */
  readonly site: string | null
  /** `whsec_` and base64 of 24 to 64 bytes; null: one is made. */
  readonly secret: string | null
  /** It may be on a private, loopback or link-local address. */
  readonly allowPrivate: boolean
}

/** A webhook as everybody may see it: without its secrets. */
export interface WebhookView {
  readonly id: string
  readonly url: string
  readonly types: readonly string[]
  readonly site: string | null
  readonly allowPrivate: boolean
  readonly createdAtMs: number
  /** Null: it is called. Otherwise since when it is not, and why. */
  readonly offAtMs: number | null
  readonly offReason: string | null
  /** Since when nothing but failure; null: the last attempt succeeded, or there was none. */
  readonly failingAtMs: number | null
  readonly deliveredAtMs: number | null
  /** Deliveries that wait for their first or next attempt. */
  readonly waiting: number
}

/** A webhook with the secret that was just made or given: shown this once. */
export interface WebhookWithSecret {
  readonly webhook: WebhookView
  readonly secret: string
}

/** Where a job's end is told, beside the webhooks. Without a secret the callback is not signed. */
export interface Callback {
  readonly url: string
  readonly secret?: string | undefined
}

export const deliveryStates = ['waiting', 'delivered', 'failed'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** One event on its way to one webhook. */
export interface DeliveryView {
  /** Sent as `webhook-id`: the same at every attempt. */
  readonly id: string
  readonly webhookId: string
  readonly eventId: number
  readonly eventType: string
  readonly subject: string
  /** `failed`: given up; `resend` tries it again. */
  readonly state: DeliveryState
  /** Since it was written or asked for again. */
  readonly attempts: number
  readonly createdAtMs: number
  /** When it is tried next; null when it is not. */
  readonly nextAtMs: number | null
  /** The last attempt: when, the HTTP status (null: no answer), how long it took, why it failed. */
  readonly lastAtMs: number | null
  readonly lastStatus: number | null
  readonly lastMs: number | null
  readonly lastError: string | null
}
