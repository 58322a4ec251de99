// In: a job and what happened to it. Out: the job after it, or a refusal with a code.
// Never: I/O, a clock, a decision about nodes (see quorum.ts) or about who is next (see queue.ts).
import { assert } from '../base/assert.js'
import { EngineError } from '../base/errors.js'
import type { AssignmentRef, ChangeSummary, JobError, JobState, JobView } from '../model/job.js'

/** A job without its nodes' parts, which are tracked apart. */
export type JobFacts = Omit<JobView, 'nodes'>

/** What can happen to a job, in the past tense. */
export type JobHappening =
  | { readonly type: 'started' }
  | { readonly type: 'scanned'; readonly changes: ChangeSummary }
  | { readonly type: 'numbered'; readonly release: number; readonly baseRelease: number | null }
  | { readonly type: 'assigned'; readonly assignment: AssignmentRef }
  | { readonly type: 'packed'; readonly streamBytes: number }
  | { readonly type: 'staged' }
  | { readonly type: 'decided' }
  | { readonly type: 'finished'; readonly error: JobError | null }
  | { readonly type: 'failed'; readonly error: JobError }
  | { readonly type: 'aborted'; readonly error: JobError }
  /** The process ended before the assignment was whole: it is packed again. */
  | { readonly type: 'interrupted' }

const finalStates: ReadonlySet<JobState> = new Set(['succeeded', 'partial', 'failed', 'aborted'])
/** Before the decision is stored, a job may still end without any node having switched. */
const undecided: readonly JobState[] = ['queued', 'packing', 'distributing', 'staged']

const allowed: Readonly<Record<JobHappening['type'], readonly JobState[]>> = {
  started: ['queued'],
  scanned: ['packing'],
  numbered: ['queued', 'packing'],
  assigned: ['packing'],
  packed: ['distributing'],
  staged: ['distributing'],
  // From `queued`: a rollback. From `packing`: nothing differs from what should be live already.
  decided: ['queued', 'packing', 'distributing', 'staged'],
  finished: ['packing', 'committing'],
  failed: undecided,
  aborted: undecided,
  interrupted: ['packing', 'distributing', 'staged'],
}

/**
 * The job after what happened. Pure.
 * @param nowMs  wall clock, kept as the time it finished.
 * @throws {EngineError} ENGINE_ERR_INTERNAL when that cannot happen to a job in this state.
 */
export function stepJob(job: JobFacts, happening: JobHappening, nowMs: number): JobFacts {
  assert(allowed[happening.type].includes(job.state), 'this cannot happen to a job in this state', {
    jobId: job.id,
    state: job.state,
    happening: happening.type,
  })
  if (happening.type === 'finished' || happening.type === 'failed' || happening.type === 'aborted') {
    return ended(job, happening, nowMs)
  }
  return { ...job, ...changeOf(job, happening) }
}

type Ending = Extract<JobHappening, { readonly type: 'finished' | 'failed' | 'aborted' }>

function changeOf(job: JobFacts, happening: Exclude<JobHappening, Ending>): Partial<JobFacts> {
  switch (happening.type) {
    case 'started':
      return { state: 'packing' }
    case 'scanned':
      return { changes: happening.changes }
    case 'numbered':
      return { release: happening.release, baseRelease: happening.baseRelease }
    case 'assigned':
      return { state: 'distributing', assignment: happening.assignment }
    case 'packed':
      return { assignment: withLength(job.assignment, happening.streamBytes) }
    case 'staged':
      return { state: 'staged' }
    case 'decided':
      return { state: 'committing' }
    case 'interrupted':
      return { state: 'packing', assignment: null }
  }
}

/** Whether nothing more can happen to a job. */
export function isFinal(state: JobState): boolean {
  return finalStates.has(state)
}

/** @throws {EngineError} ENGINE_ERR_JOB_STATE unless the job waits for its commit. */
export function checkCommit(job: JobFacts): void {
  if (job.state !== 'staged') throw notIn(job, 'committed')
}

/** @throws {EngineError} ENGINE_ERR_JOB_STATE once the switch is decided or the job has ended. */
export function checkAbort(job: JobFacts): void {
  if (!undecided.includes(job.state)) throw notIn(job, 'aborted')
}

function notIn(job: JobFacts, action: string): EngineError {
  return new EngineError('ENGINE_ERR_JOB_STATE', { jobId: job.id, state: job.state, action })
}

function withLength(assignment: AssignmentRef | null, streamBytes: number): AssignmentRef | null {
  return assignment === null ? null : { ...assignment, streamBytes }
}

function ended(job: JobFacts, { type, error }: Ending, nowMs: number): JobFacts {
  const state = type !== 'finished' ? type : error === null ? 'succeeded' : 'partial'
  return { ...job, state, error, finishedAtMs: nowMs }
}
