import { z } from 'zod'
import { toEngineError } from '../../base/errors.js'
import { BANDWIDTH_CHARS_MAX } from '../../base/policy-limits.js'
import { type BandwidthView, type LimitView, parseBandwidth } from '../../model/bandwidth.js'
import { count, name, named } from './registry.js'

/** Text that a parser takes; what is wrong with it is said as the parser says it. */
export const bandwidthText = (parse: (text: string) => unknown): z.ZodString =>
  z
    .string()
    .max(BANDWIDTH_CHARS_MAX)
    .superRefine((text, context) => {
      try {
        parse(text)
      } catch (error) {
        context.addIssue({ code: 'custom', message: toEngineError(error).message })
      }
    })

const bandwidth = bandwidthText(parseBandwidth).describe(
  '`5M` is bytes a second, `40Mbit` bits; `off`; or by time: `08:00,5M 19:00,off Sat-00:00,off`.',
)

const rateBps = count.nullable().describe('In force now, in bits per second; null: no limit.')

/** What a node tells of its limit is shown, and not judged. */
export const bandwidthView: z.ZodType<BandwidthView> = named(
  'Bandwidth',
  z.object({ bandwidth: z.string().max(BANDWIDTH_CHARS_MAX), rateBps }),
)

export const limitView: z.ZodType<LimitView> = named(
  'Limit',
  z.object({ name, bandwidth: z.string().max(BANDWIDTH_CHARS_MAX), rateBps }),
)

export interface LimitList {
  readonly items: readonly LimitView[]
}
export const limitList: z.ZodType<LimitList> = named('LimitList', z.object({ items: z.array(limitView) }))

/** What a PUT to /v1/limits/:name carries. */
export const limitRequest: z.ZodType<{ readonly bandwidth: string }> = named(
  'LimitRequest',
  z.strictObject({ bandwidth }),
)
