import type { ReleaseRef } from '../model/node.js'

/** Whole copies of releases, for nodes that hold nothing a difference could build on. */
export interface Wholes {
  /**
   * Has a release of the shadow packed whole, once for all that ask; its nodes are steered when it is
   * there, or told why it will not be.
   */
  ask(site: string, release: ReleaseRef, jobId: string): void
  /** Whether it is being packed, or soon will be again. */
  isPacking(site: string, release: ReleaseRef): boolean
}
