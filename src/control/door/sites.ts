// In: nothing; these are words. Out: what is asked of sites: to be held, to be resumed, to be read.
// Never: code that runs.
import type { VerifyRunRequest } from '../../model/verification.js'

/** Which sites: one by name, or all of a group. */
export interface SitesNamed {
  readonly site?: string
  readonly group?: string
}

/** Which sites to hold on what they serve, why, and for how long; absent: until they are resumed. */
export interface PauseOptions extends SitesNamed {
  readonly reason: string
  readonly forMs?: number
}

export interface ResumeOptions extends SitesNamed {
  readonly reason?: string
}

/** What to verify; absent fields as in `VerifyRunRequest`. */
export interface VerifyOptions extends Partial<VerifyRunRequest> {
  readonly site: string
  readonly signal?: AbortSignal
}
