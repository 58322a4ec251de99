import { z } from 'zod'
import { REASON_CHARS_MAX } from '../../base/limits.js'
import { HOLD_MS_MAX } from '../../base/policy-limits.js'
import type { HoldRequest, ResumeRequest } from '../../model/site.js'
import { named } from './registry.js'

const reason = z.string().max(REASON_CHARS_MAX)

/** What a POST to /v1/sites/:site/hold carries. */
export const holdRequest: z.ZodType<HoldRequest> = named(
  'HoldRequest',
  z.strictObject({
    reason: reason.refine((text) => text.trim() !== '', 'say why').describe('Shown for as long as the site is held.'),
    forMs: z
      .number()
      .int()
      .min(1)
      .max(HOLD_MS_MAX)
      .nullable()
      .default(null)
      .describe('Null: until somebody resumes it. A hold that ends later stands.'),
  }),
)

/** What a POST to /v1/sites/:site/resume may carry. */
export const resumeRequest: z.ZodType<ResumeRequest> = named(
  'ResumeRequest',
  z.strictObject({ reason: reason.nullable().default(null) }).prefault({}),
)
