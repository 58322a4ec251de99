import { EngineError, isErrorCode } from '../base/errors.js'
import type { JobEvent } from '../model/event.js'
import { abortableStates, type JobView } from '../model/job.js'

/**
 * What `completed()` gives for a job that is over: the job itself when it is live (also in part).
 * @throws {EngineError} the code it failed with; ENGINE_ERR_JOB_ABORTED; ENGINE_ERR_JOB_FAILED.
 */
export function outcomeOf(job: JobView): JobView {
  if (job.state !== 'failed' && job.state !== 'aborted') return job
  const { error } = job
  if (error !== null && isErrorCode(error.code)) {
    throw new EngineError(error.code, { jobId: job.id }, { message: error.message, hint: error.hint })
  }
  if (job.state === 'aborted') throw new EngineError('ENGINE_ERR_JOB_ABORTED', { jobId: job.id })
  throw new EngineError('ENGINE_ERR_JOB_FAILED', { jobId: job.id, why: error?.message ?? 'no reason was recorded' })
}

/**
 * Waits until a job that was asked to abort has, or until one that only waited for nodes has ended without them.
 * @param look  the job as it is now.
 * @param events  its events from the first on: old ones only have it looked at once more.
 * @throws {EngineError} ENGINE_ERR_JOB_STATE when it decided or ended before it could stop; ENGINE_ERR_CLOSING when
 * its events break off.
 */
export async function abortedOf(
  asked: JobView,
  look: () => Promise<JobView>,
  events: AsyncIterable<JobEvent>,
): Promise<JobView> {
  let last = asked
  if (mayStop(last)) {
    for await (const event of events) {
      last = event.type === 'result' ? event.job : await look()
      if (!mayStop(last)) break
    }
  }
  if (mayStop(last)) throw new EngineError('ENGINE_ERR_CLOSING')
  if (last.state === 'aborted' || asked.state === 'ending') return last
  throw new EngineError('ENGINE_ERR_JOB_STATE', { jobId: last.id, state: last.state, action: 'aborted' })
}

const mayStop = ({ state }: JobView): boolean => abortableStates.has(state) || state === 'ending'
