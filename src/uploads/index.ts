// In: descriptions of trees and their contents from afar, streamed. Out: contents by digest on this disk, durable once
// complete, and what a packing needs to read them; what is missing, so that whoever was cut off goes on.
// Never: a name from a manifest in a path; a content that is not what its digest says; a file it did not name itself.
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { syncDirectory } from '../base/directories.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { UPLOAD_NOTE_MS, UPLOAD_STALLED_MS, UPLOAD_SWEEP_MS, UPLOADS_OPEN_MAX } from '../base/upload-limits.js'
import { NAME_PATTERN } from '../model/name.js'
import type { BlobBody, BlobView, LooseView, MissingPage, UploadView } from '../model/upload.js'
import { blake3 } from '../native/keys.js'
import { syncFileSystem } from '../native/uploads.js'
import type { UploadSource, UploadsOptions } from './options.js'
import { UploadPaths } from './paths.js'
import { isOtherBoot, recoverSite, verifyAgain } from './recovering.js'
import { Sending } from './sending.js'
import { SiteBlobs } from './site-blobs.js'
import { requireRoom, requireSpace } from './space.js'
import { Upload } from './upload.js'
import { lacking } from './lacking.js'
import { dropLoose, looseOf, type LooseOptions } from './loose.js'

export type { UploadLimits, UploadSource, UploadsOptions } from './options.js'

export class Uploads {
  readonly paths: UploadPaths
  readonly #options: UploadsOptions
  readonly #sites = new Map<string, Promise<SiteBlobs>>()
  readonly #open = new Map<string, Upload>()
  readonly #sending: Sending
  readonly #closing = new AbortController()
  /** Contents of before a power cut are being read again. */
  #verifying: Promise<void> = Promise.resolve()
  #making: Promise<unknown> = Promise.resolve()
  #sweptAtMs: number

  private constructor(options: UploadsOptions) {
    this.#options = options
    this.paths = new UploadPaths(options.directory)
    this.#sweptAtMs = options.clock.monotonicMs()
    const { clock, metrics } = options
    const signal = this.#closing.signal
    const requireSpace = (what: string, needBytes: number): Promise<void> => this.#requireSpace(what, needBytes)
    const room = (): Promise<number> => this.#roomBytes()
    const arrived = (site: string, digest: string): void => this.#arrived(site, digest)
    const received = (bytes: number): void => metrics.add('engine_upload_bytes_received_total', {}, bytes)
    this.#sending = new Sending({ paths: this.paths, clock, signal, requireSpace, room, arrived, received })
  }

  /** Opens what an earlier life left. @throws {EngineError} ENGINE_ERR_DATA_DIR_UNWRITABLE. */
  static async open(options: UploadsOptions): Promise<Uploads> {
    const uploads = new Uploads(options)
    try {
      await mkdir(options.directory, { recursive: true, mode: 0o700 })
      for (const site of await readdir(options.directory)) {
        if (NAME_PATTERN.test(site) && !site.startsWith('.')) await uploads.#takeUp(site)
      }
      await uploads.#noteBoot()
    } catch (error) {
      const why = toEngineError(error).message
      throw new EngineError('ENGINE_ERR_DATA_DIR_UNWRITABLE', { path: options.directory, why }, { cause: error })
    }
    return uploads
  }

  /**
   * Takes a manifest in. The same tree for the same site is the same upload, whoever sends it.
   * @throws {EngineError} ENGINE_ERR_MANIFEST_INVALID, ENGINE_ERR_BODY_TOO_LARGE, ENGINE_ERR_UPLOAD_LIMIT,
   * ENGINE_ERR_NO_SPACE, ENGINE_ERR_OVERLOADED.
   */
  async create(site: string, body: Readable): Promise<UploadView> {
    if (this.#open.size >= UPLOADS_OPEN_MAX) throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'open uploads' })
    const blobs = await this.#site(site)
    const name = this.paths.incoming(site, randomBytes(8).toString('hex'))
    const { clock } = this.#options
    try {
      const summary = await this.#sending.manifest(name, body)
      const id = blake3(Buffer.from(`${site}\0${summary.treeHash}`)).slice(0, 32)
      const upload = await this.#oneAtATime(async () => {
        const known = this.#open.get(id)
        if (known !== undefined) return known
        await rename(`${name}.tree`, this.paths.tree(site, id))
        const nowMs = clock.nowMs()
        const facts = { id, site, summary, isComplete: false, openedAtMs: nowMs, touchedAtMs: nowMs }
        return this.#admit(new Upload(this.paths, blobs, facts, clock.monotonicMs()))
      })
      await upload.refresh(await this.#heldTrees(site))
      await upload.touch(clock.nowMs(), clock.monotonicMs(), UPLOAD_NOTE_MS)
      return this.#view(upload)
    } finally {
      await rm(name, { force: true })
      await rm(`${name}.tree`, { force: true })
    }
  }

