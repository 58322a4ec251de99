// In: a YAML file, the environment, flags. Out: one frozen configuration, complete and checked.
// Never: a value that nobody checked; a room that reads files or variables itself.
import { join, resolve } from 'node:path'
import type { z } from 'zod'
import { EngineError } from '../base/errors.js'
import { type Surroundings, surroundings, xdgDirectory } from './environment.js'
import { ANY_NAME, fieldAt, fields, placeIn } from './fields.js'
import { fromFile } from './file.js'
import { toHooks } from './hooks.js'
import { requireLoopback } from './listen.js'
import { nearest } from './nearest.js'
import { type Config, type Settings, type SettingsInput, settingsSchema } from './schema.js'
import { fromEnvironment, fromFlags, isTree, overlay, type Source, type Tree, valueAt } from './sources.js'

export interface LoadOptions {
  /** File to read (`--config`); undefined looks where one usually is. */
  readonly file?: string | undefined
  /** What flags or an embedding program say: stronger than the environment and the file. */
  readonly flags?: SettingsInput | undefined
  /** For tests; the process's own by default. */
  readonly surroundings?: Partial<Surroundings>
}

/**
 * Puts the configuration together: flags, over `ENGINE_*`, over the file, over defaults.
 * The file is `file`, `$ENGINE_CONFIG`, or the first there is of `./engine.yaml`,
 * `$XDG_CONFIG_HOME/engine/engine.yaml`, `/etc/engine/engine.yaml`; none is fine, too.
 * @throws {EngineError} ENGINE_ERR_CONFIG_INVALID naming each bad field, where it stands, and the nearest known key;
 *   ENGINE_ERR_INSECURE_LISTEN when it listens beyond loopback without `insecure`.
 */
export async function loadConfig(options: LoadOptions = {}): Promise<Config> {
  const around = { ...surroundings(), ...options.surroundings }
  const file = await findFile(options.file, around)
  const strongestFirst = [fromFlags(options.flags ?? {}), fromEnvironment(around.environment), ...file]
  const merged = strongestFirst.reduceRight<Tree>((under, source) => overlay(under, source.values), {})
  const parsed = settingsSchema.safeParse(merged)
  if (!parsed.success) throw refused(parsed.error.issues, strongestFirst, merged)
  const config = complete(parsed.data, around)
  checkListens(config)
  return deepFreeze(config)
}

/**
 * The coordinator that commands ask, where neither a flag nor ENGINE_URL says it: from the file that
 * `engine serve` would read here, else the default. All of the file is checked: a slip of the pen in a key
 * must not lead to another fleet.
 * @throws {EngineError} ENGINE_ERR_CONFIG_INVALID as `loadConfig` does, of the file alone.
 */
export async function loadUrl(options: Pick<LoadOptions, 'surroundings'> = {}): Promise<string> {
  try {
    const file = await findFile(undefined, { ...surroundings(), ...options.surroundings })
    const values = file[0]?.values ?? {}
    const parsed = settingsSchema.safeParse(values)
    if (!parsed.success) throw refused(parsed.error.issues, file, values)
    return parsed.data.url
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    const hint = `${error.hint}; or say which coordinator to ask with --url or ENGINE_URL`
    throw new EngineError(error.code, error.details, { cause: error, hint })
  }
}

async function findFile(named: string | undefined, around: Surroundings): Promise<Source[]> {
  const { environment, workingDirectory } = around
  const variable = environment['ENGINE_CONFIG']
  const required = named ?? (variable === '' ? undefined : variable)
  if (required !== undefined) {
    const found = await fromFile(resolve(workingDirectory, required), environment)
    if (found === null) {
      throw new EngineError('ENGINE_ERR_CONFIG_INVALID', { problems: `there is no file ${required}` })
    }
    return [found]
  }
  const usual = [workingDirectory, join(xdgDirectory(environment, 'config'), 'engine'), around.systemDirectory]
  for (const directory of usual) {
    const found = await fromFile(join(directory, 'engine.yaml'), environment)
    if (found !== null) return [found]
  }
  return []
}

type Issue = z.core.$ZodIssue

