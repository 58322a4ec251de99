import { EngineError, isErrorCode } from '../base/errors.js'
import type { JobView } from '../model/job.js'

/**
 * What `completed()` gives for a job that is over: the job itself when it is live (also in part) .
 * @throws {EngineError} the code it failed with; ENGINE_ERR_JOB_ABORTED; ENGINE_ERR_JOB_FAILED.
 */
export function outcomeOf(job: JobView): JobView {
  if (job.state === 'aborted') throw new EngineError('ENGINE_ERR_JOB_ABORTED', { jobId: job.id })
  if (job.state !== 'failed') return job
  const { error } = job
  if (error !== null && isErrorCode(error.code)) {
    throw new EngineError(error.code, { jobId: job.id }, { message: error.message, hint: error.hint })
  }
  throw new EngineError('ENGINE_ERR_JOB_FAILED', { jobId: job.id, why: error?.message ?? 'no reason was recorded' })
}
