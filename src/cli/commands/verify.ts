import { EngineError } from '../../base/errors.js'
import { formatBytes, parseBytes } from '../../base/quantities.js'
import { BITS_PER_BYTE } from '../../base/units.js'
import type { VerifyOptions } from '../../control/door/sites.js'
import { describe, type Finding, type NodeVerification, type VerifyRun } from '../../model/verification.js'
import type { Context } from '../context.js'
import { printable, table } from '../output.js'
import { flag } from './flag.js'
import { release } from './jobs.js'

export interface VerifyFlags {
  readonly site: string
  readonly group?: string
  readonly node?: readonly string[]
  readonly release?: string
  readonly rate?: string
  readonly repair?: boolean
}

/** Reads bytes a second as bits a second. */
export const rateBps = (text: string): number => parseBytes(text) * BITS_PER_BYTE

const optionsOf = ({ site, group, node, release: number, rate, repair }: VerifyFlags): VerifyOptions => ({
  site,
  repair: repair === true,
  ...(group === undefined ? {} : { group }),
  ...(node === undefined ? {} : { nodes: node }),
  ...(number === undefined ? {} : { release: flag('--release', number, release) }),
  ...(rate === undefined ? {} : { rateBps: flag('--rate', rate, rateBps) }),
})

const mending = { none: '', restaged: 'staged anew', removed: 'removed; it is sent again when it is wanted' } as const

const why = ({ found, error }: NodeVerification): string => {
  if (found === null) return error?.message ?? ''
  if (found.mismatches === 0 && found.linkIsRight !== false) return ''
  return [describe(found, 0), mending[found.mended]].filter((text) => text !== '').join('; ')
}

const row = (node: NodeVerification): string[] => {
  const { name, state, found } = node
  if (found === null) return [name, '', '', '', state, why(node)]
  return [name, `${found.site}@${found.release}`, String(found.files), formatBytes(found.bytes), state, why(node)]
}

const detail = (name: string, { path, kind }: Finding): string => printable(`  ${name}  ${kind.padEnd(10)}  ${path}`)

function print({ output }: Context, run: VerifyRun): void {
  const head = ['NODE', 'RELEASE', 'FILES', 'READ', 'STATE', '']
  for (const line of table(head, run.nodes.map(row), output.dataColumns)) output.print(line)
  for (const { name, found } of run.nodes)
    for (const finding of found?.findings ?? []) output.print(detail(name, finding))
}

/** The error that a run ends with; null when every node is well or mended. */
function errorOf(run: VerifyRun): EngineError | null {
  const damaged = run.nodes.find(({ state }) => state === 'damaged')
  const found = damaged?.found ?? null
  if (damaged !== undefined && found !== null) {
    const { site } = run
    const node = damaged.name
    const others = run.nodes.filter(({ state }) => state === 'damaged').length - 1
    const what = describe(found) + (others > 0 ? `; ${others} more nodes likewise` : '')
    return new EngineError('ENGINE_ERR_DRIFT', { site, release: found.release, node, what })
  }
  const failed = run.nodes.find(({ error }) => error !== null)?.error ?? null
  if (failed === null) return null
  return new EngineError('ENGINE_ERR_NODES_UNREAD', { site: run.site, why: failed.message })
}

/** `engine verify`: nodes compare what they serve with what was staged, and have it mended if that is asked for. */
export async function verify(context: Context, flags: VerifyFlags): Promise<number> {
  const { output } = context
  const run = await (await context.connect()).verify(optionsOf(flags))
  const error = errorOf(run)
  if (output.json) output.data({ type: 'result', status: error === null ? 'success' : 'failed', verification: run })
  else print(context, run)
  const mended = run.nodes.filter(({ state }) => state === 'mended').map(({ name }) => name)
  if (mended.length > 0) output.note(`mended on ${mended.join(', ')}`)
  if (error === null) return 0
  output.complain(error.toReport())
  return error.exitCode
}
