// Goal: a job is in the state that its story says, and refuses what cannot happen to it. Method: happenings in any
// order, stops in between, against a diagram that was drawn by itself: from each state the ways that lead out of it.
import fc from 'fast-check'
import t from 'tap'
import { EngineError } from '../../src/base/errors.js'
import {
  checkAbort,
  checkCommit,
  checkOpen,
  checkStop,
  type JobFacts,
  type JobHappening,
  stepJob,
} from '../../src/jobs/job.js'
import type { JobState } from '../../src/model/job.js'
import { jobRecord } from '../support/records.js'

type Happening = JobHappening['type']

const lost = { failed: 'failed', aborted: 'aborted' } as const
const diagram: Readonly<Record<JobState, Partial<Readonly<Record<Happening, JobState>>>>> = {
  queued: {
    ...{ started: 'open', packing: 'packing', numbered: 'queued', decided: 'committing', ending: 'ending' },
    ...{ finished: 'succeeded', ...lost },
  },
  open: {
    ...{ packing: 'packing', numbered: 'open', decided: 'committing', executing: 'open', executed: 'open' },
    ...{ ending: 'ending', finished: 'succeeded', ...lost },
  },
  packing: {
    ...{ scanned: 'packing', numbered: 'packing', assigned: 'distributing', staged: 'staged' },
    ...{ decided: 'committing', interrupted: 'open', ...lost },
  },
  distributing: {
    ...{ packed: 'distributing', staged: 'staged', decided: 'committing', interrupted: 'open', ...lost },
  },
  staged: {
    ...{ baking: 'staged', decided: 'committing', executing: 'staged', executed: 'staged', interrupted: 'open' },
    ...{ finished: 'succeeded', ...lost },
  },
  committing: { settled: 'open', ending: 'ending', finished: 'succeeded' },
  ending: { finished: 'succeeded', failed: 'failed' },
  succeeded: {},
  partial: {},
  failed: {},
  aborted: {},
}
const stoppable: readonly JobState[] = ['queued', 'open', 'packing', 'distributing', 'staged']

/** What is known of the job by its story alone. */
interface Model {
  state: JobState
  release: number | null
  hasChanges: boolean
  /** Null: none; else the length of its stream, null while it is packed. */
  stream: { bytes: number | null } | null
  stop: 'abort' | 'deadline' | null
  error: string | null
}

interface Real {
  job: JobFacts
  stop: EngineError | null
  /** States that it has been in. */
  readonly seen: Set<JobState>
}

type Step = fc.Command<Model, Real>

/** The end that a stop or a failure leads to. */
function endOf(model: Model, happening: JobHappening): JobState {
  if (happening.type === 'finished') return happening.error === null ? 'succeeded' : 'partial'
  if (model.stop === null || !stoppable.includes(model.state))
    return happening.type === 'aborted' ? 'aborted' : 'failed'
  return model.stop === 'abort' ? 'aborted' : 'failed'
}

function follow(model: Model, happening: JobHappening): void {
  if ('error' in happening) {
    const isStopped = model.stop !== null && stoppable.includes(model.state)
    const stopped = model.stop === 'abort' ? 'ENGINE_ERR_JOB_ABORTED' : 'ENGINE_ERR_DEADLINE'
    model.error = isStopped ? stopped : (happening.error?.code ?? null)
    model.state = endOf(model, happening)
    return
  }
  Object.assign(model, learned(happening))
  model.state = diagram[model.state][happening.type] ?? model.state
}

/** What the story tells of the job beside its state. */
function learned(happening: JobHappening): Partial<Model> {
  if (happening.type === 'packing') return { release: null, hasChanges: false, stream: null }
  if (happening.type === 'scanned') return { hasChanges: true }
  if (happening.type === 'numbered') return { release: happening.release }
  if (happening.type === 'assigned') return { stream: { bytes: null } }
  // Only what is on its way can be packed to its end.
  if (happening.type === 'packed') return { stream: { bytes: happening.streamBytes } }
  return happening.type === 'interrupted' ? { stream: null } : {}
}

function mayHappen({ state, stop }: Model, happening: JobHappening): boolean {
  const { type } = happening
  const isBackwards = type === 'baking' && happening.canary.revoked !== null
  const isStopped = stop !== null && stoppable.includes(state)
  if (isStopped && !isBackwards) return type === 'failed' || type === 'aborted'
  return diagram[state][type] !== undefined
}

