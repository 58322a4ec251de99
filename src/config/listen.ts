import { isIPv4, isIPv6 } from 'node:net'
import { EngineError } from '../base/errors.js'

/** Says whether only this machine reaches `host`; a name other than localhost counts as reachable. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (isIPv4(bare)) return bare.startsWith('127.')
  if (isIPv6(bare)) return bare === '::1' || bare === '0:0:0:0:0:0:0:1' || bare.startsWith('::ffff:127.')
  return bare === 'localhost'
}

/**
 * Refuses to listen where others reach and nothing checks who they are.
 * @param field  what asks to listen, as the operator knows it.
 * @throws {EngineError} ENGINE_ERR_INSECURE_LISTEN
 */
export function requireLoopback(field: string, host: string, insecure: boolean): void {
  if (!insecure && !isLoopback(host)) throw new EngineError('ENGINE_ERR_INSECURE_LISTEN', { field, host })
}