function refused(issues: readonly Issue[], sources: readonly Source[], merged: Tree): EngineError {
  const problems = issues.flatMap((issue) => {
    const path = issue.path.map(String)
    const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path]
    return paths.map((keys) => {
      const place = placeOf(keys, sources)
      const why = issue.code === 'unrecognized_keys' ? unknownKey(keys) : wrongValue(issue, keys, merged)
      return { path: keys.join('.'), place, text: `${place === null ? '' : `${place}: `}${why}` }
    })
  })
  return new EngineError('ENGINE_ERR_CONFIG_INVALID', {
    problems: problems.map(({ text }) => text).join('; '),
    issues: problems,
  })
}

/** The strongest source that has the value; items of a list are looked for at the list. */
function placeOf(path: readonly string[], sources: readonly Source[]): string | null {
  for (const source of sources) {
    for (let length = path.length; length > 0; length--) {
      const keys = path.slice(0, length)
      const found = valueAt(source.values, keys)
      if (found !== undefined && (length === path.length || !isTree(found))) return source.locate(keys)
    }
  }
  return null
}

function unknownKey(path: readonly string[]): string {
  const prefix = path.slice(0, -1)
  const siblings = keysBelow(prefix)
  const key = path.at(-1) ?? ''
  const near = nearest(key, siblings)
  if (near !== null) return `${path.join('.')} is not known; did you mean ${[...prefix, near].join('.')}?`
  const elsewhere = fields.find((field) => field.path.split('.').at(-1) === key)
  const meant = elsewhere === undefined ? `known here: ${siblings.join(', ')}` : `did you mean ${elsewhere.path}?`
  return `${path.join('.')} is not known; ${meant}`
}

function keysBelow(prefix: readonly string[]): string[] {
  const below = fields.filter((field) => placeIn(field, prefix) !== null)
  const keys = below.map((field) => field.path.split('.')[prefix.length])
  return [...new Set(keys.filter((key) => key !== undefined && key !== ANY_NAME))] as string[]
}

function wrongValue(issue: Issue, path: readonly string[], merged: Tree): string {
  const field = fieldAt(path)
  const given = JSON.stringify(valueAt(merged, path))
  const found = given === undefined ? '' : `, not ${given}`
  const inWords = issue.code === 'custom' || field === undefined || field.allowed === 'text'
  const expected = inWords ? issue.message : `must be ${field.allowed}`
  return `${path.join('.')} ${expected}${found}`
}

function complete(settings: Settings, around: Surroundings): Config {
  const { role, url, insecure, log, coordinator, node } = settings
  const base = resolve(around.workingDirectory, settings.dataDir ?? defaultDataDir(around))
  const directoryOf = (own: string | null, name: string): string =>
    own === null ? (role === 'both' ? join(base, name) : base) : resolve(around.workingDirectory, own)
  const format = log.format === 'auto' ? (around.onTerminal ? 'text' : 'json') : log.format
  return {
    role,
    url,
    insecure,
    log: { level: log.level, format },
    coordinator: { ...coordinator, dataDir: directoryOf(coordinator.dataDir, 'coordinator') },
    node: {
      ...node,
      dataDir: directoryOf(node.dataDir, 'node'),
      join: node.join ?? (role === 'both' ? null : url),
      name: node.name ?? nameOf(around.hostName),
      hooks: toHooks(node.hooks),
    },
  }
}

function defaultDataDir(around: Surroundings): string {
  return around.isRoot ? '/var/lib/engine' : join(xdgDirectory(around.environment, 'state'), 'engine')
}

/** A host name as a node's name: what a name may not hold becomes a dash. */
function nameOf(hostName: string): string {
  const cleaned = hostName.replaceAll(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '')
  return cleaned.slice(0, 64) || 'node'
}

function checkListens(config: Config): void {
  const { role, insecure, coordinator, node } = config
  if (role !== 'node') {
    requireLoopback('coordinator.listen', coordinator.listen.host, insecure)
    requireLoopback('coordinator.data', coordinator.data.host, insecure)
  }
  if (role !== 'coordinator') requireLoopback('node.data', node.data.host, insecure)
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
