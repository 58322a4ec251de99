import { z } from 'zod'
import { EVENT_PATTERNS_MAX } from '../../base/outside-limits.js'
import type { CloudEvent } from '../../model/fleet-event.js'
import { count, named } from './registry.js'
import { typePattern } from './webhook.js'

export const cloudEvent: z.ZodType<CloudEvent> = named(
  'CloudEvent',
  z.object({
    specversion: z.literal('1.0'),
    id: z.string().describe('Decimal digits; grows; the SSE id.'),
    source: z.string(),
    type: z.string(),
    subject: z.string(),
    time: z.string(),
    datacontenttype: z.literal('application/json'),
    data: z.record(z.string(), z.unknown()),
  }),
)

/** `?types=job.*,node.*&since=ID` of GET /v1/events. */
export const fleetQuery: z.ZodType<{ readonly types: readonly string[]; readonly since?: number | undefined }> =
  z.strictObject({
    types: z
      .string()
      .default('*')
      .transform((text) => text.split(',').filter((part) => part !== ''))
      .pipe(z.array(z.string().pipe(typePattern)).min(1).max(EVENT_PATTERNS_MAX)),
    since: z.coerce.number().pipe(count).optional(),
  })
