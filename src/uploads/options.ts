import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/log.js'
import type { Metrics } from '../base/metrics.js'
import type { HeldRelease } from '../native/content.js'

export interface UploadLimits {
  /** Bytes of all uploads together, those included that are still to come. */
  readonly maxBytes: number
  /** An upload that nothing arrives for is dropped after this long. */
  readonly keepMs: number
  /** Bytes that stay free on the disk. */
  readonly freeBytes: number
}

export interface UploadsOptions {
  /** All of it lies below here; made when it is not there. */
  readonly directory: string
  readonly limits: UploadLimits
  readonly clock: Clock
  readonly log: Logger
  /** Releases of a site that are whole on this disk: what they have need not be sent. */
  readonly held: (site: string) => Promise<readonly HeldRelease[]>
  readonly metrics: Metrics
  /** Ids of jobs that have not ended and are of this upload (see `directoryOf`). */
  readonly jobsOf: (directory: string) => readonly string[]
  /** Digests that a site keeps for other reasons than an upload. */
  readonly isPinned: (site: string, digest: string) => boolean
}

/** What a packing reads: the tree, contents by digest, and releases that have the rest. */
export interface UploadSource {
  readonly treePath: string
  readonly blobs: string
  readonly held: readonly HeldRelease[]
}
