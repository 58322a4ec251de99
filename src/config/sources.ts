import { EngineError } from '../base/errors.js'
import { HOOK_ARGUMENT_VARIABLE, hookVariables } from '../model/hook.js'
import type { Environment } from './environment.js'
import { type Field, fields, variableName } from './fields.js'
import { nearest } from './nearest.js'

/** A nested object of settings, as a file, the environment or flags give it. */
export interface Tree {
  [key: string]: unknown
}

/** What one source says, and how to name the place where it says it. */
export interface Source {
  readonly values: Tree
  /** Place of a path, for error messages: `engine.yaml:3:5`, `ENGINE_ROLE`, `the command line`. */
  locate(path: readonly string[]): string | null
}

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Reads a value at a path; undefined when it is not there. */
export function valueAt(tree: unknown, path: readonly string[]): unknown {
  let current = tree
  for (const key of path) {
    if (!isTree(current) || !Object.hasOwn(current, key)) return undefined
    current = current[key]
  }
  return current
}

/** Lays `over` on `under`: objects are merged, all else is replaced; undefined says nothing. */
export function overlay(under: Tree, over: Tree): Tree {
  // Not by assignment: a key such as __proto__ would vanish, and with it the word that it is not known.
  const merged = new Map(Object.entries(under))
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    const below = merged.get(key)
    merged.set(key, isTree(below) && isTree(value) ? overlay(below, value) : value)
  }
  return Object.fromEntries(merged)
}

/** Variables that are not fields: read elsewhere. */
const otherVariables: readonly string[] = ['ENGINE_CONFIG', 'ENGINE_TOKEN', ...hookVariables]

const isOther = (name: string): boolean => otherVariables.includes(name) || name.startsWith(HOOK_ARGUMENT_VARIABLE)

function readVariable(field: Field, name: string, text: string): unknown {
  if (text === 'null') return null
  if (field.type === 'map') return readMap(name, text)
  if (field.type === 'list') return text.split(',').map((part) => part.trim())
  if (field.type === 'number') return /^-?\d+$/.test(text.trim()) ? Number(text) : text
  if (field.type !== 'switch') return text
  const value = new Map([
    ['true', true],
    ['1', true],
    ['yes', true],
    ['false', false],
    ['0', false],
    ['no', false],
  ]).get(text.trim().toLowerCase())
  if (value !== undefined) return value
  throw new EngineError('ENGINE_ERR_CONFIG_INVALID', { problems: `${name}: "${text}" is neither true nor false` })
}

function readMap(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new EngineError('ENGINE_ERR_CONFIG_INVALID', { problems: `${name} is not JSON` }, { cause })
  }
}

function place(tree: Tree, path: readonly string[], value: unknown): void {
  let current = tree
  for (const key of path.slice(0, -1)) current = (current[key] ??= {}) as Tree
  const last = path.at(-1)
  if (last !== undefined) current[last] = value
}

/**
 * Reads `ENGINE_*`: nested keys are joined by two underscores, `ENGINE_COORDINATOR__LISTEN__PORT`.
 * An empty variable says nothing. One that is near a field's name is a slip and refused; others
 * belong to somebody else.
 * @throws {EngineError} ENGINE_ERR_CONFIG_INVALID
 */
export function fromEnvironment(environment: Environment): Source {
  const byName = new Map(fields.flatMap((field) => (field.variable === null ? [] : [[field.variable, field] as const])))
  const values: Tree = {}
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('ENGINE_') || text === undefined || text === '' || isOther(name)) continue
    const field = byName.get(name)
    if (field !== undefined) place(values, field.path.split('.'), readVariable(field, name, text))
    else refuseSlip(name, [...byName.keys()])
  }
  return { values, locate: (path) => (valueAt(values, path) === undefined ? null : variableName(path.join('.'))) }
}

function refuseSlip(name: string, known: readonly string[]): void {
  const meant = nearest(name, known)
  if (meant === null) return
  throw new EngineError('ENGINE_ERR_CONFIG_INVALID', { problems: `${name} is not known; did you mean ${meant}?` })
}

/** What flags or an embedding program say. */
export function fromFlags(values: Tree): Source {
  return { values, locate: (path) => (valueAt(values, path) === undefined ? null : 'the command line') }
}
