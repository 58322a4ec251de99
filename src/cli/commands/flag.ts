import { EngineError } from '../../base/errors.js'

/** A refusal of what was typed: what it is about, and why. */
export const invalid = (what: string, why: string): EngineError =>
  new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why })

/** Reads a value of a flag, so that an error names the flag and what was given: of the reader's it tells why. */
export function flag<T>(name: string, text: string, read: (text: string) => T): T {
  try {
    return read(text)
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    const facts = { what: `${name} "${text}"`, why: error.details['why'] ?? error.message }
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', facts, { cause: error })
  }
}
