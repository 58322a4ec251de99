import { createHmac } from 'node:crypto'
import { EngineError } from '../../base/errors.js'
import {
  WEBHOOK_SECRET_BYTES_MAX,
  WEBHOOK_SECRET_BYTES_MIN,
  WEBHOOK_SECRET_OVERLAP_MS,
} from '../../base/outside-limits.js'
import { type Random } from '../../base/random.js'

const PREFIX = 'whsec_'
const MADE_BYTES = 32

/** A secret of a webhook; null: it stays. The newest comes first. */
export interface Secret {
  /** `whsec_` and base64. */
  readonly secret: string
  readonly untilMs: number | null
}

/** The key that a secret stands for. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, which does not repeat it. */
export function keyOf(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  const key = Buffer.from(text, 'base64')
  // Node skips what is not base64: only what comes back the same was meant.
  const isWhole = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')
  if (isWhole && key.length >= WEBHOOK_SECRET_BYTES_MIN && key.length <= WEBHOOK_SECRET_BYTES_MAX) return key
  const why = `write it as whsec_ and ${WEBHOOK_SECRET_BYTES_MIN} to ${WEBHOOK_SECRET_BYTES_MAX} bytes in base64`
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the secret', why })
}

/** A new secret. */
export function newSecret(random: Random): string {
  return `${PREFIX}${random.bytes(MADE_BYTES).toString('base64')}`
}

/** The secrets after a new one came: the one before it signs too, for WEBHOOK_SECRET_OVERLAP_MS. Pure. */
export function rotated(secrets: readonly Secret[], secret: string, nowMs: number): readonly Secret[] {
  const before = secrets.filter((each) => each.untilMs === null && each.secret !== secret)
  return [{ secret, untilMs: null }, ...before.map((each) => ({ ...each, untilMs: nowMs + WEBHOOK_SECRET_OVERLAP_MS }))]
}

/** What is signed. */
export interface Signed {
  /** Holds no full stop: it parts the fields. */
  readonly id: string
  /** Whole seconds since 1970. */
  readonly timestamp: number
  readonly body: string
}

/** The headers that Standard Webhooks names; without a secret there is no signature. Pure. */
export function signingHeaders(signed: Signed, secrets: readonly Secret[], nowMs: number): Record<string, string> {
  const { id, timestamp, body } = signed
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(timestamp) }
  const valid = secrets.filter(({ untilMs }) => untilMs === null || untilMs > nowMs)
  if (valid.length === 0) return headers
  const signatures = valid.map(({ secret }) => {
    const digest = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')
    return `v1,${digest}`
  })
  return { ...headers, 'webhook-signature': signatures.join(' ') }
}
