import { EngineError } from '../base/errors.js'
import { isLoopback } from '../base/loopback.js'

/**
 * Refuses to listen where others reach and nothing checks who they are.
 * @param field  what asks to listen, as the operator knows it.
 * @throws {EngineError} ENGINE_ERR_INSECURE_LISTEN
 */
export function requireLoopback(field: string, host: string, insecure: boolean): void {
  if (!insecure && !isLoopback(host)) throw new EngineError('ENGINE_ERR_INSECURE_LISTEN', { field, host })
}
