import type { Clock } from '../base/clock.js'
import { EngineError, isErrorCode } from '../base/errors.js'

export interface Ask {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  /** Bytes in place of JSON: sent as they are read. */
  readonly content?: Blob | ReadableStream
  /** In place of the client's. */
  readonly timeoutMs?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface HttpOptions {
  /** `http://host:port`, without a path. */
  readonly url: string
  readonly clock: Clock
  /** How long an answer may take to begin, milliseconds. */
  readonly timeoutMs: number
}

/** Why fetch failed, in one phrase: the system's code where there is one. */
export function whyOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: unknown; message?: unknown }; message?: unknown }
  const found = [cause?.code, cause?.message, message].find((part) => typeof part === 'string' && part !== '')
  return typeof found === 'string' ? found : String(error)
}

const unreachable = (url: string, why: string, cause?: unknown): EngineError =>
  new EngineError('ENGINE_ERR_COORDINATOR_UNREACHABLE', { url, why }, { cause })

/** The error that a problem document stands for; an unknown code keeps its text. */
function fromProblem(document: unknown, status: number): EngineError {
  const { code, detail, details, hint } = (document ?? {}) as Record<string, unknown>
  const message = typeof detail === 'string' ? detail : `the coordinator answered with status ${status}`
  const facts = typeof details === 'object' && details !== null ? (details as Record<string, unknown>) : {}
  const said = { message, ...(typeof hint === 'string' ? { hint } : {}) }
  if (isErrorCode(code)) return new EngineError(code, facts, said)
  return new EngineError('ENGINE_ERR_INTERNAL', { ...facts, theirCode: code, status }, said)
}

/** What goes into a request: JSON, bytes, or nothing. */
function bodyOf({ body, content }: Ask): { readonly type: Record<string, string> } & RequestInit {
  if (content !== undefined) {
    const stream = content instanceof Blob ? {} : { duplex: 'half' as const }
    return { type: { 'content-type': 'application/octet-stream' }, body: content, ...stream }
  }
  return body === undefined
    ? { type: {} }
    : { type: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/**
 * Asks the coordinator once.
 * @returns the answer, its body not read yet.
 * @throws {EngineError} what the problem document says; ENGINE_ERR_COORDINATOR_UNREACHABLE when nothing
 * answers; ENGINE_ERR_TIMEOUT; ENGINE_ERR_CANCELLED when `signal` fires.
 */
export async function ask(options: HttpOptions, request: Ask): Promise<Response> {
  const { method, path, headers, signal } = request
  const { url, clock } = options
  const timeoutMs = request.timeoutMs ?? options.timeoutMs
  const timeout = new AbortController()
  const cancel = clock.setTimer(timeoutMs, () => timeout.abort())
  const { type, ...sent } = bodyOf(request)
  let answer: Response
  try {
    answer = await fetch(`${url}${path}`, {
      method,
      headers: { accept: 'application/json, application/problem+json', ...type, ...headers },
      signal: signal === undefined ? timeout.signal : AbortSignal.any([signal, timeout.signal]),
      redirect: 'error',
      ...sent,
    })
  } catch (error) {
    if (signal?.aborted) throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the request' }, { cause: error })
    if (timeout.signal.aborted) throw new EngineError('ENGINE_ERR_TIMEOUT', { what: 'the answer', ms: timeoutMs })
    throw unreachable(url, whyOf(error), error)
  } finally {
    cancel()
  }
  if (answer.ok) return answer
  if (!(answer.headers.get('content-type') ?? '').includes('json')) {
    await answer.body?.cancel()
    throw unreachable(url, `what answers there (status ${answer.status}) is no coordinator`)
  }
  throw fromProblem(await readJson(answer, url), answer.status)
}

/** The body as JSON. @throws {EngineError} ENGINE_ERR_COORDINATOR_UNREACHABLE when it breaks off or is none. */
export async function readJson<T>(answer: Response, url: string): Promise<T> {
  try {
    return (await answer.json()) as T
  } catch (error) {
    const why = error instanceof SyntaxError ? 'what answers there is no coordinator' : whyOf(error)
    throw unreachable(url, why, error)
  }
}
