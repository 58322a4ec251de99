import { formatBytes, formatDuration } from '../../base/quantities.js'
import type { HistoryEntry } from '../../model/history.js'
import type { Context } from '../context.js'
import { table } from '../output.js'
import { countFlag } from './jobs.js'
import { flag } from './flag.js'

const nameOf = (release: number | null): string => (release === null ? '–' : String(release))

const changesOf = ({ changes, sentBytes }: HistoryEntry): string => {
  if (changes === null) return ''
  const { filesAdded, filesChanged, filesDeleted } = changes
  const counts = `+${filesAdded} ~${filesChanged} −${filesDeleted}`
  return sentBytes === null ? counts : `${counts} ${formatBytes(sentBytes)}`
}

const row = (entry: HistoryEntry): string[] => [
  new Date(entry.atMs).toISOString(),
  entry.jobId,
  entry.commands.join('+'),
  `${nameOf(entry.fromRelease)}→${nameOf(entry.toRelease)}`,
  entry.result,
  `${entry.nodesLive}/${entry.nodeCount}`,
  entry.nodesBehind === 0 ? '' : String(entry.nodesBehind),
  changesOf(entry),
  entry.durationMs === null ? '' : formatDuration(entry.durationMs),
  entry.actor ?? '',
  [entry.error?.code, entry.reason].filter((word) => word !== undefined && word !== null).join(': '),
]

export interface HistoryFlags {
  readonly site: string
  readonly limit?: string
}

/** `engine history`: what happened to a site, newest first. */
export async function history(context: Context, flags: HistoryFlags): Promise<number> {
  const options = flags.limit === undefined ? {} : { limit: flag('--limit', flags.limit, countFlag) }
  const items = await (await context.connect()).history(flags.site, options)
  if (context.output.json) context.output.data({ items })
  else if (items.length === 0) context.output.note(`nothing has been made live of ${flags.site}`)
  else {
    const head = ['AT', 'JOB', 'COMMANDS', 'RELEASE', 'RESULT', 'LIVE', 'BEHIND', 'CHANGES', 'TOOK', 'ACTOR', 'WHY']
    for (const line of table(head, items.map(row), context.output.dataColumns)) context.output.print(line)
  }
  return 0
}
