import type { Clock } from '../base/clock.js'
import type { JobsApi } from '../control/door.js'
import type { Interrupts } from './follow.js'
import type { Output } from './output.js'

/** What a command is given: how to speak, whom to ask, what time it is, and when to stop. */
export interface Context {
  readonly output: Output
  readonly clock: Clock
  readonly interrupts: Interrupts
  /** The coordinator named by --url, ENGINE_URL, the configuration file or the default. */
  connect(): Promise<JobsApi>
}
