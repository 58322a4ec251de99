import type { Writable } from 'node:stream'
import { createColors } from 'picocolors'
import { type EngineError, toEngineError } from '../base/errors.js'

/** How a command speaks: data on stdout, all else on stderr. */
export interface Output {
  readonly json: boolean
  readonly quiet: boolean
  /** Whether stderr is a terminal that may be redrawn. */
  readonly animated: boolean
  /** Width of what is redrawn on stderr. */
  readonly columns: number
  /** Width of the screen that data goes to; files and pipes have none. */
  readonly dataColumns: number
  readonly colors: ReturnType<typeof createColors>
  /** One JSON document or event, on a line of its own. */
  data(value: object): void
  /** A line of data for people. */
  print(line: string): void
  /** A line that is not data: progress, hints. Silent with `--quiet`. */
  note(line: string): void
  /** The one error that ends a command, with its code and the way out; with `--json` its result, too. */
  error(error: EngineError): void
  /** What went wrong, for people: on stderr, also with `--quiet`. */
  complain(report: Complaint): void
  /** Replaces the lines drawn before by these; only on a terminal. */
  redraw(lines: readonly string[]): void
}

/** An error as it is told, here or by a coordinator. */
export interface Complaint {
  readonly code: string
  readonly message: string
  readonly hint: string
}

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  /** Undefined: as the terminal and NO_COLOR say. */
  readonly color: boolean | undefined
  readonly progress: boolean | undefined
  readonly dumbTerminal: boolean
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
}

/** Columns of a terminal; some say none, or zero. */
const widthOf = ({ columns }: OutputOptions['stderr'], otherwise: number): number =>
  columns === undefined || columns === 0 ? otherwise : columns

/** Cuts or pads to a width of characters. */
export const fit = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text.padEnd(width)

/** Control characters of names that others chose must not reach a terminal. */
export const printable = (text: string): string =>
  text.replace(
    /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (found) => `\\u{${found.codePointAt(0)?.toString(16)}}`,
  )

/** Times leave as RFC 3339 in UTC: `createdAtMs: 0` becomes `createdAt: "1970-…"`. Other values stay. */
export const withTimes = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withTimes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]: [string, unknown]) => {
      const isTime = /(^at|At|Seen|^until|Until)Ms$/.test(key) && (typeof inner === 'number' || inner === null)
      if (!isTime) return [key, withTimes(inner)]
      const name = key === 'lastSeenMs' ? 'lastSeenAt' : key.slice(0, -2)
      return [name, inner === null ? null : new Date(inner).toISOString()]
    }),
  )
}

/** Makes the output of one run of a command. */
export function createOutput(options: OutputOptions): Output {
  const { stdout, stderr, json, quiet } = options
  const colors = options.color === undefined ? createColors() : createColors(options.color)
  const animated = (options.progress ?? true) && stderr.isTTY === true && !json && !quiet && !options.dumbTerminal
  let drawn = 0
  const clear = (): void => {
    if (drawn > 0) stderr.write(`\u001b[${drawn}A\u001b[J`)
    drawn = 0
  }
  const complain = ({ code, message, hint }: Complaint): void => {
    clear()
    stderr.write(`${colors.red('error')} ${code}: ${printable(message)}\n`)
    stderr.write(`  ${colors.dim(printable(hint))}\n`)
  }
  return {
    json,
    quiet,
    animated,
    columns: widthOf(stderr, 80),
    dataColumns: widthOf(stdout, Number.POSITIVE_INFINITY),
    colors,
    data: (value) => void stdout.write(`${JSON.stringify(withTimes(value))}\n`),
    print: (line) => {
      clear()
      stdout.write(`${line}\n`)
    },
    note: (line) => {
      if (quiet) return
      clear()
      stderr.write(`${line}\n`)
    },
    error: (error) => {
      if (json) stdout.write(`${JSON.stringify({ type: 'result', status: 'failed', error: error.toReport() })}\n`)
      complain(error)
    },
    complain,
    redraw: (lines) => {
      if (!animated) return
      clear()
      stderr.write(lines.map((line) => `${line}\n`).join(''))
      drawn = lines.length
    },
  }
}

/**
 * A table with its widths taken from what is in it. Nothing is cut: where a row is wider than the screen, its
 * last cell (why something is as it is) goes on a line of its own below.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[], columns: number): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => printable(row[i] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === head.length - 1 ? printable(cell) : printable(cell).padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  const fitted = (cells: readonly string[]): string[] => {
    const whole = line(cells)
    const last = printable(cells.at(-1) ?? '')
    return whole.length <= columns || last === '' ? [whole] : [line(cells.slice(0, -1)), `  ${last}`]
  }
  return [line(head), ...rows.flatMap(fitted)]
}

/** Reports anything caught and gives the exit code for it. */
export function fail(output: Output, error: unknown): number {
  const known = toEngineError(error)
  output.error(known)
  return known.exitCode
}
