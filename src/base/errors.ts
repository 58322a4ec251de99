// The ground under every room: errors, units, limits, clock, randomness, log, metrics.
// In: nothing of ours. Out: the words and tools all rooms share; this file holds the error table.
// Never: a decision about content, jobs or nodes; an import from another room.
import { contentFaults } from './content-faults.js'
import type { ErrorRow } from './error-row.js'
import { fileFaults } from './file-faults.js'
import { processFaults } from './process-faults.js'
import { refusals } from './refusals.js'
import { uploadFaults } from './upload-faults.js'

/** Every error a caller can meet. Adding a code: a row in one of these files, then `npm run docs`. */
export const errorTable = {
  ...refusals,
  ...contentFaults,
  ...processFaults,
  ...uploadFaults,
  ...fileFaults,
} as const satisfies Readonly<Record<string, ErrorRow>>

/** What callers switch on. */
export type ErrorCode = keyof typeof errorTable

/** All codes, in the order of the table. */
export const errorCodes: readonly ErrorCode[] = Object.keys(errorTable) as ErrorCode[]

/** Facts of one error: they fill the placeholders and go into logs and problem documents. */
export type ErrorDetails = Readonly<Record<string, unknown>>

const brand = Symbol.for('distributary.EngineError')

/** Says whether `value` is a code of the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorTable, value)
}

function inWords(value: unknown): string | null {
  if (value instanceof Error) return value.message
  if (typeof value === 'object') return value === null ? null : JSON.stringify(value)
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : null
}

function fill(template: string, details: ErrorDetails): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => inWords(details[name]) ?? `(${name} not known)`)
}

/**
 * The one error class. Switch on `code`, never on the text. Two copies of the package agree on
 * `instanceof`, because the class is recognised by a registered symbol.
 */
export class EngineError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly retryable: boolean
  /** The way out, with the details filled in. */
  readonly hint: string

  /**
   * @param code  a row of the table.
   * @param details  facts; those named in the row's braces fill its text.
   * @param options.cause  what was caught; `message` and `hint` replace the table's text, for errors from elsewhere.
   */
  constructor(
    code: ErrorCode,
    details: ErrorDetails = {},
    options: { cause?: unknown; message?: string; hint?: string } = {},
  ) {
    const found: ErrorRow = errorTable[code]
    super(options.message ?? fill(found.message, details), 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'EngineError'
    this.code = code
    this.details = details
    this.retryable = found.retryable
    this.hint = options.hint ?? fill(found.hint, details)
    Object.defineProperty(this, brand, { value: true })
  }

  get status(): number {
    return errorTable[this.code].status
  }

  get exitCode(): number {
    return errorTable[this.code].exit
  }

  /** The part that is stored with a job and sent to others. */
  toReport(): { code: ErrorCode; message: string; hint: string } {
    return { code: this.code, message: this.message, hint: this.hint }
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && Reflect.get(value, brand) === true
  }
}

interface SystemError {
  readonly code?: unknown
  readonly message?: unknown
  readonly path?: unknown
}

const systemCodes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'ENGINE_ERR_NO_SPACE',
  EDQUOT: 'ENGINE_ERR_NO_SPACE',
  EADDRINUSE: 'ENGINE_ERR_PORT_IN_USE',
  ABORT_ERR: 'ENGINE_ERR_CANCELLED',
}

/**
 * Makes an EngineError of anything that was caught; an EngineError comes back as it is. Codes of
 * the table that a native error carries are kept with its text; errors of the system become
 * NO_SPACE, PORT_IN_USE, CANCELLED or IO; the rest is INTERNAL.
 */
export function toEngineError(error: unknown, details: ErrorDetails = {}): EngineError {
  if (error instanceof EngineError) return error
  const { code, message, path }: SystemError = typeof error === 'object' && error !== null ? error : {}
  const text = typeof message === 'string' ? message : String(error)
  if (isErrorCode(code)) return new EngineError(code, details, { cause: error, message: text })
  const facts = { what: 'the operation', path, why: text, ...details }
  if (typeof code !== 'string') return new EngineError('ENGINE_ERR_INTERNAL', facts, { cause: error })
  const mapped = systemCodes[code] ?? (/^E[A-Z0-9]+$/.test(code) ? 'ENGINE_ERR_IO' : 'ENGINE_ERR_INTERNAL')
  // Where nobody says what was tried, the system's reason is the whole text.
  const alone = mapped === 'ENGINE_ERR_IO' && details['what'] === undefined ? { message: text } : {}
  return new EngineError(mapped, facts, { cause: error, ...alone })
}
