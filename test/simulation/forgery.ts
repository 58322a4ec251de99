// Reports that say something else than their node said, signed with its key all the same.
import { signReport } from '../../src/model/proof.js'
import type { Report } from '../../src/control/schema/channel.js'
import type { SimNode } from './node.js'

export const isFromNode = (text: string, kind: Report['kind']): boolean =>
  text.startsWith('{"type":"report"') && text.includes(`"kind":"${kind}"`)

export function resigned(text: string, { id, signer }: SimNode, change: Partial<Report>): string {
  const report = { ...(JSON.parse(text) as Report), ...change }
  return JSON.stringify({ ...report, signature: signReport({ ...report, nodeId: id }, signer) })
}
