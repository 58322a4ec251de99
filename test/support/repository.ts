// The repository's own files, for the tests that hold its rules.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))

const skipped = new Set(['node_modules', '.git', '.tap', 'dist', 'target', 'build', 'corpus', 'results', 'vectors'])

/** Paths of all files below a folder, relative to the repository, without what is built or fetched. */
export function filesBelow(folder: string, pattern: RegExp): string[] {
  const found: string[] = []
  const visit = (path: string): void => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const inner = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.isDirectory()) {
        if (!skipped.has(entry.name)) visit(inner)
      } else if (pattern.test(entry.name)) found.push(inner)
    }
  }
  try {
    visit(folder)
  } catch (error) {
    if (Reflect.get(Object(error), 'code') !== 'ENOENT') throw error
  }
  return found.toSorted()
}

export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Folders right below a folder. */
export function foldersIn(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory() && !skipped.has(entry.name)).map(({ name }) => name)
}

const blankOut = (text: string): string => text.replaceAll(/[^\n]/g, ' ')

/** Literals and comments of Rust and C++, in the order in which they must be tried. */
const opaque = new RegExp(
  [
    /\/\/[^\n]*/.source,
    /\/\*[\s\S]*?\*\//.source,
    /\bb?r(#*)"[\s\S]*?"\1/.source,
    /"(?:\\[\s\S]|[^"\\])*"/.source,
    /'(?:\\(?:u\{[^}]*\}|x[0-9a-fA-F]{2}|.)|[^'\\\n])'/.source,
  ].join('|'),
  'g',
)

/** Rust or C++ with comments and literals made blank; lines and columns stay where they were. */
export const withoutLiterals = (source: string): string => source.replaceAll(opaque, blankOut)

/** Rust without its test modules. */
export function withoutTests(source: string): string {
  const code = withoutLiterals(source)
  let kept = source
  for (const found of code.matchAll(/#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:pub(?:\([^)]*\))? )?mod \w+ (?=\{)/g)) {
    const open = found.index + found[0].length
    const end = closingOf(code, open)
    kept = kept.slice(0, found.index) + blankOut(kept.slice(found.index, end + 1)) + kept.slice(end + 1)
  }
  return kept
}

/** Position of the brace that closes the one at `open`. */
export function closingOf(code: string, open: number): number {
  let depth = 0
  for (let at = open; at < code.length; at++) {
    if (code[at] === '{') depth += 1
    else if (code[at] === '}') depth -= 1
    if (depth === 0) return at
  }
  return code.length
}

export interface FunctionSpan {
  readonly name: string
  readonly line: number
  readonly lineCount: number
}

const lineOf = (text: string, at: number): number => text.slice(0, at).split('\n').length

/** Functions of Rust source, with the lines from `fn` to the closing brace. */
export function rustFunctions(source: string): FunctionSpan[] {
  const code = withoutLiterals(source)
  return [...code.matchAll(/\bfn\s+(\w+)/g)].flatMap((found) => {
    const rest = code.slice(found.index)
    const body = /[{;]/.exec(rest.replaceAll(/\[[^\]{}]*\]/g, blankOut))
    if (body === null || body[0] === ';') return []
    return [span(code, found[1] ?? '', found.index, found.index + body.index)]
  })
}

/** Functions of C++ source: blocks that follow a parameter list and are no statement. */
export function cppFunctions(source: string): FunctionSpan[] {
  const code = withoutLiterals(source)
  const heads = /(?<=^|[;{}\n])([^;{}]*\)\s*(?:const|noexcept|override|final|\s)*(?:->\s*[\w:<>*& ]+)?)\{/g
  return [...code.matchAll(heads)].flatMap((found) => {
    const head = found[1] ?? ''
    const name = /([\w:~]+)\s*\(/.exec(head)?.[1] ?? ''
    if (/^(if|for|while|switch|catch|do|else)$/.test(name)) return []
    const start = found.index + (head.length - head.trimStart().length)
    return [span(code, name, start, found.index + head.length)]
  })
}

function span(code: string, name: string, start: number, open: number): FunctionSpan {
  const line = lineOf(code, start)
  return { name, line, lineCount: lineOf(code, closingOf(code, open)) - line + 1 }
}
