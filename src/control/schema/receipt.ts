import { z } from 'zod'
import type { Receipt } from '../../model/job.js'
import { commandTypes } from '../../model/job.js'
import { jobError } from './job.js'
import { count, identity, name, named, publicKey, release, signature, timeMs, treeHash } from './registry.js'

export const receipt: z.ZodType<Receipt> = named(
  'Receipt',
  z.object({
    jobId: z.string(),
    number: count.describe('Of the command in its job.'),
    commandId: z.string().nullable(),
    site: name,
    nodeId: identity,
    nodeName: name,
    command: z.enum(commandTypes),
    kind: z.enum(['receipt', 'completion', 'failure']).describe('It has it; it has done it; it could not.'),
    release: release.nullable(),
    treeHash: treeHash.nullable(),
    atMs: timeMs.describe("By the node's clock."),
    recordedAtMs: timeMs,
    bytesFetched: count,
    output: z.string().nullable().describe('What the command left.'),
    error: jobError.nullable(),
    signature: signature.nullable().describe("The node's, over what it said; docs/guide/record.md says how."),
    publicKey: publicKey.nullable().describe("The node's key then."),
  }),
)

export interface ReceiptList {
  readonly items: readonly Receipt[]
}
export const receiptList: z.ZodType<ReceiptList> = named('ReceiptList', z.object({ items: z.array(receipt) }))
