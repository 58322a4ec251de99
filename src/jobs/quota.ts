import { EngineError } from '../base/errors.js'

/** What a coordinator takes on: jobs and releases beyond it are refused. */
export interface Quotas {
  /** Jobs without an end, of all sites together. */
  readonly jobs: number
  /** Bytes of the files of a release; null: as many as there are. */
  readonly releaseBytes: number | null
}

/**
 * Whether one more job may be accepted. Pure.
 * @throws {EngineError} ENGINE_ERR_QUOTA
 */
export function checkJobsQuota({ jobs }: Quotas, unfinishedCount: number): void {
  if (unfinishedCount < jobs) return
  throw new EngineError('ENGINE_ERR_QUOTA', { what: 'jobs without an end', limit: jobs, field: 'jobs' })
}

/**
 * Whether a release may be that large. Pure.
 * @throws {EngineError} ENGINE_ERR_QUOTA
 */
export function checkReleaseQuota({ releaseBytes }: Quotas, totalBytes: number): void {
  if (releaseBytes === null || totalBytes <= releaseBytes) return
  const what = `${totalBytes} bytes in a release`
  throw new EngineError('ENGINE_ERR_QUOTA', { what, limit: releaseBytes, field: 'releaseBytes' })
}
