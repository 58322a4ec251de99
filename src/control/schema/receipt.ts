import { z } from 'zod'
import type { Receipt } from '../../model/job.js'
import { commandTypes } from '../../model/job.js'
import { jobError } from './job.js'
import { count, identity, name, named, release, timeMs, treeHash } from './registry.js'

export const receipt: z.ZodType<Receipt> = named(
  'Receipt',
  z.object({
    jobId: z.string(),
    nodeId: identity,
    nodeName: name,
    command: z.enum(commandTypes),
    kind: z.enum(['receipt', 'completion', 'failure']).describe('It has it; it has done it; it could not.'),
    release,
    treeHash,
    atMs: timeMs.describe("By the node's clock."),
    recordedAtMs: timeMs,
    bytesFetched: count,
    error: jobError.nullable(),
  }),
)

export interface ReceiptList {
  readonly items: readonly Receipt[]
}
export const receiptList: z.ZodType<ReceiptList> = named('ReceiptList', z.object({ items: z.array(receipt) }))
