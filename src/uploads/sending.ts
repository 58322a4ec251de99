import { rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.js'
import { syncDirectory } from '../base/directories.js'
import { EngineError } from '../base/errors.js'
import {
  UPLOAD_MANIFEST_BYTES_MAX,
  UPLOAD_REQUESTS_MAX,
  UPLOAD_REQUESTS_PER_UPLOAD_MAX,
  UPLOAD_SPACE_CHECK_BYTES,
} from '../base/upload-limits.js'
import type { BlobView } from '../model/upload.js'
import type { TreeSummary } from '../native/content.js'
import { digestFile, readManifest } from '../native/uploads.js'
import type { UploadPaths } from './paths.js'
import { receive } from './receiving.js'
import type { SiteBlobs } from './site-blobs.js'
import { requireRoom } from './space.js'
import type { Upload } from './upload.js'

export interface SendingOptions {
  readonly paths: UploadPaths
  readonly clock: Clock
  /** Fires when all of it ends. */
  readonly signal: AbortSignal
  /** @throws {EngineError} ENGINE_ERR_NO_SPACE. */
  readonly requireSpace: (what: string, needBytes: number) => Promise<void>
  /** Bytes that uploads may hold beyond what they have and have announced. */
  readonly room: () => Promise<number>
  readonly arrived: (site: string, digest: string) => void
  /** Hears how many bytes came, as they come. */
  readonly received: (bytes: number) => void
}

/** Bytes of one content of an upload. */
export interface Put {
  readonly upload: Upload
  readonly blobs: SiteBlobs
  readonly digest: string
  readonly sizeBytes: number
  readonly offset: number
  readonly body: Readable
}

/** A content of which nothing is known yet. */
export interface NamelessPut {
  readonly site: string
  readonly blobs: SiteBlobs
  /** File to receive into. */
  readonly name: string
  readonly body: Readable
  readonly check: () => void
}

/** Requests that bring manifests and contents: so many at once, at their senders' pace, each content by one of them. */
export class Sending {
  readonly #options: SendingOptions
  readonly #running = new Set<Promise<unknown>>()
  #namelessBytes = 0

  constructor(options: SendingOptions) {
    this.#options = options
  }

  /** Bytes of contents that come without having been announced, so far. */
  get namelessBytes(): number {
    return this.#namelessBytes
  }

  /**
   * Takes bytes of a content from `offset` on. A request that comes later for the same content of the same upload
   * goes before: the earlier one may hang on a dead connection.
   * @returns how much is here; when all of it is, it was hashed and counts.
   * @throws {EngineError} ENGINE_ERR_UPLOAD_RANGE, ENGINE_ERR_UPLOAD_TAKEN, ENGINE_ERR_OVERLOADED, ENGINE_ERR_NO_SPACE,
   * ENGINE_ERR_DIGEST_MISMATCH (nothing is kept then), ENGINE_ERR_UPLOAD_SLOW, ENGINE_ERR_CANCELLED.
   */
  async put(put: Put): Promise<BlobView> {
    const { upload, blobs, digest, sizeBytes } = put
    if (blobs.sizeOf(digest) !== null) return { digest, sizeBytes, haveBytes: sizeBytes }
    const earlier = upload.sending.get(digest)
    if (earlier === undefined) this.#admit(upload)
    const stop = new AbortController()
    const work = this.#after(earlier, () => this.#take(put, stop.signal))
    const entry = { stop, done: work.catch(() => {}) }
    upload.sending.set(digest, entry)
    try {
      return await this.#run(work)
    } finally {
      if (upload.sending.get(digest) === entry) upload.sending.delete(digest)
    }
  }

  /** Takes a content whose length and digest are not known before its end; of a cut one nothing is kept. */
  async putContent(put: NamelessPut): Promise<BlobView> {
    this.#requirePlace()
    return this.#run(this.#takeNameless(put))
  }

  /**
   * Takes a manifest in as the file `path`, and writes the tree that it describes as `<path>.tree`.
   * @throws {EngineError} ENGINE_ERR_OVERLOADED, ENGINE_ERR_NO_SPACE, ENGINE_ERR_BODY_TOO_LARGE,
   * ENGINE_ERR_MANIFEST_INVALID, and as a content does.
   */
  async manifest(path: string, body: Readable): Promise<TreeSummary> {
    this.#requirePlace()
    return this.#run(this.#takeManifest(path, body))
  }

  /** Waits until nothing is received any more. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  async #run<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    return work.finally(() => this.#running.delete(work))
  }

  #requirePlace(): void {
    if (this.#running.size >= UPLOAD_REQUESTS_MAX) throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'uploads' })
  }

  #admit(upload: Upload): void {
    this.#requirePlace()
    if (upload.sending.size < UPLOAD_REQUESTS_PER_UPLOAD_MAX) return
    throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'requests of this upload' })
  }

  async #after<T>(
    earlier: { readonly stop: AbortController; readonly done: Promise<unknown> } | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    if (earlier !== undefined) {
      earlier.stop.abort(new EngineError('ENGINE_ERR_UPLOAD_TAKEN', { digest: 'the same content' }))
      await earlier.done
    }
    return work()
  }

  async #take({ upload, blobs, digest, sizeBytes, offset, body }: Put, stop: AbortSignal): Promise<BlobView> {
    const haveBytes = upload.parts.get(digest) ?? 0
    if (blobs.sizeOf(digest) !== null) return { digest, sizeBytes, haveBytes: sizeBytes }
    if (offset > haveBytes || offset >= sizeBytes) {
      throw new EngineError('ENGINE_ERR_UPLOAD_RANGE', { offset, haveBytes, sizeBytes })
    }
    await this.#options.requireSpace('this content', sizeBytes - offset)
    const { paths, clock, signal, received } = this.#options
    const path = paths.part(upload.site, upload.id, digest)
    const either = AbortSignal.any([signal, stop])
    const onLength = (lengthBytes: number): void => {
      upload.parts.set(digest, lengthBytes)
      upload.lastBytesAtMs = clock.monotonicMs()
    }
    upload.parts.set(digest, offset)
    const reception = { path, offset, limitBytes: sizeBytes, body, clock, signal: either }
    const length = await receive({ ...reception, onLength, received })
    if (length < sizeBytes) return { digest, sizeBytes, haveBytes: length }
    const found = await digestFile(path, { sync: false })
    if (found.digest !== digest) {
      upload.parts.delete(digest)
      await rm(path, { force: true })
      const hint = 'nothing of it was kept: send it again; if this repeats, the file was changed since it was hashed'
      throw new EngineError('ENGINE_ERR_DIGEST_MISMATCH', { what: `content ${digest}` }, { hint })
    }
    const isNew = blobs.sizeOf(digest) === null
    await blobs.take(path, digest, sizeBytes)
    upload.parts.delete(digest)
    if (isNew) this.#options.arrived(upload.site, digest)
    return { digest, sizeBytes, haveBytes: sizeBytes }
  }

  async #takeNameless({ site, blobs, name, body, check }: NamelessPut): Promise<BlobView> {
    const { paths, clock, signal, received: count, room } = this.#options
    let ownBytes = 0
    const received = (bytes: number): void => {
      count(bytes)
      ownBytes += bytes
      this.#namelessBytes += bytes
    }
    try {
      const onLength = await this.#watchSpace('this content', UPLOAD_SPACE_CHECK_BYTES)
      const limitBytes = Math.max(0, (await room()) - this.#namelessBytes)
      await receive({ path: name, offset: 0, limitBytes, body, clock, signal, onLength, received })
      // Others may have come in the meantime, each within what there was room for when it began.
      requireRoom('what comes now', this.#namelessBytes, await room())
      check()
      const { digest, sizeBytes } = await digestFile(name, { sync: true })
      const isNew = blobs.sizeOf(digest) === null
      await blobs.take(name, digest, sizeBytes)
      // Its bytes are durable by now, and so is its name: a job that names it may be on record in a moment.
      await syncDirectory(paths.blobs(site))
      if (isNew) this.#options.arrived(site, digest)
      return { digest, sizeBytes, haveBytes: sizeBytes }
    } finally {
      this.#namelessBytes -= ownBytes
      await rm(name, { force: true })
    }
  }

  async #takeManifest(path: string, body: Readable): Promise<TreeSummary> {
    const { clock, signal } = this.#options
    const onLength = await this.#watchSpace('this manifest', 0)
    await receive({ path, offset: 0, limitBytes: UPLOAD_MANIFEST_BYTES_MAX, body, clock, signal, onLength })
    return readManifest(path, `${path}.tree`)
  }

  /** @returns what looks at the disk again while something of unknown length comes. */
  async #watchSpace(what: string, firstBytes: number): Promise<(lengthBytes: number) => Promise<void>> {
    const { requireSpace } = this.#options
    await requireSpace(what, firstBytes)
    let checkedBytes = 0
    return async (lengthBytes) => {
      if (lengthBytes - checkedBytes < UPLOAD_SPACE_CHECK_BYTES) return
      checkedBytes = lengthBytes
      await requireSpace(what, UPLOAD_SPACE_CHECK_BYTES)
    }
  }
}
