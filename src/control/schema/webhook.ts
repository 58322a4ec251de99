import { z } from 'zod'
import { ID_CHARS_MAX } from '../../base/limits.js'
import { EVENT_PATTERNS_MAX, WEBHOOK_SECRET_CHARS_MAX, WEBHOOK_URL_CHARS_MAX } from '../../base/outside-limits.js'
import { fleetEventTypes, isTypePattern } from '../../model/fleet-event.js'
import { deliveryStates, type DeliveryView, type WebhookRequest, type WebhookView } from '../../model/webhook.js'
import type { WebhookWithSecret } from '../../model/webhook.js'
import { count, name, named, timeMs } from './registry.js'

/** `*`, `job.*`, `job.failed`: a pattern that names no type would be silent for ever. */
export const typePattern: z.ZodString = z
  .string()
  .max(ID_CHARS_MAX)
  .refine(isTypePattern, `no event has such a type; there are ${fleetEventTypes.join(', ')}, and patterns like job.*`)

const secret = z.string().max(WEBHOOK_SECRET_CHARS_MAX).nullable().default(null)

/** What a POST to /v1/webhooks carries; everything but the url may be left out. */
export const webhookRequest: z.ZodType<WebhookRequest> = named(
  'WebhookRequest',
  z.strictObject({
    url: z.string().min(1).max(WEBHOOK_URL_CHARS_MAX).describe('Where to call: https or http.'),
    types: z.array(typePattern).min(1).max(EVENT_PATTERNS_MAX).default(['*']).describe('`*`, `job.*`, `node.lost` …'),
    site: name.nullable().default(null).describe('Only events of this site.'),
    secret: secret.describe('whsec_ and base64 of 24 to 64 bytes; null: one is made.'),
    allowPrivate: z.boolean().default(false).describe('It may be on a private, loopback or link-local address.'),
  }),
)

/** What a POST to /v1/webhooks/ID/rotate carries. */
export const rotateRequest: z.ZodType<{ readonly secret: string | null }> = named(
  'RotateRequest',
  z.strictObject({ secret: secret.describe('The new one; null: it is made.') }),
)

export const webhookView: z.ZodType<WebhookView> = named(
  'Webhook',
  z.object({
    id: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    site: name.nullable(),
    allowPrivate: z.boolean(),
    createdAtMs: timeMs,
    offAtMs: timeMs.nullable().describe('Since when it is not called any more; null: it is.'),
    offReason: z.string().nullable(),
    failingAtMs: timeMs.nullable().describe('Since when nothing but failure.'),
    deliveredAtMs: timeMs.nullable(),
    waiting: count.describe('Deliveries that wait for their first or next attempt.'),
  }),
)

export const webhookWithSecret: z.ZodType<WebhookWithSecret> = named(
  'WebhookWithSecret',
  z.object({ webhook: webhookView, secret: z.string().describe('Shown this once.') }),
)

export const webhookList: z.ZodType<{ readonly items: readonly WebhookView[] }> = named(
  'WebhookList',
  z.object({ items: z.array(webhookView) }),
)

export const deliveryView: z.ZodType<DeliveryView> = named(
  'Delivery',
  z.object({
    id: z.string().describe('Sent as webhook-id; the same at every attempt.'),
    webhookId: z.string(),
    eventId: count,
    eventType: z.string(),
    subject: z.string(),
    state: z.enum(deliveryStates).describe('failed: given up; resend tries it again.'),
    attempts: count,
    createdAtMs: timeMs,
    nextAtMs: timeMs.nullable(),
    lastAtMs: timeMs.nullable(),
    lastStatus: z.number().int().nullable().describe('HTTP status of the last attempt; null: no answer.'),
    lastMs: count.nullable(),
    lastError: z.string().nullable(),
  }),
)

export const deliveryList: z.ZodType<{ readonly items: readonly DeliveryView[] }> = named(
  'DeliveryList',
  z.object({ items: z.array(deliveryView) }),
)

const id = z.string().min(1).max(ID_CHARS_MAX)

export const webhookParams: z.ZodType<{ readonly id: string }> = z.strictObject({ id })
export const deliveryParams: z.ZodType<{ readonly id: string; readonly delivery: string }> = z.strictObject({
  id,
  delivery: id,
})
