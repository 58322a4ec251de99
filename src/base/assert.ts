import { EngineError } from './errors.js'

/**
 * States what must be true if our own code is right.
 * @throws {EngineError} ENGINE_ERR_INTERNAL when it is not: ends the session at hand, not the process.
 */
export function assert(
  condition: unknown,
  why: string,
  details: Readonly<Record<string, unknown>> = {},
): asserts condition {
  if (!condition) throw new EngineError('ENGINE_ERR_INTERNAL', { ...details, why })
}

/** Closes a switch over a union: a new member fails the type check here. */
export function unreachable(value: never): never {
  throw new EngineError('ENGINE_ERR_INTERNAL', { why: `no case for ${JSON.stringify(value)}` })
}
