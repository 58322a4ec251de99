import { type EngineError, toEngineError } from '../../base/errors.js'
import { formatRate } from '../../base/quantities.js'
import { SECOND_MS } from '../../base/units.js'
import type { NodeView } from '../../model/node.js'
import type { ProbeRequest, ProbeView } from '../../model/rate.js'
import type { Context } from '../context.js'
import { table } from '../output.js'

export interface ProbeFlags {
  readonly group?: string
  readonly from?: string
  readonly bulk?: boolean
  readonly force?: boolean
}

const row = ({ from, to, rateBps, how, spanMs, bytes }: ProbeView): string[] => [
  from,
  to,
  formatRate(rateBps),
  how,
  `${bytes} bytes, seen for ${(spanMs / SECOND_MS).toFixed(2)} s`,
]

/** Whether others can be measured all the same. @param isSenderAsked one node sends to all: it is in all of them. */
const isOfOneLink = (code: string, isSenderAsked: boolean): boolean =>
  code === 'ENGINE_ERR_PROBE_FAILED' ||
  (!isSenderAsked && ['ENGINE_ERR_NODE_SILENT', 'ENGINE_ERR_NODE_LOST'].includes(code))

const requestOf = ({ from, bulk = false, force = false }: ProbeFlags): ProbeRequest =>
  from === undefined ? { bulk, force } : { from, bulk, force }

/** Those that are named, each once; else all that are there, of a group where one is given. */
function chosen(all: readonly NodeView[], names: readonly string[], { group, from }: ProbeFlags): readonly string[] {
  if (names.length > 0) return [...new Set(names)]
  const there = all.filter(({ online, name }) => online && name !== from)
  return there.filter(({ groups }) => group === undefined || groups.includes(group)).map(({ name }) => name)
}

/** `engine probe [NODE…]`: measures links, one after the other. */
export async function probe(context: Context, names: readonly string[], flags: ProbeFlags): Promise<number> {
  const { output } = context
  const api = await context.connect()
  const request = requestOf(flags)
  const nodes = chosen(names.length > 0 ? [] : await api.nodes(), names, flags)
  if (nodes.length === 0) output.note('no node is there to be measured; see `engine nodes`')
  const items: ProbeView[] = []
  const failed: { node: string; error: ReturnType<EngineError['toReport']> }[] = []
  for (const node of nodes) {
    try {
      items.push(...(await api.probe(node, request)))
    } catch (caught) {
      const error = toEngineError(caught)
      // Of one alone, and where it is not this link that fails, that is all there is to say.
      if (nodes.length === 1 || !isOfOneLink(error.code, flags.from !== undefined)) throw error
      failed.push({ node, error: error.toReport() })
      output.note(`${node}: ${error.message}`)
    }
  }
  if (output.json) output.data({ items, failed })
  else
    for (const line of table(['FROM', 'TO', 'RATE', 'HOW', ''], items.map(row), output.dataColumns)) output.print(line)
  return failed.length === 0 ? 0 : 1
}
