// In: a job and what happened to it. Out: the job after it, or a refusal with a code.
// Never: I/O, a clock, a decision about nodes (see quorum.ts) or about who is next (see queue.ts).
import { assert } from '../base/assert.js'
import { EngineError } from '../base/errors.js'
import type { Canary } from '../model/canary.js'
import {
  type AssignmentRef,
  abortableStates,
  type ChangeSummary,
  type JobError,
  type JobState,
  type JobView,
} from '../model/job.js'

/** A job without its commands and its nodes' parts, which are tracked apart. */
export type JobFacts = Omit<JobView, 'nodes' | 'commands' | 'waitsFor'>

/** What can happen to a job, in the past tense. */
export type JobHappening =
  /** It has its site. */
  | { readonly type: 'started' }
  /** A publish begins. */
  | { readonly type: 'packing' }
  | { readonly type: 'scanned'; readonly changes: ChangeSummary }
  | { readonly type: 'numbered'; readonly release: number; readonly baseRelease: number | null }
  | { readonly type: 'assigned'; readonly assignment: AssignmentRef }
  | { readonly type: 'packed'; readonly streamBytes: number }
  | { readonly type: 'staged' }
  /** Some nodes serve it before the others, or no longer do. */
  | { readonly type: 'baking'; readonly canary: Canary }
  | { readonly type: 'decided' }
  /** A command begins that each node carries out by itself. */
  | { readonly type: 'executing' }
  /** That one is over, and nothing follows it yet. */
  | { readonly type: 'executed' }
  /** Nobody is waited for any longer who was told to switch. */
  | { readonly type: 'settled' }
  /** It waits for nodes before it ends. */
  | { readonly type: 'ending' }
  | { readonly type: 'finished'; readonly error: JobError | null }
  | { readonly type: 'failed'; readonly error: JobError }
  | { readonly type: 'aborted'; readonly error: JobError }
  /** Its content is not sent any more, or is again. */
  | { readonly type: 'paused' | 'resumed' }
  /** The process ended before the assignment was whole: it is packed again. */
  | { readonly type: 'interrupted' }

const finalStates: ReadonlySet<JobState> = new Set(['succeeded', 'partial', 'failed', 'aborted'])
const undecided: readonly JobState[] = [...abortableStates]

const unfinished: readonly JobState[] = [...undecided, 'committing', 'ending']

const allowed: Readonly<Record<JobHappening['type'], readonly JobState[]>> = {
  started: ['queued'],
  packing: ['queued', 'open'],
  scanned: ['packing'],
  numbered: ['queued', 'open', 'packing'],
  assigned: ['packing'],
  packed: ['distributing'],
  // From `packing`: nothing differs from what should be live already.
  staged: ['packing', 'distributing'],
  baking: ['staged'],
  // From `queued` and `open`: a rollback.
  decided: ['queued', 'open', 'packing', 'distributing', 'staged'],
  executing: ['open', 'staged'],
  executed: ['open', 'staged'],
  settled: ['committing'],
  ending: ['queued', 'open', 'committing'],
  finished: ['queued', 'open', 'staged', 'committing', 'ending'],
  failed: [...undecided, 'ending'],
  aborted: undecided,
  paused: unfinished,
  resumed: unfinished,
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
  return { ...job, state: stateAfter[happening.type] ?? job.state, ...factsOf(job, happening) }
}

type Ending = Extract<JobHappening, { readonly type: 'finished' | 'failed' | 'aborted' }>

/** Where a happening leads; what is not here leaves the state as it is. */
const stateAfter: Partial<Readonly<Record<JobHappening['type'], JobState>>> = {
  started: 'open',
  packing: 'packing',
  assigned: 'distributing',
  staged: 'staged',
  decided: 'committing',
  settled: 'open',
  ending: 'ending',
  interrupted: 'open',
}

/** What is known of the job from a happening on. */
function factsOf(job: JobFacts, happening: Exclude<JobHappening, Ending>): Partial<JobFacts> {
  switch (happening.type) {
    case 'packing':
      return { release: null, baseRelease: null, changes: null, assignment: null, canary: null }
    case 'scanned':
      return { changes: happening.changes }
    case 'numbered':
      // What a rollback goes back to has no canaries, whatever was live before.
      return { release: happening.release, baseRelease: happening.baseRelease, canary: null }
    case 'assigned':
      return { assignment: happening.assignment }
    case 'packed':
      return { assignment: withLength(job.assignment, happening.streamBytes) }
    case 'baking':
      return { canary: happening.canary }
    case 'paused':
      return { paused: true }
    case 'resumed':
      return { paused: false }
    case 'interrupted':
      return { assignment: null, canary: null }
    default:
      return {}
  }
}

/**
 * What may still happen to a job that is stopped before it has decided: that its canaries switch back, and that it
 * ends, as what it was stopped for. Pure.
 * @throws {EngineError} `why` for anything else.
 */
export function checkStop({ state }: JobFacts, happening: JobHappening, why: EngineError): JobHappening {
  if (!abortableStates.has(state)) return happening
  if (happening.type === 'baking' && happening.canary.revoked !== null) return happening
  if (happening.type !== 'failed' && happening.type !== 'aborted') throw why
  return { type: why.code === 'ENGINE_ERR_JOB_ABORTED' ? 'aborted' : 'failed', error: why.toReport() }
}

/** Whether nothing more can happen to a job. */
export function isFinal(state: JobState): boolean {
  return finalStates.has(state)
}

/** @throws {EngineError} ENGINE_ERR_JOB_STATE unless the job waits for its commit. */
export function checkCommit(job: JobFacts): void {
  if (job.state !== 'staged') throw notIn(job, 'committed')
}

/** @throws {EngineError} ENGINE_ERR_JOB_STATE when it has ended. */
export function checkOpen(job: JobFacts): void {
  if (isFinal(job.state)) throw notIn(job, 'given more commands')
}

/** @throws {EngineError} ENGINE_ERR_JOB_STATE when it has ended. */
export function checkPause(job: JobFacts, isPaused: boolean): void {
  if (isFinal(job.state)) throw notIn(job, isPaused ? 'paused' : 'resumed')
}

/**
 * One that waits for nodes before it ends may be told to wait no longer.
 * @throws {EngineError} ENGINE_ERR_JOB_STATE once the switch is decided or the job has ended.
 */
export function checkAbort(job: JobFacts): void {
  if (abortableStates.has(job.state) || job.state === 'ending') return
  throw job.state === 'committing' ? notIn(job, 'aborted', wayBack(job)) : notIn(job, 'aborted')
}

/** What is decided is not taken back by stopping halfway. Pure. */
const wayBack = ({ site }: JobFacts): string =>
  `its switch is decided and goes on; go back by engine rollback --site ${site} --reason TEXT when it has ended`

function notIn(job: JobFacts, action: string, hint?: string): EngineError {
  const said = hint === undefined ? {} : { hint }
  return new EngineError('ENGINE_ERR_JOB_STATE', { jobId: job.id, state: job.state, action }, said)
}

function withLength(assignment: AssignmentRef | null, streamBytes: number): AssignmentRef | null {
  return assignment === null ? null : { ...assignment, streamBytes }
}

function ended(job: JobFacts, { type, error }: Ending, nowMs: number): JobFacts {
  const state = type !== 'finished' ? type : error === null ? 'succeeded' : 'partial'
  return { ...job, state, error, finishedAtMs: nowMs }
}
