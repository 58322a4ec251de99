import { lookup } from 'node:dns/promises'
import { type ClientRequest, type IncomingMessage, request as requestPlain, type RequestOptions } from 'node:http'
import { request as requestSecure } from 'node:https'
import type { Clock } from '../../base/clock.js'
import { EngineError } from '../../base/errors.js'
import { HTTP_HEADER_BYTES_MAX } from '../../base/limits.js'
import { WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_ERROR_CHARS_MAX, WEBHOOK_TIMEOUT_MS } from '../../base/outside-limits.js'
import { addressOf, isBlocked } from './addresses.js'
import type { Outcome } from './schedule.js'

/** One POST. */
export interface Post {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly allowPrivate: boolean
}

export interface SendOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Addresses of a name; the machine's resolver by default. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>
}

const resolveByMachine = async (hostname: string): Promise<readonly string[]> =>
  (await lookup(hostname, { all: true })).map(({ address }) => address)

/**
 * Sends one POST and tells what came of it; never throws. The name is looked up once and the connection goes to that
 * very address, so that what was judged is what is called. Redirects are not followed; of the answer at most
 * WEBHOOK_ANSWER_BYTES_MAX are read; all of it takes WEBHOOK_TIMEOUT_MS at most.
 */
export async function send(post: Post, options: SendOptions): Promise<Outcome> {
  const { clock, signal } = options
  const late = new AbortController()
  const cancel = clock.setTimer(WEBHOOK_TIMEOUT_MS, () => {
    late.abort(new EngineError('ENGINE_ERR_TIMEOUT', { what: 'the answer', ms: WEBHOOK_TIMEOUT_MS }))
  })
  const either = AbortSignal.any([signal, late.signal])
  try {
    const address = await orAborted(allowedAddress(post, options.resolve ?? resolveByMachine), either)
    return await exchange(post, address, either)
  } catch (caught) {
    // What the network or a certificate is blamed for is told in their own words.
    const error: unknown = either.aborted ? either.reason : caught
    const why = error instanceof Error ? error.message : String(error)
    return { type: 'unanswered', why: why.slice(0, WEBHOOK_ERROR_CHARS_MAX) }
  } finally {
    cancel()
  }
}

/** @throws {EngineError} ENGINE_ERR_ADDRESS_BLOCKED when the host leads to none that may be called. */
async function allowedAddress(
  { url, allowPrivate }: Post,
  resolve: (hostname: string) => Promise<readonly string[]>,
): Promise<string> {
  const { hostname } = new URL(url)
  const literal = addressOf(hostname)
  const addresses = literal === null ? await resolve(hostname) : [literal]
  const found = addresses.find((address) => allowPrivate || !isBlocked(address))
  if (found !== undefined) return found
  throw new EngineError('ENGINE_ERR_ADDRESS_BLOCKED', { host: hostname })
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

function open({ url, headers, body }: Post, address: string, signal: AbortSignal): ClientRequest {
  const { protocol, hostname, host, port, pathname, search } = new URL(url)
  const options: RequestOptions = {
    method: 'POST',
    host: address,
    path: `${pathname}${search}`,
    // The name is what the receiver knows itself by, and what its certificate has to say.
    headers: { host, 'content-length': String(Buffer.byteLength(body)), ...headers },
    agent: false,
    maxHeaderSize: HTTP_HEADER_BYTES_MAX,
    signal,
    ...(port === '' ? {} : { port }),
  }
  if (protocol === 'http:') return requestPlain(options)
  return requestSecure({ ...options, ...(addressOf(hostname) === null ? { servername: hostname } : {}) })
}

function exchange(post: Post, address: string, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const request = open(post, address, signal)
    // Once its head is there, what befalls the rest of an answer is told by the answer itself.
    let isAnswered = false
    request.on('error', (error) => {
      if (!isAnswered) reject(error)
    })
    request.on('response', (response) => {
      isAnswered = true
      readText(response).then((text) => {
        request.destroy()
        const status = response.statusCode ?? 0
        resolve({ type: 'answered', status, retryAfterMs: retryAfterOf(response), text })
      }, reject)
    })
    request.end(post.body)
  })
}

/** The beginning of the answer, for the log of deliveries; where it breaks off or hangs, what came of it counts. */
function readText(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let length = 0
    const done = (): void => {
      const text = Buffer.concat(parts).subarray(0, WEBHOOK_ANSWER_BYTES_MAX).toString('utf8')
      const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}]+/gu, ' ')
      resolve(line.trim().slice(0, WEBHOOK_ERROR_CHARS_MAX))
    }
    response.on('data', (part: Buffer) => {
      parts.push(part)
      length += part.length
      if (length >= WEBHOOK_ANSWER_BYTES_MAX) response.destroy()
    })
    response.on('error', done)
    response.on('close', done)
  })
}

/** Seconds of `retry-after`, as milliseconds; its other form, a date, is not read. */
function retryAfterOf({ headers }: IncomingMessage): number | null {
  const text = headers['retry-after']
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1000 : null
}
