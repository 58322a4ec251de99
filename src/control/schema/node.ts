import { z } from 'zod'
import type { DamagedRelease, NodeSite, NodeView, ReleaseRef } from '../../model/node.js'
import { bandwidthView } from './limit.js'
import { hookInfo } from './hook.js'
import { rateView } from './rate.js'
import { identity, name, named, publicKey, release, timeMs, treeHash } from './registry.js'

export const releaseRef: z.ZodType<ReleaseRef> = named('ReleaseRef', z.object({ release, treeHash }))

export const damagedRelease: z.ZodType<DamagedRelease> = named(
  'DamagedRelease',
  z.object({
    release,
    treeHash,
    live: z.boolean().describe('Readers see it all the same.'),
    mend: z.boolean().describe('Somebody asked for its mending.'),
  }),
)

export const nodeSite: z.ZodType<NodeSite> = named(
  'NodeSite',
  z.object({
    site: name,
    live: releaseRef.nullable().describe('What readers see; null also when that is damaged.'),
    held: z.array(releaseRef),
    trouble: z.string().optional(),
    damaged: z.array(damagedRelease).optional().describe('On its disk, but not what was promised. Absent: none.'),
  }),
)

export const nodeView: z.ZodType<NodeView> = named(
  'Node',
  z.object({
    id: identity,
    name,
    groups: z.array(name),
    segment: name,
    dataAddress: z.object({ host: z.string(), port: z.number().int().min(0).max(65535) }),
    online: z.boolean(),
    lastSeenMs: timeMs,
    sites: z.array(nodeSite),
    reason: z.string().nullable().describe('Why it does not answer or is behind.'),
    hooks: z.array(hookInfo).nullable().describe('What jobs may name on it; null: it has not said yet.'),
    publicKey: publicKey.nullable().describe('ed25519; signs its reports.'),
    uplink: rateView.optional().describe('What it was measured to be able to send; absent: nobody has measured it.'),
    limit: bandwidthView.optional().describe('How fast it may send; absent: it is away, or has not said.'),
  }),
)

export interface NodeList {
  readonly items: readonly NodeView[]
}
export const nodeList: z.ZodType<NodeList> = named('NodeList', z.object({ items: z.array(nodeView) }))