  /** Newest first. */
  list(): readonly UploadView[] {
    return [...this.#open.values()].toSorted((a, b) => b.touchedAtMs - a.touchedAtMs).map((each) => this.#view(each))
  }

  /** Contents that no upload names, by site. */
  loose(): Promise<readonly LooseView[]> {
    return looseOf(this.#sites, this.#looseOptions)
  }

  /** Drops contents of a site that no upload names and no job needs; tells what went. */
  async dropLoose(site: string): Promise<LooseView> {
    const blobs = await this.#sites.get(site)
    if (blobs === undefined) return { site, contentCount: 0, totalBytes: 0 }
    return dropLoose(site, blobs, this.#looseOptions)
  }

  async get(id: string): Promise<UploadView> {
    return this.#view(await this.#require(id))
  }

  async missing(id: string, after: string | null, limit: number): Promise<MissingPage> {
    return (await this.#require(id)).missing(after, limit)
  }

  /** @throws {EngineError} ENGINE_ERR_BLOB_UNWANTED when the upload brings no such content. */
  async blob(id: string, digest: string): Promise<BlobView> {
    const upload = await this.#require(id)
    const sizeBytes = upload.sizeOf(digest)
    if (sizeBytes === null) throw new EngineError('ENGINE_ERR_BLOB_UNWANTED', { uploadId: id, digest })
    return upload.blob(digest, sizeBytes)
  }

  /** Takes bytes of a content; see `Sending`. */
  async putBlob(id: string, digest: string, sent: BlobBody): Promise<BlobView> {
    const upload = await this.#require(id)
    const { sizeBytes } = await this.blob(id, digest)
    const blobs = await this.#site(upload.site)
    await this.#touch(upload)
    const view = await this.#sending.put({ upload, blobs, digest, sizeBytes, ...sent })
    await this.#touch(upload)
    return view
  }

  /**
   * Takes a content whose length and digest nobody knows before it has ended.
   * @param check  hears what it came to before it counts; what it throws drops it.
   */
  async putContent(site: string, body: Readable, check: () => void = () => {}): Promise<BlobView> {
    const blobs = await this.#site(site)
    const name = this.paths.incoming(site, randomBytes(8).toString('hex'))
    return this.#sending.putContent({ site, blobs, name, body, check })
  }

  /**
   * Everything has been sent: all of it is durable when this answers.
   * @throws {EngineError} ENGINE_ERR_UPLOAD_INCOMPLETE.
   */
  async complete(id: string): Promise<UploadView> {
    const upload = await this.#require(id)
    await this.#verifying
    await upload.refresh(await this.#heldTrees(upload.site))
    const { missingCount } = upload
    if (missingCount > 0) throw new EngineError('ENGINE_ERR_UPLOAD_INCOMPLETE', { uploadId: id, missingCount })
    if (!upload.isComplete) await this.#seal(upload)
    await this.#touch(upload)
    return this.#view(upload)
  }

  /** Drops an upload and what no other needs. @throws {EngineError} ENGINE_ERR_CONFLICT: a job is of it. */
  async drop(id: string): Promise<void> {
    const upload = await this.#require(id)
    if (this.#jobsOf(upload).length > 0) {
      const facts = { what: 'a job of this upload', why: 'it has not ended' }
      throw new EngineError('ENGINE_ERR_CONFLICT', facts)
    }
    await this.#remove(upload)
  }

  /** What a job of an upload has as its directory. @throws {EngineError} ENGINE_ERR_UPLOAD_UNKNOWN, another site. */
  async directoryOf(id: string, site: string): Promise<string> {
    const upload = await this.#require(id)
    if (upload.site !== site) {
      const why = `it was sent for site ${upload.site}`
      throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the upload', why })
    }
    await this.#touch(upload)
    return this.paths.upload(site, id)
  }

  /** Whether a job's directory stands for an upload. */
  owns(directory: string): boolean {
    return directory.startsWith(join(this.paths.directory, '/'))
  }

  /**
   * What a packing reads. What has not arrived yet is waited for there, so an upload need not be complete.
   * @throws {EngineError} ENGINE_ERR_UPLOAD_UNKNOWN.
   */
  async begin(directory: string): Promise<UploadSource> {
    const upload = await this.#require(idOf(directory))
    await this.#verifying
    const held = await this.#options.held(upload.site)
    await upload.refresh(held.map(({ treePath }) => treePath))
    await this.#touch(upload)
    return { treePath: upload.treePath, blobs: this.paths.blobs(upload.site), held }
  }

  /**
   * What a packing of a tree reads that no upload describes: all of its contents are here by now.
   * @throws {EngineError} ENGINE_ERR_CONTENT_MISSING with a path that `nameOf` gives.
   */
  async sourceOf(site: string, treePath: string, nameOf: (digest: string) => string): Promise<UploadSource> {
    await this.#verifying
    const [held, blobs] = await Promise.all([this.#options.held(site), this.#site(site)])
    const digest = await lacking(treePath, held, blobs)
    if (digest !== null) throw new EngineError('ENGINE_ERR_CONTENT_MISSING', { digest, path: nameOf(digest) })
    return { treePath, blobs: this.paths.blobs(site), held }
  }

  /** A content of a site is about to be used: it does not count as idle. @throws {EngineError} for another size. */
  async touchContent(site: string, digest: string, sizeBytes: number): Promise<void> {
    const blobs = await this.#site(site)
    blobs.requireSize(digest, sizeBytes)
    await blobs.touch(digest, this.#options.clock.nowMs())
  }

  /** Contents have done their work; those that nobody else needs go. */
  async letGo(site: string, digests: readonly string[]): Promise<void> {
    if (digests.length === 0) return
    const blobs = await this.#site(site)
    for (const digest of digests) if (!this.#isNeeded(site, digest)) await blobs.drop(digest)
  }

  /** Why a job waits in vain for the rest of an upload; null while there is hope. */
  stalled(directory: string): EngineError | null {
    const upload = this.#open.get(idOf(directory))
    if (upload === undefined || upload.missingCount === 0) return null
    const ms = this.#options.clock.monotonicMs() - upload.lastBytesAtMs
    if (ms < UPLOAD_STALLED_MS) return null
    const { id, missingCount } = upload
    return new EngineError('ENGINE_ERR_UPLOAD_STALLED', { uploadId: id, ms: Math.round(ms), missingCount })
  }

  /** A job of an upload went well: its content is in the shadow now. Another job of it keeps it. */
  async release(directory: string): Promise<void> {
    const upload = this.#open.get(idOf(directory))
    if (upload !== undefined && this.#jobsOf(upload).length === 0) await this.#remove(upload)
  }

  /** Drops what lay idle for too long; called now and then. */
  async sweep(): Promise<void> {
    const { clock, limits } = this.#options
    if (clock.monotonicMs() - this.#sweptAtMs < UPLOAD_SWEEP_MS) return
    this.#sweptAtMs = clock.monotonicMs()
    const oldMs = clock.nowMs() - limits.keepMs
    for (const upload of [...this.#open.values()]) {
      const isUsed = upload.sending.size > 0 || this.#jobsOf(upload).length > 0
      if (!isUsed && upload.touchedAtMs < oldMs) await this.#remove(upload)
    }
    for (const [site, opening] of this.#sites) {
      const blobs = await opening
      await dropLoose(site, blobs, this.#looseOptions, async (digest) => (await blobs.touchedAtMs(digest)) < oldMs)
    }
  }

  /** Ends what is being received; it goes on in the next life. */
  async close(): Promise<void> {
    this.#closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
    await this.#sending.ended()
    await this.#verifying
  }

  async #takeUp(site: string): Promise<void> {
    const { clock, log } = this.#options
    const found = await recoverSite({ paths: this.paths, blobs: await this.#site(site), site, clock, log })
    for (const upload of found) this.#open.set(upload.id, upload)
    this.#count()
  }

  /** After a power cut, contents that were not made durable may be other than they were: they are read again. */
  async #noteBoot(): Promise<void> {
    if (!(await isOtherBoot(this.paths))) return
    const { log } = this.#options
    this.#verifying = verifyAgain(this.#sites, this.#open, log).catch((error: unknown) => {
      log.error({ err: toEngineError(error) }, 'contents of uploads could not be read again')
    })
  }

  /** Its file is durable and there is room for it, or it is no upload. */
  async #admit(upload: Upload): Promise<Upload> {
    try {
      await syncDirectory(this.paths.open(upload.site))
      await upload.refresh(await this.#heldTrees(upload.site))
      const left = (await this.#roomBytes()) - this.#sending.namelessBytes
      requireRoom('this upload', upload.missingBytes, left)
      await this.#requireSpace('this upload', upload.missingBytes)
    } catch (error) {
      await upload.remove()
      throw error
    }
    this.#open.set(upload.id, upload)
    this.#count()
    this.#options.log.info({ uploadId: upload.id, site: upload.site, bytes: upload.missingBytes }, 'upload opened')
    return upload
  }

  async #seal(upload: Upload): Promise<void> {
    await syncFileSystem(this.paths.blobs(upload.site))
    const file = await open(this.paths.complete(upload.site, upload.id), 'w', 0o600)
    await file.sync().finally(() => file.close())
    await syncDirectory(this.paths.open(upload.site))
    upload.isComplete = true
  }

  async #remove(upload: Upload): Promise<void> {
    this.#open.delete(upload.id)
    this.#count()
    const named = await upload.contents()
    await upload.remove()
    const blobs = await this.#site(upload.site)
    for (let place = 0; place < named.count; place++) {
      const digest = named.digestAt(place)
      if (blobs.sizeOf(digest) !== null && !this.#isNeeded(upload.site, digest)) await blobs.drop(digest)
    }
    this.#options.log.info({ uploadId: upload.id, site: upload.site }, 'upload dropped')
  }

  get #looseOptions(): LooseOptions {
    const isNeeded = (site: string, digest: string): boolean => this.#isNeeded(site, digest)
    return { uploads: [...this.#open.values()], isNeeded, turn: () => this.#options.clock.turn() }
  }

  #isNeeded(site: string, digest: string): boolean {
    if (this.#options.isPinned(site, digest)) return true
    for (const upload of this.#open.values()) if (upload.site === site && upload.sizeOf(digest) !== null) return true
    return false
  }

  #arrived(site: string, digest: string): void {
    for (const upload of this.#open.values()) if (upload.site === site) upload.arrived(digest)
  }

  #site(site: string): Promise<SiteBlobs> {
    const known = this.#sites.get(site) ?? SiteBlobs.open(this.paths, site)
    this.#sites.set(site, known)
    known.catch(() => this.#sites.delete(site))
    return known
  }

  async #require(id: string): Promise<Upload> {
    const upload = this.#open.get(id)
    if (upload === undefined) throw new EngineError('ENGINE_ERR_UPLOAD_UNKNOWN', { uploadId: id })
    return upload
  }

  #touch(upload: Upload): Promise<void> {
    const { clock } = this.#options
    return upload.touch(clock.nowMs(), clock.monotonicMs(), UPLOAD_NOTE_MS)
  }

  #jobsOf({ site, id }: Upload): readonly string[] {
    return this.#options.jobsOf(this.paths.upload(site, id))
  }

  #count(): void {
    this.#options.metrics.set('engine_uploads_open', {}, this.#open.size)
  }

  #view(upload: Upload): UploadView {
    return upload.view(this.#options.limits.keepMs, this.#jobsOf(upload))
  }

  async #heldTrees(site: string): Promise<readonly string[]> {
    return (await this.#options.held(site)).map(({ treePath }) => treePath)
  }

  /** What uploads may hold beyond the bytes that are here, and those that open ones may still bring. */
  async #roomBytes(): Promise<number> {
    let bytes = 0
    for (const blobs of this.#sites.values()) bytes += (await blobs).bytes
    for (const upload of this.#open.values()) bytes += upload.missingBytes
    return this.#options.limits.maxBytes - bytes
  }

  #requireSpace(what: string, needBytes: number): Promise<void> {
    const { directory, limits } = this.#options
    return requireSpace(directory, { what, needBytes, freeBytes: limits.freeBytes })
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#making
    const own = before.then(work, work)
    this.#making = own.catch(() => {})
    return own
  }
}

const idOf = (directory: string): string => directory.slice(directory.lastIndexOf('/') + 1)
