import type { IncomingHttpHeaders } from 'node:http'
import { EngineError } from '../base/errors.js'
import { isLoopback } from '../base/loopback.js'

/** Host without its port, or null when it is not a host at all. */
function hostnameOf(authority: string): string | null {
  try {
    return new URL(`http://${authority}`).hostname
  } catch {
    return null
  }
}

/**
 * Keeps web pages from driving the engine through a visitor's browser: a page of another origin is
 * refused, and a server that only this machine can reach answers only to names of this machine (else
 * a name that its owner points at 127.0.0.1 would make a foreign page "the same origin").
 * @throws {EngineError} ENGINE_ERR_ORIGIN_REFUSED.
 */
export function checkOrigin(headers: IncomingHttpHeaders, loopbackOnly: boolean): void {
  const host = headers.host ?? ''
  const { origin } = headers
  const refuse = (from: string): never => {
    throw new EngineError('ENGINE_ERR_ORIGIN_REFUSED', { host: host === '' ? 'no host' : host, origin: from })
  }
  const hostname = hostnameOf(host)
  if (hostname === null || (loopbackOnly && !isLoopback(hostname))) refuse(origin ?? 'this connection')
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') refuse(origin ?? `a ${String(site)} page`)
  if (origin !== undefined && origin.replace(/^https?:\/\//, '') !== host) refuse(origin)
}
