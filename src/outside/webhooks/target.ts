import { EngineError } from '../../base/errors.js'
import { WEBHOOK_URL_CHARS_MAX } from '../../base/outside-limits.js'
import { addressOf, isBlocked } from './addresses.js'

/**
 * Checks where somebody wants to be called. Names are looked up at each attempt; an address is judged here, too.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT; ENGINE_ERR_ADDRESS_BLOCKED.
 */
export function checkTarget(url: string, allowPrivate: boolean): void {
  const refuse = (why: string): never => {
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the url of the webhook', why })
  }
  if (url.length > WEBHOOK_URL_CHARS_MAX) refuse(`it has more than ${WEBHOOK_URL_CHARS_MAX} characters`)
  const parsed = URL.canParse(url) ? new URL(url) : refuse('write it like https://example.org/hook')
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:') refuse('it must begin with https:// or http://')
  if (parsed.username !== '' || parsed.password !== '') refuse('it must not hold a user name or a password')
  const { hostname } = parsed
  const address = hostname === 'localhost' ? '127.0.0.1' : addressOf(hostname)
  if (!allowPrivate && address !== null && isBlocked(address)) {
    throw new EngineError('ENGINE_ERR_ADDRESS_BLOCKED', { host: hostname })
  }
}
