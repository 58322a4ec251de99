import { z } from 'zod'
import { END_PERIOD_MS_MAX, END_PERIOD_MS_MIN, REPAIR_ATTEMPTS_MAX } from '../../base/ending-limits.js'
import { type AccountEvent, accountKinds, type RepairPolicy, rungs } from '../../model/account.js'
import { name, named, timeMs } from './registry.js'

export const periodMs: z.ZodNumber = z.number().int().min(END_PERIOD_MS_MIN).max(END_PERIOD_MS_MAX)

export const repairPolicy: z.ZodType<RepairPolicy> = named(
  'RepairPolicy',
  z.strictObject({
    rungs: z
      .array(z.enum(rungs))
      .max(rungs.length)
      .default([...rungs])
      .describe('What is tried, in this order.'),
    attemptsMax: z.number().int().min(0).max(REPAIR_ATTEMPTS_MAX).default(REPAIR_ATTEMPTS_MAX),
  }),
)

export interface AccountList {
  readonly items: readonly AccountEvent[]
}
export const accountList: z.ZodType<AccountList> = named(
  'AccountList',
  z.object({
    items: z.array(
      z.object({
        atMs: timeMs,
        kind: z.enum(accountKinds),
        node: name.nullable().describe('Null: it is about the job.'),
        reason: z.string(),
        rung: z.enum(rungs).nullable().describe('What was done for it.'),
      }),
    ),
  }),
)
