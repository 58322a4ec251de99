import { open } from 'node:fs/promises'
import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import { EngineError } from '../base/errors.js'
import { CONFIG_FILE_BYTES_MAX } from '../base/limits.js'
import type { Environment } from './environment.js'
import { isTree, type Source } from './sources.js'

function invalid(problems: string, cause?: unknown): EngineError {
  return new EngineError('ENGINE_ERR_CONFIG_INVALID', { problems }, cause === undefined ? {} : { cause })
}

/** @returns null when there is no such file. */
async function read(path: string): Promise<string | null> {
  try {
    await using file = await open(path, 'r')
    const { size } = await file.stat()
    if (size > CONFIG_FILE_BYTES_MAX) throw invalid(`${path} is larger than ${CONFIG_FILE_BYTES_MAX} bytes`)
    return await file.readFile('utf8')
  } catch (error) {
    if (error instanceof EngineError) throw error
    const code: unknown = Reflect.get(Object(error), 'code')
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw invalid(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

/** Line and column (from 1) of a key, or of the nearest thing above it that is there. */
function positionOf(document: Document, lines: LineCounter, path: readonly string[]): { line: number; col: number } {
  let current: unknown = document.contents
  let offset = 0
  for (const key of path) {
    if (!isMap(current)) break
    const pair = current.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
    if (pair === undefined) break
    offset = (isScalar(pair.key) ? pair.key.range?.[0] : undefined) ?? offset
    current = pair.value
  }
  return lines.linePos(offset)
}

/** Replaces `${env:NAME}` in text by the variable. */
function withVariables(value: unknown, environment: Environment, missing: string[]): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => withVariables(item, environment, missing))
  if (isTree(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, withVariables(item, environment, missing)]),
    )
  }
  if (typeof value !== 'string') return value
  return value.replaceAll(/\$\{env:([A-Za-z_]\w*)\}/g, (_, name: string) => {
    const found = environment[name]
    if (found === undefined) missing.push(name)
    return found ?? ''
  })
}

/**
 * Reads one YAML file.
 * @returns null when there is no such file.
 * @throws {EngineError} ENGINE_ERR_CONFIG_INVALID with line and column when it is not YAML or not a map.
 */
export async function fromFile(path: string, environment: Environment): Promise<Source | null> {
  const text = await read(path)
  if (text === null) return null
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors.map(({ pos, message }) => {
    const { line, col } = lines.linePos(pos[0])
    return `${path}:${line}:${col}: ${message}`
  })
  if (broken.length > 0) throw invalid(broken.join('; '))
  const missing: string[] = []
  const values = withVariables(document.toJS() ?? {}, environment, missing)
  if (missing.length > 0) throw invalid(`${path}: the variable ${missing.join(', ')} is not set`)
  if (!isTree(values)) throw invalid(`${path}:1:1: must be keys and values, such as "role: node"`)
  return {
    values,
    locate(keys) {
      const { line, col } = positionOf(document, lines, keys)
      return `${path}:${line}:${col}`
    },
  }
}
