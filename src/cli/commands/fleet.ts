import { formatDuration } from '../../base/quantities.js'
import type { NodeView } from '../../model/node.js'
import type { SiteView } from '../../model/site.js'
import type { Context } from '../context.js'
import { table } from '../output.js'

const siteRow = (site: SiteView): string[] => [
  site.site,
  site.group,
  site.targetRelease === null ? '–' : `${site.site}@${site.targetRelease}`,
  `${site.nodesLive}/${site.nodeCount}`,
  site.releases.join(' '),
  site.holdReason === null ? '' : `held: ${site.holdReason}`,
]

const whyNone = (all: readonly SiteView[], group: string | undefined): string => {
  if (group === undefined || all.length === 0)
    return 'no site yet; publish one: engine publish DIR --site NAME --group NAME'
  const groups = [...new Set(all.map((site) => site.group))].toSorted()
  return `no site in group ${group} (groups: ${groups.join(', ')})`
}

/** `engine status`: each site, what should be live and on how many nodes it is. */
export async function status(context: Context, flags: { readonly group?: string }): Promise<number> {
  const all = await (await context.connect()).sites()
  const items = flags.group === undefined ? all : all.filter((site) => site.group === flags.group)
  if (context.output.json) context.output.data({ items })
  else if (items.length === 0) context.output.note(whyNone(all, flags.group))
  else {
    const head = ['SITE', 'GROUP', 'TARGET', 'LIVE ON', 'KEPT', '']
    for (const line of table(head, items.map(siteRow), context.output.dataColumns)) context.output.print(line)
  }
  return 0
}

const nodeRow = (node: NodeView, nowMs: number): string[] => [
  node.name,
  node.groups.join(','),
  node.segment,
  node.online ? 'online' : `away ${formatDuration(Math.max(0, nowMs - node.lastSeenMs))}`,
  node.sites.map((site) => (site.live === null ? `${site.site} –` : `${site.site}@${site.live.release}`)).join(' '),
  `${node.dataAddress.host}:${node.dataAddress.port}`,
  node.reason ?? '',
]

/** `engine nodes`: who has joined, what each serves, and why one is not well. */
export async function nodes(context: Context): Promise<number> {
  const items = await (await context.connect()).nodes()
  if (context.output.json) context.output.data({ items })
  else if (items.length === 0) context.output.note('no node has joined; start one: engine serve --role node --join URL')
  else {
    const head = ['NODE', 'GROUPS', 'SEGMENT', 'STATE', 'LIVE', 'ADDRESS', 'WHY']
    const rows = items.map((node) => nodeRow(node, context.clock.nowMs()))
    for (const line of table(head, rows, context.output.dataColumns)) context.output.print(line)
  }
  return 0
}
