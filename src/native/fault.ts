import type { ErrorDetails } from '../base/errors.js'
import { EngineError, toEngineError } from '../base/errors.js'

/** The facts an error of the addons carries beside its `code`; they fill the hint of the table. */
function factsOf(error: unknown): ErrorDetails {
  const details: unknown = error instanceof Error ? Reflect.get(error, 'details') : undefined
  return typeof details === 'object' && details !== null ? (details as ErrorDetails) : {}
}

function fromNative(error: unknown): EngineError {
  return error instanceof EngineError ? error : toEngineError(error, factsOf(error))
}

/** Runs a call into an addon; what it throws comes out as an `EngineError`. */
export function guarded<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw fromNative(error)
  }
}

/** The same for a call that gives a promise; nothing is thrown at once. */
export async function guardedAsync<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw fromNative(error)
  }
}
