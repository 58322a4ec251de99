// A client that brings its own content: for programs on Node.js and the command line.
// In: a directory, a file or a stream of this machine, and a coordinator that may not share a disk with it.
// Out: a job of an upload, which goes on while it is sent. Never: a whole file in memory, a release of half a tree.
import { Readable } from 'node:stream'
import { type Clock, systemClock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { isLoopback } from '../base/loopback.js'
import { type ClientOptions, Client as RemoteClient } from '../control/client.js'
import type { FileAt, PutOptions, SitePath } from '../control/door/files.js'
import type { Job, KeyOption, OpenOptions, PublishOptions } from '../control/door/jobs.js'
import { fromDirectory } from '../control/requests.js'
import { etagOf, type FileView } from '../model/file.js'
import type { CommandRequest, JobView } from '../model/job.js'
import type { JobEvent } from '../model/event.js'
import { Bringing } from './bringing.js'
import { type Fetched, Fetching, piecesOf, placeOf } from './fetching.js'
import { persist } from './persisting.js'
import { bringFile, bringStream } from './putting.js'
import { describe, type LocalTree, oneFile } from './walking.js'

/** Upload again at most so often, when what was there has gone meanwhile. */
const ROUNDS_MAX = 3

export interface ContentOptions extends PublishOptions {
  /** What the file is to be called in the site. */
  readonly name: string
}

/** How a directory is brought to a job that is open; absent fields as of a publish. */
export type AddOptions = KeyOption & Pick<OpenOptions, 'upload' | 'onUpload' | 'signal'>

/** Where a file of a job goes, and with what; absent: as the file here has it. */
export interface PutAt extends Pick<PutOptions, 'mode' | 'mtimeNs' | 'parents'> {
  readonly path: string
}

/** A command with content of its own that was added to a job. */
export interface AddedContent {
  readonly job: JobView
  /** Resolves when all of its content was sent. What fails can be sent again: add it under the same key. */
  sent(): Promise<void>
}

/** A coordinator over HTTP, and this machine's content for it. */
export class Client extends RemoteClient {
  readonly #clock: Clock

  /** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT when `url` is no HTTP address. */
  constructor(options: ClientOptions) {
    super(options)
    this.#clock = options.clock ?? systemClock
  }

  /**
   * Publishes a directory of the coordinator's machine, or of this one by uploading what it lacks: when `upload` is
   * true, and with `auto` (as when nothing is said) when the coordinator's address is not of this machine.
   */
  override async publish(directory: string, options: PublishOptions): Promise<Job> {
    if (!this.#isSent(options)) return super.publish(directory, options)
    return this.#publishTree(await this.#describe(directory, options), options)
  }

  /** Adds a publish of a directory to an open job: of the coordinator's machine, or of this one, as `publish`. */
  async addDirectory(jobId: string, directory: string, options: AddOptions = {}): Promise<AddedContent> {
    if (!this.#isSent(options)) {
      const command: CommandRequest = { type: 'publish', ...fromDirectory(directory) }
      return { job: await this.addCommands(jobId, [command], options), sent: async () => {} }
    }
    const { site } = await this.job(jobId)
    const tree = await this.#describe(directory, options)
    try {
      const { id: upload } = await this.uploads.create(site, tree.manifest, options.signal)
      const job = await this.addCommands(jobId, [{ type: 'publish', directory: null, upload }], options)
      const signal = options.signal ?? new AbortController().signal
      const sending = this.#send(upload, tree, options, signal).finally(() => tree.close())
      sending.catch(() => {})
      return { job, sent: () => sending }
    } catch (error) {
      await tree.close()
      throw error
    }
  }

  /**
   * Adds a put of a file of this machine, or of a stream, to an open job: its bytes are at the coordinator when this
   * resolves. What broke off of a file is gone on with.
   * @throws {EngineError} ENGINE_ERR_SOURCE_MISSING, ENGINE_ERR_NOT_A_FILE, ENGINE_ERR_JOB_UNKNOWN, and of uploads.
   */
  async addFile(jobId: string, content: string | Readable, options: PutAt & AddOptions): Promise<AddedContent> {
    const { path, mode, mtimeNs, parents = false, onUpload } = options
    const signal = options.signal ?? new AbortController().signal
    const { site } = await this.job(jobId)
    const about = { uploads: this.uploads, site, clock: this.#clock, signal, onUpload }
    const found = typeof content === 'string' ? await bringFile(content, about) : await bringStream(content, about)
    const { digest, sizeBytes } = found
    const properties = { mode: mode ?? found.mode, mtimeNs: mtimeNs ?? found.mtimeNs }
    const put: CommandRequest = { type: 'put', path, digest, sizeBytes, ...properties, parents }
    const job = await this.addCommands(jobId, [put], options)
    await found.done()
    return { job, sent: async () => {} }
  }

  #isSent({ upload = 'auto' }: Pick<OpenOptions, 'upload'>): boolean {
    return upload === true || (upload === 'auto' && !isLoopback(new URL(this.url).hostname))
  }

  #describe(directory: string, { signal, onUpload }: AddOptions): Promise<LocalTree> {
    const onScan =
      onUpload && ((scanned: { files: number; bytes: number }) => onUpload({ type: 'reading', ...scanned }))
    return describe(directory, { signal, onScan })
  }

  /** Publishes a site of one file whose bytes come from a stream, however long it is. */
  async publishContent(content: Readable, { name, ...options }: ContentOptions): Promise<Job> {
    if (name === '' || name.includes('/') || name.includes('\0') || name === '.' || name === '..') {
      throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the name', why: 'it is no name of a file' })
    }
    const { site, signal } = options
    const { digest, sizeBytes } = await this.uploads.putContent(site, Readable.toWeb(content) as ReadableStream, signal)
    const mtimeNs = BigInt(this.#clock.nowMs()) * 1_000_000n
    const manifest = new Blob([oneFile({ name, mode: 0o644, mtimeNs, sizeBytes, digest })])
    const { id } = await this.uploads.create(site, manifest, signal)
    return this.publishUpload(id, options)
  }

  /**
   * Puts a file of this machine into a site, on all of its nodes, with its mode and time where the options say no
   * other. What broke off is gone on with.
   * @throws {EngineError} ENGINE_ERR_SOURCE_MISSING, ENGINE_ERR_NOT_A_FILE, and of uploads.
   */
  async putFile(local: string, { site, path }: SitePath, options: PutOptions = {}): Promise<Job> {
    const { mode, mtimeNs, parents = false, ...rest } = options
    const signal = options.signal ?? new AbortController().signal
    const { uploads } = this
    const about = { uploads, site, clock: this.#clock, signal, onUpload: options.onUpload }
    const { done, ...found } = await bringFile(local, about)
    const properties = { mode: mode ?? found.mode, mtimeNs: mtimeNs ?? found.mtimeNs }
    const { digest, sizeBytes } = found
    const job = await this.files.edit(site, [{ type: 'put', path, digest, sizeBytes, ...properties, parents }], rest)
    await done()
    return job
  }

  /** Puts a stream, however long it is, into a site as a file. */
  putContent(content: Readable, place: SitePath, options: PutOptions = {}): Promise<Job> {
    return this.files.put(place, Readable.toWeb(content) as ReadableStream, options)
  }

  /**
   * Brings a file of a node to this machine: to `local`, or into it when it is a directory. It has its mode and time,
   * is checked against what was published, and goes on where an earlier try broke off.
   * @throws {EngineError} ENGINE_ERR_NOT_A_FILE, ENGINE_ERR_FILE_CHANGED, ENGINE_ERR_FILE_DAMAGED, and of looking.
   */
  async get(place: FileAt, local: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Fetched> {
    const fetching = this.#fetching(signal)
    const { path = '' } = place
    await fetching.file(await this.files.stat(place), path, await placeOf(local, path))
    return fetching.outcome
  }

  /** Brings a directory of a node and all below it into `local`, which is made; links stay links. */
  async getTree(place: FileAt, local: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Fetched> {
    const fetching = this.#fetching(signal)
    const { release } = await this.files.stat(place)
    await fetching.tree({ ...place, release }, Buffer.from(local))
    return fetching.outcome
  }

  /** The bytes of a file that was looked at, as they come. @throws {EngineError} ENGINE_ERR_NOT_A_FILE, as `get`. */
  async *bytes({ node, site, release, entry }: FileView, path: string): AsyncGenerator<Uint8Array> {
    if (entry.kind !== 'file') throw new EngineError('ENGINE_ERR_NOT_A_FILE', { path, kind: entry.kind })
    yield* piecesOf(await this.readFile({ node, site, release, path, offset: 0, etag: etagOf(entry) }))
  }

  #fetching(signal: AbortSignal = new AbortController().signal): Fetching {
    return new Fetching({ files: this.files, read: (read) => this.readFile(read), clock: this.#clock, signal })
  }

  /** The job begins at once: nodes get what has arrived while the rest is sent. */
  async #publishTree(tree: LocalTree, options: PublishOptions): Promise<Job> {
    try {
      const upload = await this.uploads.create(options.site, tree.manifest, options.signal)
      const job = await this.publishUpload(upload.id, options)
      const stop = new AbortController()
      const sending = this.#send(upload.id, tree, options, stop.signal).finally(() => tree.close())
      sending.catch(() => {})
      return new SendingJob(job, { sending, stop, abort: () => this.abort(job.id) })
    } catch (error) {
      await tree.close()
      throw error
    }
  }

  async #send(uploadId: string, tree: LocalTree, options: AddOptions, signal: AbortSignal): Promise<void> {
    const { uploads } = this
    const onProgress = (progress: object): void =>
      options.onUpload?.({ type: 'sending', ...progress } as Parameters<NonNullable<PublishOptions['onUpload']>>[0])
    for (let round = 1; ; round++) {
      try {
        await new Bringing({ uploads, uploadId, tree, clock: this.#clock, signal, onProgress }).run()
        await persist({ clock: this.#clock, signal }, () => uploads.complete(uploadId))
        return
      } catch (error) {
        const known = toEngineError(error)
        // The job went well already, and its upload with it.
        if (known.code === 'ENGINE_ERR_UPLOAD_UNKNOWN') return
        if (known.code !== 'ENGINE_ERR_UPLOAD_INCOMPLETE' || round >= ROUNDS_MAX) throw known
      }
    }
  }
}

interface Underway {
  readonly sending: Promise<void>
  readonly stop: AbortController
  readonly abort: () => Promise<unknown>
}

/** A job whose content is still being sent from here: what fails there ends it, and is what it failed with. */
class SendingJob implements Job {
  readonly id: string
  readonly #job: Job
  readonly #underway: Underway
  #failure: EngineError | null = null

  constructor(job: Job, underway: Underway) {
    this.id = job.id
    this.#job = job
    this.#underway = underway
    underway.sending.catch((error: unknown) => {
      if (underway.stop.signal.aborted) return
      this.#failure = toEngineError(error)
      underway.abort().catch(() => {})
    })
  }

  add(...commands: readonly CommandRequest[]): ReturnType<Job['add']> {
    return this.#job.add(...commands)
  }

  end(): ReturnType<Job['end']> {
    return this.#job.end()
  }

  async *progress(options: Parameters<Job['progress']>[0] = {}): AsyncGenerator<JobEvent> {
    for await (const event of this.#job.progress(options)) {
      if (event.type === 'result') await this.#end()
      if (event.type === 'result' && event.job.state === 'aborted' && this.#failure !== null) throw this.#failure
      yield event
    }
    if (options.signal?.aborted) await this.#end()
  }

  /** @throws {EngineError} what ended the sending. */
  sent(): Promise<void> {
    return this.#underway.sending
  }

  async completed(): ReturnType<Job['completed']> {
    try {
      return await this.#job.completed()
    } catch (error) {
      throw this.#failure ?? error
    } finally {
      await this.#end()
    }
  }

  async #end(): Promise<void> {
    this.#underway.stop.abort()
    await this.#underway.sending.catch(() => {})
  }
}