function same(model: Model, { job }: Real): void {
  const stream = job.assignment === null ? null : { bytes: job.assignment.streamBytes }
  const seen = { state: job.state, release: job.release, hasChanges: job.changes !== null, stream }
  const { stop: _stop, ...told } = model
  const all = { ...seen, error: job.error?.code ?? null }
  if (JSON.stringify(Object.entries(all).sort()) !== JSON.stringify(Object.entries(told).sort())) {
    throw new Error(`${JSON.stringify(all)}, but by its story ${JSON.stringify(told)}`)
  }
  if ((job.finishedAtMs !== null) !== (Object.keys(diagram[model.state]).length === 0)) throw new Error('its end')
  isAllowed(() => checkAbort(job), [...stoppable, 'ending'].includes(model.state), 'abort')
  isAllowed(() => checkCommit(job), model.state === 'staged', 'commit')
  isAllowed(() => checkOpen(job), Object.keys(diagram[model.state]).length > 0, 'addition')
}

function isAllowed(ask: () => void, expected: boolean, what: string): void {
  let was = true
  try {
    ask()
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    was = false
  }
  if (was !== expected) throw new Error(`${what}: ${was ? 'taken' : 'refused'}, expected otherwise`)
}

class Happens implements Step {
  readonly happening: JobHappening

  constructor(happening: JobHappening) {
    this.happening = happening
  }

  check = (): boolean => true

  run(model: Model, real: Real): void {
    const { happening } = this
    const before = real.job
    isAllowed(
      () => {
        const step = real.stop === null ? happening : checkStop(before, happening, real.stop)
        real.job = stepJob(before, step, 9)
      },
      mayHappen(model, happening),
      happening.type,
    )
    if (mayHappen(model, happening)) follow(model, happening)
    else if (real.job !== before) throw new Error('a refusal changed it')
    same(model, real)
    real.seen.add(real.job.state)
  }

  toString = (): string => this.happening.type
}

class Stops implements Step {
  readonly why: 'abort' | 'deadline'

  constructor(why: 'abort' | 'deadline') {
    this.why = why
  }

  /** The first reason counts. */
  check = ({ stop, state }: Readonly<Model>): boolean => stop === null && stoppable.includes(state)

  run(model: Model, real: Real): void {
    model.stop = this.why
    const facts = { jobId: 'j', site: 'www' }
    real.stop = new EngineError(this.why === 'abort' ? 'ENGINE_ERR_JOB_ABORTED' : 'ENGINE_ERR_DEADLINE', facts)
  }

  toString = (): string => `stop: ${this.why}`
}

const error = { code: 'ENGINE_ERR_QUORUM', message: 'too few', hint: 'start more' }
const changes = { filesAdded: 1, filesChanged: 0, filesDeleted: 0, fileCount: 1, totalBytes: 10 }
const plain = fc.constantFrom<JobHappening>(
  ...(
    ['started', 'packing', 'staged', 'decided', 'executing', 'executed', 'settled', 'ending', 'interrupted'] as const
  ).map((type) => ({ type })),
)
const told: fc.Arbitrary<JobHappening> = fc.oneof(
  fc.constant<JobHappening>({ type: 'scanned', changes }),
  fc.nat(99).map((release): JobHappening => ({ type: 'numbered', release, baseRelease: null })),
  fc.nat(99).map((serial): JobHappening => {
    return { type: 'assigned', assignment: { id: 'a'.repeat(32), serial, chunkBytes: 65_536, streamBytes: null } }
  }),
  fc.constantFrom(null, error).map((revoked): JobHappening => {
    const canary = { nodeIds: [], names: [], number: 1, decidedAtMs: 1, untilMs: null, revoked }
    return { type: 'baking', canary }
  }),
  fc.nat(999).map((streamBytes): JobHappening => ({ type: 'packed', streamBytes })),
)
const ends = fc.constantFrom<JobHappening>(
  { type: 'finished', error: null },
  { type: 'finished', error },
  { type: 'failed', error },
  { type: 'aborted', error },
)
const steps = [
  plain.map((happening): Step => new Happens(happening)),
  told.map((happening): Step => new Happens(happening)),
  fc.oneof({ arbitrary: ends, weight: 1 }, { arbitrary: plain, weight: 3 }).map((each): Step => new Happens(each)),
  fc.constantFrom<Step>(new Stops('abort'), new Stops('deadline')),
]

t.test('a job follows its diagram whatever happens, and is what it was stopped for', async (t) => {
  const seen = new Set<JobState>()
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 60, size: 'max' }), (commands) => {
      const { treeHash: _treeHash, ...job } = jobRecord()
      const model: Model = { state: 'queued', release: null, hasChanges: false, stream: null, stop: null, error: null }
      fc.modelRun(() => ({ model, real: { job, stop: null, seen } }), commands)
    }),
    { numRuns: 600 },
  )
  t.equal(seen.size, Object.keys(diagram).length, `only ${[...seen].join(', ')} were come to`)
})
