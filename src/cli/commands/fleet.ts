import { EngineError } from '../../base/errors.js'
import { JOB_PAGE_MAX } from '../../base/limits.js'
import { formatBytes, formatDuration, formatRate } from '../../base/quantities.js'
import type { JobView } from '../../model/job.js'
import type { HookArgument } from '../../model/hook.js'
import type { NodeView } from '../../model/node.js'
import type { NodeCommandView } from '../../model/node-state.js'
import type { SiteView } from '../../model/site.js'
import type { Context } from '../context.js'
import { table } from '../output.js'
import { canaryText } from '../waiting.js'

/** Why a site is held, and for how long still. */
const holdText = ({ site, holdReason, holdUntilMs }: SiteView, nowMs: number): string => {
  if (holdReason === null) return ''
  const left = holdUntilMs === null ? '' : ` for ${formatDuration(Math.max(0, holdUntilMs - nowMs))}`
  return `held${left}: ${holdReason} (engine resume --site ${site})`
}

const canaryLine = (job: JobView): string => {
  const text = canaryText(job)
  return text === null ? '' : `${job.site}@${job.release}: ${text}`
}

const siteRow = (site: SiteView, staged: readonly JobView[], nowMs: number): string[] => [
  site.site,
  site.group,
  site.targetRelease === null ? '–' : `${site.site}@${site.targetRelease}`,
  `${site.nodesLive}/${site.nodeCount}`,
  site.releases.join(' '),
  [holdText(site, nowMs), ...staged.filter((job) => job.site === site.site).map(canaryLine)].filter(Boolean).join('; '),
]

const whyNone = (all: readonly SiteView[], group: string | undefined): string => {
  if (group === undefined || all.length === 0)
    return 'no site yet; publish one: engine publish DIR --site NAME --group NAME'
  const groups = [...new Set(all.map((site) => site.group))].toSorted()
  return `no site in group ${group} (groups: ${groups.join(', ')})`
}

const commandRow = ({ jobId, site, number, type, state, bytesHave, via }: NodeCommandView): string[] => [
  jobId,
  site,
  `${number} ${type}`,
  state,
  bytesHave === 0 ? '' : formatBytes(bytesHave),
  via ?? 'coordinator',
]

/** `engine status --query NODE`: what the node itself says, now, of the commands of the running jobs. */
async function query(context: Context, name: string): Promise<number> {
  const answer = await (await context.connect()).queryNode(name)
  if (context.output.json) context.output.data(answer)
  else {
    context.output.note(`${name} answered after ${formatDuration(answer.tookMs)}`)
    if (answer.commands.length === 0) context.output.note('no running job is for it')
    const head = ['JOB', 'SITE', 'COMMAND', 'STATE', 'HAS', 'VIA']
    const rows = answer.commands.map(commandRow)
    if (rows.length > 0) for (const line of table(head, rows, context.output.dataColumns)) context.output.print(line)
  }
  return 0
}

export interface StatusFlags {
  readonly group?: string
  readonly query?: string
}

/** `engine status`: each site, what should be live and on how many nodes it is. */
export async function status(context: Context, flags: StatusFlags): Promise<number> {
  if (flags.query !== undefined) return query(context, flags.query)
  const api = await context.connect()
  const all = await api.sites()
  const items = flags.group === undefined ? all : all.filter((site) => site.group === flags.group)
  if (context.output.json) context.output.data({ items })
  else if (items.length === 0) context.output.note(whyNone(all, flags.group))
  else {
    const head = ['SITE', 'GROUP', 'TARGET', 'LIVE ON', 'KEPT', '']
    const staged = await api.jobs({ state: 'staged', limit: JOB_PAGE_MAX })
    const rows = items.map((site) => siteRow(site, staged, context.clock.nowMs()))
    for (const line of table(head, rows, context.output.dataColumns)) context.output.print(line)
  }
  return 0
}

/** Whether it is there, and how fast it may send then. */
const stateOf = ({ online, lastSeenMs, limit }: NodeView, nowMs: number): string => {
  if (!online) return `away ${formatDuration(Math.max(0, nowMs - lastSeenMs))}`
  return limit === undefined || limit.rateBps === null ? 'online' : `online, ≤ ${formatRate(limit.rateBps)}`
}

/** What its uplink was measured to give; a question mark: too long ago. */
const uplinkOf = ({ uplink }: NodeView): string => {
  if (uplink === undefined) return ''
  const { rateBps, how, ageMs, isStale } = uplink
  return `${formatRate(rateBps)}${isStale ? '?' : ''} (${how}, ${formatDuration(ageMs)} ago)`
}

const nodeRow = (node: NodeView, nowMs: number): string[] => [
  node.name,
  node.groups.join(','),
  node.segment,
  stateOf(node, nowMs),
  uplinkOf(node),
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
    const head = ['NODE', 'GROUPS', 'SEGMENT', 'STATE', 'UPLINK', 'LIVE', 'ADDRESS', 'WHY']
    const rows = items.map((node) => nodeRow(node, context.clock.nowMs()))
    for (const line of table(head, rows, context.output.dataColumns)) context.output.print(line)
  }
  return 0
}

/** How an argument is written: `depth=1–9`, in brackets where it may be left out. */
const argumentText = ({ name, type, required, pattern, min, max, choices, ...one }: HookArgument): string => {
  const words = { string: pattern ?? 'TEXT', integer: `${min ?? 0}–${max ?? ''}`, boolean: 'true|false' }
  const text = `${name}=${type === 'choice' ? (choices ?? []).join('|') : words[type]}`
  if (required) return text
  return one.default === null ? `[${text}]` : `[${text}, else ${one.default}]`
}

const hookRows = ({ name, hooks }: NodeView): string[][] =>
  hooks === null
    ? [[name, '–', '', '', 'it has not said since the coordinator started']]
    : hooks.map((hook) => [
        name,
        hook.name,
        hook.on ?? 'when named',
        hook.sites?.join(',') ?? 'all',
        hook.arguments.map(argumentText).join(' '),
      ])

/** `engine hooks [NODE]`: what jobs may name on each node, and with which arguments. */
export async function hooks(context: Context, only: string | undefined): Promise<number> {
  const all = await (await context.connect()).nodes()
  const chosen = all.filter((node) => only === undefined || node.name === only || node.id === only)
  if (only !== undefined && chosen.length === 0) throw new EngineError('ENGINE_ERR_NODE_UNKNOWN', { node: only })
  const rows = chosen.flatMap(hookRows)
  if (context.output.json)
    context.output.data({ items: chosen.map((node) => ({ node: node.name, hooks: node.hooks })) })
  else if (rows.length === 0) context.output.note('no hook is declared; see node.hooks in docs/reference/config.md')
  else {
    const head = ['NODE', 'HOOK', 'RUNS', 'SITES', 'ARGUMENTS']
    for (const line of table(head, rows, context.output.dataColumns)) context.output.print(line)
  }
  return 0
}
