// In: nothing; these are words. Out: what is asked of webhooks, here or over HTTP.
// Never: code that runs.
import type { DeliveryView, WebhookRequest, WebhookView, WebhookWithSecret } from '../../model/webhook.js'

/** Who is called back, and what came of it; the same here and over HTTP. */
export interface WebhooksApi {
  /** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT; ENGINE_ERR_ADDRESS_BLOCKED: it is not public. */
  add(request: Partial<WebhookRequest> & { readonly url: string }): Promise<WebhookWithSecret>
  /** Oldest first, without secrets. */
  list(): Promise<readonly WebhookView[]>
  /** What waits for it is forgotten. @throws {EngineError} ENGINE_ERR_WEBHOOK_UNKNOWN, as the rest does. */
  remove(id: string): Promise<void>
  /** A new secret, given or made; for a day the one before it signs too. */
  rotate(id: string, secret?: string | null): Promise<WebhookWithSecret>
  /** Newest first. */
  deliveries(id: string): Promise<readonly DeliveryView[]>
  /** Answers when it is on record; `deliveries` tells the rest. @throws {EngineError} ENGINE_ERR_DELIVERY_UNKNOWN. */
  resend(id: string, deliveryId: string): Promise<DeliveryView>
  /** Sends an event that says nothing. Where it arrives at a webhook that is off, that is on again. */
  ping(id: string): Promise<DeliveryView>
}
