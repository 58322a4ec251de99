import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.js'
import type { JobsApi } from '../control/door/api.js'
import type { FileAt, PutOptions, SitePath } from '../control/door/files.js'
import type { Job, PublishOptions } from '../control/door/jobs.js'
import type { UploadsClient } from '../control/uploads-client.js'
import type { AddedContent, AddOptions, PutAt } from '../sending/index.js'
import type { FileView } from '../model/file.js'
import type { Fetched } from '../sending/fetching.js'
import type { Interrupts } from './follow.js'
import type { Output } from './output.js'

/** A coordinator as commands have it: content may come from this machine. */
export interface CommandApi extends JobsApi {
  /** Publishes a site of one file whose bytes come from a stream; absent where nothing can be sent from here. */
  publishContent?(content: Readable, options: PublishOptions & { readonly name: string }): Promise<Job>
  /** Adds a publish of a directory to a job, as `publish` brings it; absent where nothing can be sent from here. */
  addDirectory?(jobId: string, directory: string, options: AddOptions): Promise<AddedContent>
  /** Adds a put of a file of this machine, or of a stream, to a job; absent where nothing can be sent from here. */
  addFile?(jobId: string, content: string | Readable, options: PutAt & AddOptions): Promise<AddedContent>
  /** Brings a file, or a directory, of a node to this machine; absent where nothing can be written. */
  get?(place: FileAt, local: string): Promise<Fetched>
  getTree?(place: FileAt, local: string): Promise<Fetched>
  /** Puts a file of this machine, or a stream, into a site; absent where nothing can be sent from here. */
  putFile?(local: string, place: SitePath, options: PutOptions): Promise<Job>
  putContent?(content: Readable, place: SitePath, options: PutOptions): Promise<Job>
  /** What was sent and is not published; absent where nothing can be sent from here. */
  readonly uploads?: Pick<UploadsClient, 'held' | 'drop' | 'dropLoose'>
  bytes?(view: FileView, path: string): AsyncIterable<Uint8Array>
}

/** What a command is given: how to speak, whom to ask, what time it is, and when to stop. */
export interface Context {
  readonly output: Output
  readonly clock: Clock
  readonly interrupts: Interrupts
  /** Bytes of content on standard output. */
  write?(bytes: Uint8Array): Promise<void>
  /** The coordinator named by --url, ENGINE_URL, the configuration file or the default. */
  connect(): Promise<CommandApi>
}
