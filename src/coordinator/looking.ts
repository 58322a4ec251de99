import { pipeline } from 'node:stream/promises'
import { finished, type Readable } from 'node:stream'
import type { Cancel } from '../base/clock.js'
import { EngineError, isErrorCode, toEngineError } from '../base/errors.js'
import {
  FILE_BEGIN_MS,
  FILE_IDLE_MS,
  FILE_TRANSFER_MS,
  FILES_PASSED_AT_ONCE_MAX,
  LOOK_MS,
} from '../base/file-limits.js'
import { newIdentity, systemRandom } from '../base/random.js'
import type { FilesDoor } from '../control/door/files.js'
import type { Looked, Unsent } from '../control/schema/channel.js'
import type { FileFetch, FileLook, FileView } from '../model/file.js'
import { Passage } from './passage.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

type Found = NonNullable<Looked['found']>

/** Somebody who waits for a node. */
interface Waiting<T> {
  readonly nodeId: string
  readonly resolve: (value: T) => void
  readonly reject: (error: EngineError) => void
}

/** A file on its way, from when it was asked for. */
interface Passing extends Waiting<Readable> {
  readonly passage: Passage
}

const lost = (name: string): EngineError => new EngineError('ENGINE_ERR_NODE_LOST', { name })

function errorOf(error: Looked['error']): EngineError {
  const { code, message, hint } = error ?? { code: '', message: 'the node gave no reason', hint: 'see its log' }
  return new EngineError(isErrorCode(code) ? code : 'ENGINE_ERR_INTERNAL', {}, { message, hint })
}

function nodeOf(world: World, name: string): KnownNode {
  const known = world.roster.all.find(({ identity }) => identity.name === name)
  if (known === undefined) throw new EngineError('ENGINE_ERR_NODE_UNKNOWN', { node: name })
  return known
}

/** Looking at what nodes have on disk: questions to them, and files that they bring. */
export class Looking implements FilesDoor {
  readonly #world: () => World
  readonly #looks = new Map<string, Waiting<Found>>()
  readonly #passages = new Map<string, Passing>()

  constructor(world: () => World) {
    this.#world = world
  }

  /** @throws {EngineError} ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_NODE_LOST, ENGINE_ERR_TIMEOUT, what the node answers. */
  async look({ node, site, release, path, list }: FileLook, signal?: AbortSignal): Promise<FileView> {
    const known = nodeOf(this.#world(), node)
    const lookId = newIdentity(systemRandom)
    const found = await this.#wait<Found>(known, { what: 'the node’s answer', ms: LOOK_MS, signal }, (waiting) => {
      this.#looks.set(lookId, waiting)
      known.link?.send({ type: 'look', lookId, site, release, path, list })
      return () => this.#looks.delete(lookId)
    })
    return { node, site, ...found }
  }

  /** @throws {EngineError} as `look`; ENGINE_ERR_OVERLOADED when too many are on their way. */
  async fetch(
    { node, site, release, path, version, offset, lengthBytes }: FileFetch,
    signal?: AbortSignal,
  ): Promise<Readable> {
    const known = nodeOf(this.#world(), node)
    if (this.#passages.size >= FILES_PASSED_AT_ONCE_MAX) {
      throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'files on their way' })
    }
    const transferId = newIdentity(systemRandom)
    const passage = new Passage(path, lengthBytes)
    const limit = { what: 'the file', ms: FILE_BEGIN_MS, signal }
    const body = await this.#wait<Readable>(known, limit, (waiting) => {
      this.#passages.set(transferId, { ...waiting, passage })
      known.link?.send({ type: 'send', transferId, site, release, path, version, offset, lengthBytes })
      return () => {
        if (!passage.begun) this.#passages.delete(transferId)
      }
    })
    const onGone = (): void => void body.destroy()
    signal?.addEventListener('abort', onGone, { once: true })
    if (signal?.aborted) onGone()
    return body
  }

  async receive(transferId: string, body: Readable): Promise<void> {
    const passing = this.#passages.get(transferId)
    // Once: a second one finds that nobody waits.
    if (passing === undefined || passing.passage.begun) {
      throw new EngineError('ENGINE_ERR_TRANSFER_UNKNOWN', { transferId })
    }
    const { passage, resolve } = passing
    passage.begun = true
    const stop = this.#watch(passage)
    const isRead = new Promise<void>((settle, reject) => {
      finished(passage, (error) => (error ? reject(toEngineError(error)) : settle()))
    })
    try {
      resolve(passage)
      await Promise.all([pipeline(body, passage), isRead])
    } finally {
      stop()
      this.#passages.delete(transferId)
    }
  }

  /** A node answered; what another node was asked is not its to answer. */
  looked(nodeId: string, { lookId, found, error }: Looked): void {
    const waiting = this.#looks.get(lookId)
    if (waiting?.nodeId !== nodeId) return
    if (found !== null) waiting.resolve(found)
    else waiting.reject(errorOf(error))
  }

  /** A file does not come, or breaks off. */
  unsent(nodeId: string, { transferId, error }: Unsent): void {
    const passing = this.#passages.get(transferId)
    if (passing?.nodeId !== nodeId) return
    passing.reject(errorOf(error))
    passing.passage.destroy(errorOf(error))
  }

  /** A node's connection is gone: what it has not begun to send does not come. */
  lost(known: KnownNode): void {
    const { id, name } = known.identity
    for (const { nodeId, reject } of this.#looks.values()) if (nodeId === id) reject(lost(name))
    for (const { nodeId, passage, reject } of this.#passages.values()) {
      if (nodeId === id && !passage.begun) reject(lost(name))
    }
  }

  /** Waits for a node, for its time, while it is there and while somebody wants it. */
  async #wait<T>(
    known: KnownNode,
    { what, ms, signal }: { readonly what: string; readonly ms: number; readonly signal: AbortSignal | undefined },
    ask: (waiting: Waiting<T>) => () => void,
  ): Promise<T> {
    const { clock, closing } = this.#world()
    const { id: nodeId, name } = known.identity
    if (known.link === null) throw lost(name)
    const either = signal === undefined ? closing : AbortSignal.any([closing, signal])
    either.throwIfAborted()
    let end: () => void = () => {}
    try {
      return await new Promise<T>((resolve, reject) => {
        const forget = ask({ nodeId, resolve, reject })
        const onAbort = (): void => reject(toEngineError(either.reason))
        const cancel = clock.setTimer(ms, () => reject(new EngineError('ENGINE_ERR_TIMEOUT', { what, ms })))
        either.addEventListener('abort', onAbort, { once: true })
        end = () => {
          forget()
          cancel()
          either.removeEventListener('abort', onAbort)
        }
      })
    } finally {
      end()
    }
  }

  /** Ends a file of which nothing moves, and one that takes for ever. */
  #watch(passage: Passage): Cancel {
    const { clock, closing } = this.#world()
    const end = (error: EngineError): void => void passage.destroy(error)
    const late = (ms: number): void => end(new EngineError('ENGINE_ERR_TIMEOUT', { what: 'the file', ms }))
    let before = 0
    const cancelIdle = clock.setInterval(FILE_IDLE_MS, () => {
      if (passage.bytes === before) late(FILE_IDLE_MS)
      before = passage.bytes
    })
    const cancelAll = clock.setTimer(FILE_TRANSFER_MS, () => late(FILE_TRANSFER_MS))
    const onClosing = (): void => end(new EngineError('ENGINE_ERR_CLOSING'))
    closing.addEventListener('abort', onClosing, { once: true })
    return () => {
      cancelIdle()
      cancelAll()
      closing.removeEventListener('abort', onClosing)
    }
  }
}
