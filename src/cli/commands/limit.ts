import { formatRate } from '../../base/quantities.js'
import { type LimitView, parseBandwidth } from '../../model/bandwidth.js'
import type { Context } from '../context.js'
import { printable, table } from '../output.js'
import { flag } from './flag.js'

const row = ({ name, rateBps, bandwidth }: LimitView): string[] => [
  name,
  rateBps === null ? 'no limit' : formatRate(rateBps),
  printable(bandwidth),
]

/** `engine limit [NODE] [LIMIT]`: how fast relays may send, or another limit for one of them. */
export async function limit(context: Context, name: string | undefined, asked: string | undefined): Promise<number> {
  const { output } = context
  if (asked !== undefined) flag('limit', asked, parseBandwidth)
  const api = await context.connect()
  const all = name === undefined || asked === undefined ? await api.limits() : [await api.setLimit(name, asked)]
  const items = all.filter((each) => name === undefined || each.name === name)
  if (output.json) output.data({ items })
  else for (const line of table(['NAME', 'NOW', 'LIMIT'], items.map(row), output.dataColumns)) output.print(line)
  return 0
}
