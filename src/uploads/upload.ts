import { readFile, rm, utimes } from 'node:fs/promises'
import type { BlobView, MissingPage, UploadView } from '../model/upload.js'
import type { TreeSummary } from '../native/content.js'
import { writeWanted } from '../native/uploads.js'
import type { UploadPaths } from './paths.js'
import type { SiteBlobs } from './site-blobs.js'
import { WantedList } from './wanted.js'

export interface UploadFacts {
  readonly id: string
  readonly site: string
  readonly summary: TreeSummary
  readonly isComplete: boolean
  readonly openedAtMs: number
  readonly touchedAtMs: number
}

/** One description of a tree, and what of its contents is here. */
export class Upload {
  readonly id: string
  readonly site: string
  readonly summary: TreeSummary
  readonly openedAtMs: number
  isComplete: boolean
  touchedAtMs: number
  /** By the clock that never goes back: when bytes of it came last. */
  lastBytesAtMs: number
  /** Requests that send a content of it now, by digest. */
  readonly sending = new Map<string, { readonly stop: AbortController; readonly done: Promise<unknown> }>()
  /** Bytes of contents that have come in part. */
  readonly parts = new Map<string, number>()
  readonly #paths: UploadPaths
  readonly #blobs: SiteBlobs
  #wanted = new WantedList(Buffer.alloc(0))
  #missingCount = 0
  #missingBytes = 0
  #refreshing: Promise<void> = Promise.resolve()

  constructor(paths: UploadPaths, blobs: SiteBlobs, facts: UploadFacts, monotonicMs: number) {
    this.#paths = paths
    this.#blobs = blobs
    this.id = facts.id
    this.site = facts.site
    this.summary = facts.summary
    this.isComplete = facts.isComplete
    this.openedAtMs = facts.openedAtMs
    this.touchedAtMs = facts.touchedAtMs
    this.lastBytesAtMs = monotonicMs
  }

  get missingCount(): number {
    return this.#missingCount
  }

  get missingBytes(): number {
    return this.#missingBytes
  }

  get treePath(): string {
    return this.#paths.tree(this.site, this.id)
  }

  /** Takes what was last found to be wanted. False: nothing was, or it cannot be read. */
  async load(): Promise<boolean> {
    const records = await readFile(this.#paths.wanted(this.site, this.id)).catch(() => null)
    if (records === null) return false
    this.#take(new WantedList(records))
    return true
  }

  /**
   * Finds anew what is wanted: all but what these releases hold. One after the other: they write one file.
   * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT when a content that is here has another size.
   */
  refresh(heldTreePaths: readonly string[]): Promise<void> {
    const own = this.#refreshing.then(() => this.#refresh(heldTreePaths))
    this.#refreshing = own.catch(() => {})
    return own
  }

  /** The size of a content that this upload brings; null: it brings no such. */
  sizeOf(digest: string): number | null {
    return this.#wanted.sizeOf(digest)
  }

  /** A content of the site is here now, whoever brought it. */
  arrived(digest: string): void {
    const sizeBytes = this.#wanted.sizeOf(digest)
    if (sizeBytes === null) return
    this.#missingCount -= 1
    this.#missingBytes -= sizeBytes
    this.parts.delete(digest)
  }

  /**
   * How much of a content is here. Of one that came to its end and was not hashed any more (the process was killed)
   * the last byte is wanted again: with it the content is whole, or refused.
   */
  blob(digest: string, sizeBytes: number): BlobView {
    const isHere = this.#blobs.sizeOf(digest) !== null
    const partBytes = Math.min(this.parts.get(digest) ?? 0, sizeBytes - 1)
    return { digest, sizeBytes, haveBytes: isHere ? sizeBytes : partBytes }
  }

  /** Contents that are missing, ascending, from after `after` on. */
  missing(after: string | null, limit: number): MissingPage {
    const items: BlobView[] = []
    let place = after === null ? 0 : this.#wanted.placeOf(after)
    if (after !== null && place < this.#wanted.count && this.#wanted.digestAt(place) === after) place += 1
    for (; place < this.#wanted.count && items.length < limit; place++) {
      const digest = this.#wanted.digestAt(place)
      if (this.#blobs.sizeOf(digest) === null) items.push(this.blob(digest, this.#wanted.sizeAt(place)))
    }
    return { items, next: place < this.#wanted.count ? (items.at(-1)?.digest ?? null) : null }
  }

  view(keepMs: number, jobIds: readonly string[]): UploadView {
    const { id, site, summary, openedAtMs, touchedAtMs } = this
    return {
      ...{ id, site, state: this.isComplete ? 'complete' : 'open', treeHash: summary.treeHash },
      ...{ fileCount: summary.fileCount, totalBytes: summary.totalBytes },
      ...{ missingCount: this.#missingCount, missingBytes: this.#missingBytes },
      ...{ openedAtMs, touchedAtMs, jobIds, expiresAtMs: touchedAtMs + keepMs },
    }
  }

  /** It is worked with: it expires later. On the disk this is noted when it has moved by a minute. */
  async touch(nowMs: number, monotonicMs: number, noteMs: number): Promise<void> {
    this.lastBytesAtMs = monotonicMs
    if (nowMs - this.touchedAtMs < noteMs && nowMs >= this.touchedAtMs) return
    this.touchedAtMs = nowMs
    await utimes(this.treePath, nowMs / 1000, nowMs / 1000)
  }

  /** All contents that its tree names, also those that are in a release by now. */
  async contents(): Promise<WantedList> {
    const path = this.#paths.incoming(this.site, `${this.id}.contents`)
    try {
      await writeWanted(this.treePath, [], path)
      return new WantedList(await readFile(path))
    } catch {
      return this.#wanted
    } finally {
      await rm(path, { force: true })
    }
  }

  /** Removes its files; the contents that it brought are the site's. */
  async remove(): Promise<void> {
    for (const { stop } of this.sending.values()) stop.abort()
    const { site, id } = this
    await Promise.allSettled([...this.sending.values()].map(({ done }) => done))
    for (const digest of this.parts.keys()) await rm(this.#paths.part(site, id, digest), { force: true })
    for (const path of [this.#paths.complete(site, id), this.#paths.wanted(site, id), this.treePath]) {
      await rm(path, { force: true })
    }
  }

  async #refresh(heldTreePaths: readonly string[]): Promise<void> {
    const path = this.#paths.wanted(this.site, this.id)
    await writeWanted(this.treePath, heldTreePaths, path)
    const wanted = new WantedList(await readFile(path))
    for (let place = 0; place < wanted.count; place++) {
      this.#blobs.requireSize(wanted.digestAt(place), wanted.sizeAt(place))
    }
    this.#take(wanted)
  }

  #take(wanted: WantedList): void {
    let [count, bytes] = [0, 0]
    for (let place = 0; place < wanted.count; place++) {
      if (this.#blobs.sizeOf(wanted.digestAt(place)) !== null) continue
      count += 1
      bytes += wanted.sizeAt(place)
    }
    this.#wanted = wanted
    this.#missingCount = count
    this.#missingBytes = bytes
  }
}
