import { openAsBlob } from 'node:fs'
import type { Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { UPLOAD_STREAMS } from '../base/upload-limits.js'
import type { UploadsClient } from '../control/uploads-client.js'
import type { UploadProgress } from '../model/upload.js'
import { persist } from './persisting.js'
import type { LocalContent, LocalTree } from './walking.js'

export interface BringOptions {
  readonly uploads: UploadsClient
  readonly uploadId: string
  readonly tree: LocalTree
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onProgress: (progress: UploadProgress) => void
}

/** Sends the contents of a tree that an upload lacks, in the order of their paths, some at a time. */
export class Bringing {
  readonly #options: BringOptions
  /** Contents that are missing, and how much of each is there. */
  readonly #missing = new Map<string, number>()
  #progress: UploadProgress

  constructor(options: BringOptions) {
    this.#options = options
    this.#progress = { contentsSent: 0, contentsToSend: 0, bytesSent: 0, bytesToSend: 0 }
  }

  /**
   * Resolves when nothing is missing any more; a coordinator that is away for a while is waited for.
   * @throws {EngineError} ENGINE_ERR_FILE_CHANGING when a file is not what was hashed;
   * ENGINE_ERR_COORDINATOR_UNREACHABLE; ENGINE_ERR_CANCELLED when `signal` fires; what else refuses a content.
   */
  async run(): Promise<void> {
    const { uploads, uploadId, tree, clock, signal } = this.#options
    const missing = await persist({ clock, signal }, () => allOf(uploads.missing(uploadId, signal)))
    for (const { digest, sizeBytes, haveBytes } of missing) {
      this.#missing.set(digest, haveBytes)
      this.#tell({ contentsToSend: 1, bytesToSend: sizeBytes - haveBytes })
    }
    const contents = tree.contents()
    const stop = new AbortController()
    const either = AbortSignal.any([signal, stop.signal])
    const streams = Array.from({ length: UPLOAD_STREAMS }, () =>
      this.#sendAll(contents, either).catch((error: unknown) => {
        stop.abort(error)
        throw error
      }),
    )
    const failed = (await Promise.allSettled(streams)).find(({ status }) => status === 'rejected')
    await contents.return(undefined)
    if (signal.aborted) throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the upload' }, { cause: signal.reason })
    if (failed?.status === 'rejected') throw stop.signal.reason
  }

  async #sendAll(contents: AsyncGenerator<LocalContent>, signal: AbortSignal): Promise<void> {
    for (let next = await contents.next(); next.done !== true; next = await contents.next()) {
      signal.throwIfAborted()
      const haveBytes = this.#missing.get(next.value.digest)
      if (haveBytes === undefined) continue
      this.#missing.delete(next.value.digest)
      await this.#send(next.value, haveBytes, signal)
      this.#tell({ contentsSent: 1 })
    }
  }

  async #send({ digest, sizeBytes, path }: LocalContent, haveBytes: number, signal: AbortSignal): Promise<void> {
    const { uploads, uploadId, clock } = this.#options
    let offset = haveBytes
    let furthest = haveBytes
    let isSure = true
    while (offset < sizeBytes) {
      await persist({ clock, signal, named: (error) => named(error, path) }, async (alive) => {
        const standAt = (bytes: number): void => {
          this.#tell({ bytesSent: bytes - offset })
          offset = bytes
          if (bytes > furthest) alive()
          furthest = Math.max(furthest, bytes)
        }
        // After a failure nobody but the coordinator knows how much arrived.
        if (!isSure) standAt((await uploads.blob(uploadId, digest, signal)).haveBytes)
        isSure = false
        if (offset < sizeBytes) standAt(await this.#piece(path, digest, { offset, sizeBytes }, signal))
        isSure = true
      })
    }
  }

  async #piece(
    path: Buffer,
    digest: string,
    at: { readonly offset: number; readonly sizeBytes: number },
    signal: AbortSignal,
  ): Promise<number> {
    const { uploads, uploadId } = this.#options
    const file = await openAsBlob(path)
    if (file.size !== at.sizeBytes) throw changing(path)
    return (await uploads.put(uploadId, digest, file, { offset: at.offset, signal })).haveBytes
  }

  #tell(more: Partial<UploadProgress>): void {
    const now = this.#progress
    this.#progress = {
      contentsSent: now.contentsSent + (more.contentsSent ?? 0),
      contentsToSend: now.contentsToSend + (more.contentsToSend ?? 0),
      bytesSent: now.bytesSent + (more.bytesSent ?? 0),
      bytesToSend: now.bytesToSend + (more.bytesToSend ?? 0),
    }
    this.#options.onProgress(this.#progress)
  }
}

const changing = (path: Buffer): EngineError => new EngineError('ENGINE_ERR_FILE_CHANGING', { path: path.toString() })

/** A file that was changed or removed since it was hashed is told by its name. */
function named(error: unknown, path: Buffer): EngineError {
  const known = toEngineError(error, { what: path.toString() })
  const isOurs =
    known.code === 'ENGINE_ERR_DIGEST_MISMATCH' || (error as { name?: unknown }).name === 'NotReadableError'
  return isOurs ? changing(path) : known
}

async function allOf<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
