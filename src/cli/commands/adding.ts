// The words of `engine job add`: which command they name, and what it takes.
import type { SitePath } from '../../control/door/files.js'
import type { EditRequest } from '../../model/edit.js'
import type { CommandRequest } from '../../model/job.js'
import type { PutAt } from '../../sending/index.js'
import { sitePlaceOf } from './files.js'
import { flag, invalid } from './flag.js'
import { release } from './jobs.js'
import { rateBps } from './verify.js'
import { modeOf, targetOf, touchTimeNs } from './writing.js'

/** What `engine job add` may say beside its command. */
export interface AddFlags {
  readonly release?: string
  readonly arg?: readonly string[]
  readonly repair?: boolean
  readonly rate?: string
  readonly upload?: boolean
  readonly mode?: string
  readonly parents?: boolean
  readonly date?: string
  /** False is what can be said. */
  readonly create?: boolean
  readonly recursive?: boolean
  readonly idempotencyKey?: string
  readonly wait?: boolean
}

/** Reads `--arg name=value …`. */
export function argsOf(given: readonly string[] = []): Readonly<Record<string, string>> {
  const args = new Map<string, string>()
  for (const text of given) {
    const [name = '', ...value] = text.split('=')
    if (name === '' || value.length === 0) throw invalid(`--arg "${text}"`, 'write it like name=value')
    if (args.has(name)) throw invalid(`--arg "${text}"`, `${name} is given twice`)
    args.set(name, value.join('='))
  }
  return Object.fromEntries(args)
}

interface Rule {
  /** What follows the command, as it is to be written. */
  readonly words: readonly string[]
  readonly flags: readonly (keyof AddFlags)[]
}

const PLACE = ':/site/path'
const grammar: Readonly<Record<string, Rule>> = {
  publish: { words: ['DIR'], flags: ['upload'] },
  commit: { words: [], flags: [] },
  rollback: { words: [], flags: ['release'] },
  'run-hook': { words: ['NAME'], flags: ['arg'] },
  verify: { words: [], flags: ['release', 'repair', 'rate'] },
  put: { words: ['FILE', PLACE], flags: ['mode', 'parents'] },
  mkdir: { words: [PLACE], flags: ['mode', 'parents'] },
  chmod: { words: ['MODE', PLACE], flags: [] },
  touch: { words: [PLACE], flags: ['date', 'create'] },
  rm: { words: [PLACE], flags: ['recursive'] },
}

const own = [...new Set(Object.values(grammar).flatMap(({ flags }) => flags))]
const isSaid = (flags: AddFlags, name: keyof AddFlags): boolean =>
  name === 'create' ? flags.create === false : flags[name] !== undefined

function checkGrammar(type: string, words: readonly string[], flags: AddFlags): void {
  const rule = Object.hasOwn(grammar, type) ? grammar[type] : undefined
  if (rule === undefined) throw invalid(`"${type}"`, `commands are ${Object.keys(grammar).join(', ')}`)
  const { words: wanted } = rule
  if (words.length < wanted.length) throw invalid(type, `say what: engine job add JOB ${type} ${wanted.join(' ')}`)
  if (words.length > wanted.length) throw invalid(`"${words.at(-1)}"`, `it is one too many for ${type}`)
  const strange = own.find((name) => isSaid(flags, name) && !rule.flags.includes(name))
  const option = strange === 'create' ? 'no-create' : strange
  if (option !== undefined) throw invalid(`--${option}`, `it is no option of ${type}`)
}

/** Where an edit is made; null: the command is none. @throws {EngineError} as `sitePlaceOf`. */
export function placeOf(type: string, words: readonly string[]): SitePath | null {
  const at = grammar[type]?.words.indexOf(PLACE) ?? -1
  if (at === -1) return null
  const place = words[at] ?? ''
  return type === 'put' ? targetOf(words[0] ?? '', place) : sitePlaceOf(place)
}

/** What a file is put with. */
export const putOf = ({ path }: SitePath, { mode, parents = false }: AddFlags): PutAt => ({
  ...{ path, parents },
  ...(mode === undefined ? {} : { mode: modeOf(mode) }),
})

function editOf(type: string, words: readonly string[], flags: AddFlags, nowMs: number): EditRequest | null {
  const place = placeOf(type, words)
  if (place === null) return null
  const { path } = place
  const mode = flags.mode === undefined ? null : modeOf(flags.mode)
  switch (type) {
    case 'mkdir':
      return { type, path, mode, parents: flags.parents ?? false }
    case 'chmod':
      return { type: 'set-properties', path, mode: modeOf(words[0] ?? ''), mtimeNs: null, create: false }
    case 'touch': {
      const mtimeNs = touchTimeNs(flags, nowMs)
      return { type: 'set-properties', path, mode: null, mtimeNs, create: flags.create ?? true }
    }
    case 'rm':
      return { type: 'remove', path, recursive: flags.recursive ?? false }
    default:
      return null
  }
}

/**
 * The command that the words and flags of `engine job add` name. Null: a publish or a put, which is made where its
 * content is. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_EDIT_OF_NODE.
 */
export function requestOf(
  type: string,
  words: readonly string[],
  flags: AddFlags,
  nowMs: number,
): CommandRequest | null {
  checkGrammar(type, words, flags)
  const of = flags.release === undefined ? null : flag('--release', flags.release, release)
  switch (type) {
    case 'commit':
      return { type }
    case 'rollback':
      return { type, release: of }
    case 'run-hook':
      return { type, hook: words[0] ?? '', args: argsOf(flags.arg) }
    case 'verify': {
      const rate = flags.rate === undefined ? null : flag('--rate', flags.rate, rateBps)
      return { type, release: of, rateBps: rate, repair: flags.repair === true }
    }
    default:
      return editOf(type, words, flags, nowMs)
  }
}
