import { z } from 'zod'
import type { SiteView } from '../../model/site.js'
import { count, name, named, release, timeMs, treeHash } from './registry.js'

export const siteView: z.ZodType<SiteView> = named(
  'Site',
  z.object({
    site: name,
    group: name,
    targetRelease: release.nullable().describe('What every node of the group should serve.'),
    targetTreeHash: treeHash.nullable(),
    holdReason: z.string().nullable().describe('Why it stays on this release; null: it is not held.'),
    holdUntilMs: timeMs.nullable().describe('When the hold ends by itself; null: when somebody resumes it.'),
    nodesLive: count,
    nodeCount: count,
    releases: z.array(release),
  }),
)

export interface SiteList {
  readonly items: readonly SiteView[]
}
export const siteList: z.ZodType<SiteList> = named('SiteList', z.object({ items: z.array(siteView) }))
