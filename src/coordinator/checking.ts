import { EngineError, isErrorCode } from '../base/errors.js'
import type { Checked } from '../control/schema/channel.js'
import type { Verification, VerifyRequest } from '../model/verification.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

interface Waiting {
  readonly nodeId: string
  readonly resolve: (found: Verification) => void
  readonly reject: (error: EngineError) => void
}

/** Questions to nodes that were not answered yet. */
export class Checks {
  readonly #waiting = new Map<string, Waiting>()
  #count = 0

  /** Notes a question; gives its id and what will come of it. */
  open(nodeId: string): { readonly checkId: string; readonly answer: Promise<Verification> } {
    this.#count += 1
    const checkId = String(this.#count)
    const answer = new Promise<Verification>((resolve, reject) => {
      this.#waiting.set(checkId, { nodeId, resolve, reject })
    })
    return { checkId, answer }
  }

  /** A node answered; what another node was asked is not its to answer. */
  answer(nodeId: string, { checkId, found, error }: Checked): void {
    const waiting = this.#waiting.get(checkId)
    if (waiting?.nodeId !== nodeId) return
    this.#waiting.delete(checkId)
    if (found !== null) waiting.resolve(found)
    else waiting.reject(errorOf(error))
  }

  /** A node's connection is gone: it will not answer. */
  lost(nodeId: string): void {
    for (const [checkId, waiting] of this.#waiting) if (waiting.nodeId === nodeId) this.fail(checkId, lostError(nodeId))
  }

  /** Nobody waits for it any longer. */
  fail(checkId: string, error: EngineError): void {
    this.#waiting.get(checkId)?.reject(error)
    this.#waiting.delete(checkId)
  }
}

const lostError = (nodeId: string): EngineError => new EngineError('ENGINE_ERR_NODE_LOST', { name: nodeId })

function errorOf(error: Checked['error']): EngineError {
  const { code, message, hint } = error ?? { code: '', message: 'the node gave no reason', hint: 'see its log' }
  return new EngineError(isErrorCode(code) ? code : 'ENGINE_ERR_INTERNAL', {}, { message, hint })
}

/**
 * Asks one node to read one release, outside of any job: how a node is asked what it really serves. Waits for it,
 * which takes as long as reading does at the rate asked for.
 * @throws {EngineError} ENGINE_ERR_NODE_LOST when it is not connected or goes; ENGINE_ERR_CANCELLED,
 * ENGINE_ERR_CLOSING; what the node answers: ENGINE_ERR_RELEASE_UNKNOWN, ENGINE_ERR_IO, …
 */
export async function checkNode(
  world: World,
  known: KnownNode,
  request: VerifyRequest,
  signal?: AbortSignal,
): Promise<Verification> {
  const { id, name } = known.identity
  if (known.link === null) throw new EngineError('ENGINE_ERR_NODE_LOST', { name })
  const { checkId, answer } = world.checks.open(id)
  const onClosing = (): void => world.checks.fail(checkId, new EngineError('ENGINE_ERR_CLOSING'))
  const onAbort = (): void => {
    world.checks.fail(checkId, new EngineError('ENGINE_ERR_CANCELLED', { what: 'the verification' }))
  }
  world.closing.addEventListener('abort', onClosing, { once: true })
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    known.link.send({ type: 'check', checkId, ...request })
    if (world.closing.aborted) onClosing()
    if (signal?.aborted) onAbort()
    return await answer
  } catch (error) {
    if (error instanceof EngineError && error.code === 'ENGINE_ERR_NODE_LOST') {
      throw new EngineError('ENGINE_ERR_NODE_LOST', { name }, { cause: error })
    }
    throw error
  } finally {
    world.closing.removeEventListener('abort', onClosing)
    signal?.removeEventListener('abort', onAbort)
  }
}
