// Uploads over HTTP, a request a method. In: a manifest and contents as blobs (files of a browser, or of Node.js).
// Out: what is missing, how much is there. Never: an import of Node's own modules, a whole content in memory.
import { UPLOAD_PAGE_MAX, UPLOAD_PIECE_BYTES, UPLOAD_PIECE_TIMEOUT_MS } from '../base/upload-limits.js'
import type { BlobView, LooseView, MissingPage, UploadView } from '../model/upload.js'
import { type Ask, ask, type HttpOptions, readJson } from './http.js'

/** The longest that a timer takes, 24 days: who gives up a stream is its pace, and the caller. */
const STREAM_TIMEOUT_MS = 2 ** 31 - 1

/** What a coordinator holds of uploads. */
export interface Held {
  readonly items: readonly UploadView[]
  readonly loose: readonly LooseView[]
}

export class UploadsClient {
  readonly #http: HttpOptions

  constructor(http: HttpOptions) {
    this.#http = http
  }

  /** Describes a tree, one entry a line (docs/guide/uploads.md). The same tree is the same upload again. */
  create(site: string, manifest: Blob, signal?: AbortSignal): Promise<UploadView> {
    const path = `/v1/uploads?site=${encodeURIComponent(site)}`
    return this.#json({ method: 'POST', path, content: manifest, timeoutMs: UPLOAD_PIECE_TIMEOUT_MS }, signal)
  }

  upload(id: string): Promise<UploadView> {
    return this.#json({ method: 'GET', path: `/v1/uploads/${encodeURIComponent(id)}` })
  }

  /** Open uploads, newest first. */
  async uploads(): Promise<readonly UploadView[]> {
    return (await this.held()).items
  }

  /** All that is held of uploads: those that are open, and contents that none of them names. */
  held(): Promise<Held> {
    return this.#json({ method: 'GET', path: '/v1/uploads' })
  }

  /** Contents that are missing, and how much of each is there. */
  async *missing(id: string, signal?: AbortSignal): AsyncGenerator<BlobView> {
    let after = ''
    for (;;) {
      const path = `/v1/uploads/${id}/missing?limit=${UPLOAD_PAGE_MAX}${after}`
      const page = await this.#json<MissingPage>({ method: 'GET', path }, signal)
      yield* page.items
      if (page.next === null) return
      after = `&after=${page.next}`
    }
  }

  /** @throws {EngineError} ENGINE_ERR_BLOB_UNWANTED. */
  blob(id: string, digest: string, signal?: AbortSignal): Promise<BlobView> {
    return this.#json({ method: 'GET', path: `/v1/uploads/${id}/blobs/${digest}` }, signal)
  }

  /** Sends one piece of a content, from `offset` on. @returns how much is there now. */
  put(
    id: string,
    digest: string,
    content: Blob,
    { offset, signal }: { readonly offset: number; readonly signal?: AbortSignal },
  ): Promise<BlobView> {
    const end = Math.min(content.size, offset + UPLOAD_PIECE_BYTES)
    const headers = { 'content-range': `bytes ${offset}-${end - 1}/${content.size}` }
    const path = `/v1/uploads/${id}/blobs/${digest}`
    const timeoutMs = UPLOAD_PIECE_TIMEOUT_MS
    return this.#json({ method: 'PUT', path, headers, content: content.slice(offset, end), timeoutMs }, signal)
  }

  /** Sends a content of unknown length; the answer names it, for a manifest. */
  putContent(site: string, content: ReadableStream | Blob, signal?: AbortSignal): Promise<BlobView> {
    const path = `/v1/sites/${encodeURIComponent(site)}/blobs`
    return this.#json({ method: 'POST', path, content, timeoutMs: STREAM_TIMEOUT_MS }, signal)
  }

  /** Everything was sent: it is durable when this resolves. @throws {EngineError} ENGINE_ERR_UPLOAD_INCOMPLETE. */
  complete(id: string): Promise<UploadView> {
    const timeoutMs = UPLOAD_PIECE_TIMEOUT_MS
    return this.#json({ method: 'POST', path: `/v1/uploads/${id}/complete`, timeoutMs })
  }

  /** Drops an upload and what it brought. */
  async drop(id: string): Promise<void> {
    await ask(this.#http, { method: 'DELETE', path: `/v1/uploads/${encodeURIComponent(id)}` })
  }

  /** Drops contents of a site that no upload names and no job needs; tells what went. */
  dropLoose(site: string): Promise<LooseView> {
    return this.#json({ method: 'DELETE', path: `/v1/sites/${encodeURIComponent(site)}/blobs` })
  }

  async #json<T>(request: Ask, signal?: AbortSignal): Promise<T> {
    const answer = await ask(this.#http, { ...request, ...(signal === undefined ? {} : { signal }) })
    return readJson<T>(answer, this.#http.url)
  }
}
