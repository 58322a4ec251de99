import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.js'
import type { Job, JobsApi, PublishOptions } from '../control/door.js'
import type { AddedDirectory, AddOptions } from '../sending/index.js'
import type { Interrupts } from './follow.js'
import type { Output } from './output.js'

/** A coordinator as commands have it: content may come from this machine. */
export interface CommandApi extends JobsApi {
  /** Publishes a site of one file whose bytes come from a stream; absent where nothing can be sent from here. */
  publishContent?(content: Readable, options: PublishOptions & { readonly name: string }): Promise<Job>
  /** Adds a publish of a directory to a job, as `publish` brings it; absent where nothing can be sent from here. */
  addDirectory?(jobId: string, directory: string, options: AddOptions): Promise<AddedDirectory>
}

/** What a command is given: how to speak, whom to ask, what time it is, and when to stop. */
export interface Context {
  readonly output: Output
  readonly clock: Clock
  readonly interrupts: Interrupts
  /** The coordinator named by --url, ENGINE_URL, the configuration file or the default. */
  connect(): Promise<CommandApi>
}
