import { EngineError } from '../../base/errors.js'
import { formatBytes } from '../../base/quantities.js'
import type { FileAt, SitePath } from '../../control/door/files.js'
import type { FileEntry, FileView } from '../../model/file.js'
import { escapedOf, shownOf } from '../../model/file-name.js'
import { NAME_PATTERN } from '../../model/name.js'
import type { NodeSite } from '../../model/node.js'
import type { Fetched } from '../../sending/fetching.js'
import type { CommandApi, Context } from '../context.js'
import { printable, table } from '../output.js'
import { invalid } from './flag.js'

const FORM = 'NODE:/site/path, NODE:/site@release/path or :/site/path'

const isName = (node: string): boolean => node === '' || NAME_PATTERN.test(node)

/**
 * Reads `n1:/www/a/b`, `:/www/a` (on whichever node) and `n1:/www@3/a`.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT.
 */
export function placeOf(text: string): FileAt & { readonly path: string } {
  const [, node, site, release, path = ''] = /^([^:/]*):\/([^/@]+)(?:@(\d{1,15}))?(?:\/(.*))?$/s.exec(text) ?? []
  if (node === undefined || site === undefined || !isName(node) || !NAME_PATTERN.test(site)) {
    throw invalid('the place', `write it like ${FORM}`)
  }
  const escaped = escapedOf(path.replace(/\/$/, ''))
  return { node, site, path: escaped, ...(release === undefined ? {} : { release: Number(release) }) }
}

/**
 * Reads `:/www/a/b`, a path on every node.
 * @throws {EngineError} ENGINE_ERR_EDIT_OF_NODE, ENGINE_ERR_INVALID_ARGUMENT.
 */
export function sitePlaceOf(text: string): SitePath {
  const { node, site, path, release } = placeOf(text)
  if (node !== '') {
    const hint = `write to all nodes that serve the site: ${text.slice(node.length)}`
    throw new EngineError('ENGINE_ERR_EDIT_OF_NODE', { node }, { hint })
  }
  if (release === undefined) return { site, path }
  throw invalid('the place', 'what is live is changed; an older release is made live with `engine rollback`')
}

/** Where to look: a node that is connected and has the site, where none is named. */
async function lookPlaceOf(client: CommandApi, text: string): Promise<ReturnType<typeof placeOf>> {
  const at = placeOf(text)
  if (at.node !== '') return at
  const nodes = await client.nodes()
  const isThere = ({ site, live, held }: NodeSite): boolean =>
    site === at.site && (at.release === undefined ? live !== null : held.some(({ release }) => release === at.release))
  const found = nodes.find(({ online, sites }) => online && sites.some(isThere))
  if (found !== undefined) return { ...at, node: found.name }
  const what = at.release === undefined ? `serves ${at.site}` : `has ${at.site}@${at.release}`
  throw invalid('the place', `no node that is connected ${what}`)
}

const letters = { file: '-', dir: 'd', link: 'l', fifo: 'p', socket: 's', device: 'c', unknown: '?' } as const

/** `-rw-r--r--`. */
function modeOf({ kind, mode }: FileEntry): string {
  const bits = Number.parseInt(mode, 8)
  const all = Array.from('rwxrwxrwx', (letter, index) => (bits & (1 << (8 - index)) ? letter : '-'))
  return letters[kind] + all.join('')
}

const timeOf = (mtimeNs: string): string => {
  const date = new Date(Number(BigInt(mtimeNs) / 1_000_000n))
  return Number.isNaN(date.getTime()) ? `${mtimeNs} ns` : date.toISOString()
}

const nameOf = ({ name, kind, target }: FileEntry): string => {
  const shown = shownOf(name)
  if (kind === 'dir') return `${shown}/`
  return kind === 'link' ? `${shown} -> ${shownOf(target ?? '')}` : shown
}

const rowOf = (entry: FileEntry): string[] => [
  ...[modeOf(entry), String(entry.sizeBytes), timeOf(entry.mtimeNs)],
  printable(nameOf(entry)),
]

/** `engine ls`: a directory of a node, as it is on its disk. */
export async function list(context: Context, place: string, { long }: { readonly long?: boolean }): Promise<number> {
  const { output } = context
  const client = await context.connect()
  const at = await lookPlaceOf(client, place)
  const entries: FileEntry[] = []
  // A long listing is set in columns; else names go out as they come.
  for await (const entry of client.files.list(at)) {
    const named = entry.name === '' ? { ...entry, name: '.' } : entry
    if (output.json) output.data(named)
    else if (long === true) entries.push(named)
    else output.print(printable(nameOf(named)))
  }
  if (entries.length > 0) {
    for (const line of table(['MODE', 'BYTES', 'CHANGED', 'NAME'], entries.map(rowOf), output.dataColumns))
      output.print(line)
  }
  return 0
}

/** `engine stat`: what one path is. */
export async function stat(context: Context, place: string): Promise<number> {
  const { output } = context
  const client = await context.connect()
  const view = await client.files.stat(await lookPlaceOf(client, place))
  if (output.json) output.data(view)
  else for (const line of linesOf(view)) output.print(printable(line))
  return 0
}

function linesOf({ node, site, release, entry }: FileView): string[] {
  const { kind, mode, sizeBytes, mtimeNs, target, digest } = entry
  return [
    `name     ${shownOf(entry.name === '' ? '.' : entry.name)}`,
    `on       ${node}, ${site}@${release}`,
    `kind     ${kind}`,
    `mode     ${mode}`,
    `bytes    ${sizeBytes}`,
    `changed  ${timeOf(mtimeNs)}`,
    ...(target === null ? [] : [`target   ${shownOf(target)}`]),
    ...(kind === 'file' ? [`blake3   ${digest ?? '(it is not as it was published)'}`] : []),
  ]
}

/** `engine get`: a file of a node, or with `-r` a directory, to this machine. */
export async function get(
  context: Context,
  [place, local]: readonly [string, string | undefined],
  { recursive }: { readonly recursive?: boolean },
): Promise<number> {
  if (local === '-') return print(context, place, recursive === true)
  const client = await context.connect()
  const at = await lookPlaceOf(client, place)
  if (client.get === undefined || client.getTree === undefined) throw cannot()
  const name = at.path === '' ? at.site : (at.path.split('/').at(-1) ?? '')
  if (recursive !== true) return tell(context, await client.get(at, local ?? '.'))
  return tell(context, await client.getTree(at, local ?? shownOf(name)))
}

const cannot = (): EngineError => new EngineError('ENGINE_ERR_INTERNAL', { why: 'this client writes no files' })

async function print(context: Context, place: string, isTree: boolean): Promise<number> {
  if (isTree) throw invalid('-', 'a directory comes into a directory, not on standard output')
  if (context.output.json) throw invalid('- with --json', 'the bytes of the file are all that is printed')
  const client = await context.connect()
  if (client.bytes === undefined) throw cannot()
  const at = await lookPlaceOf(client, place)
  try {
    for await (const piece of client.bytes(await client.files.stat(at), at.path)) await context.write?.(piece)
  } catch (error) {
    // Whoever reads has enough.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  }
  return 0
}

function tell({ output }: Context, done: Fetched): number {
  for (const path of done.skipped) output.note(`left out: ${printable(shownOf(path))} is no file, directory or link`)
  if (output.json) output.data({ type: 'result', status: 'success', ...done })
  else output.print(`${done.files} fetched (${formatBytes(done.bytes)}), ${done.present} were here`)
  return 0
}
