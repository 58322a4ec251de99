import type { ErrorCode } from '../base/errors.js'
import { EngineError, errorCodes } from '../base/errors.js'

/** What an error of the addons carries across: a code of the table, and the facts its message names. */
interface NativeFault extends Error {
  readonly code: string
  readonly details?: Readonly<Record<string, unknown>>
}

function isNativeFault(error: unknown): error is NativeFault {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string'
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code)
}

/** The `EngineError` that an error of the addons stands for; what has no code of the table is an internal error. */
export function toEngineError(error: unknown): Error {
  if (error instanceof EngineError) return error
  if (!isNativeFault(error)) return error instanceof Error ? error : new Error(String(error))
  const details = { reason: error.message, ...error.details }
  if (isErrorCode(error.code)) return new EngineError(error.code, details, { cause: error })
  return new EngineError('ENGINE_ERR_INTERNAL', details, { cause: error })
}

/** Runs a call into an addon; what it throws comes out as an `EngineError`. */
export function guarded<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw toEngineError(error)
  }
}

/** The same for a call that gives a promise; nothing is thrown at once. */
export async function guardedAsync<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw toEngineError(error)
  }
}
