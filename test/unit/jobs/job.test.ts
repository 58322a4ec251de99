// Goal: a job moves only as it may. Method: the usual paths by hand, every other step must be refused.
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import {
  checkAbort,
  checkCommit,
  checkStop,
  isFinal,
  type JobFacts,
  type JobHappening,
  stepJob,
} from '../../../src/jobs/job.js'
import { abortableStates, jobStates } from '../../../src/model/job.js'

const policy = { maxDeleteRatio: 0.25, allowEmpty: false, quorum: 0.5, strategy: 'braid' } as const
const assignment = { id: 'a'.repeat(32), serial: 1, chunkBytes: 65_536, streamBytes: null }
const changes = { filesAdded: 1, filesChanged: 0, filesDeleted: 0, fileCount: 1, totalBytes: 10 }
const error = { code: 'ENGINE_ERR_QUORUM', message: 'too few', hint: 'start more' }

const queued: JobFacts = {
  id: 'j1',
  site: 'www',
  group: 'edge',
  only: null,
  state: 'queued',
  release: null,
  baseRelease: null,
  reason: null,
  policy,
  changes: null,
  assignment: null,
  createdAtMs: 1,
  finishedAtMs: null,
  error: null,
}

const happenings: readonly JobHappening[] = [
  { type: 'started' },
  { type: 'packing' },
  { type: 'scanned', changes },
  { type: 'numbered', release: 3, baseRelease: 2 },
  { type: 'assigned', assignment },
  { type: 'packed', streamBytes: 77 },
  { type: 'staged' },
  { type: 'decided' },
  { type: 'executing' },
  { type: 'settled' },
  { type: 'ending' },
  { type: 'finished', error: null },
  { type: 'failed', error },
  { type: 'aborted', error },
  { type: 'interrupted' },
]

function run(types: readonly JobHappening['type'][]): JobFacts {
  return types.reduce((job, type) => {
    const happening = happenings.find((each) => each.type === type)
    return happening === undefined ? job : stepJob(job, happening, 9)
  }, queued)
}

t.test('a publish goes from the queue to success and keeps what it learned', async (t) => {
  const job = run(['packing', 'scanned', 'numbered', 'assigned', 'packed', 'decided', 'finished'])
  t.match(job, { state: 'succeeded', release: 3, baseRelease: 2, changes, finishedAtMs: 9, error: null })
  t.same(job.assignment, { ...assignment, streamBytes: 77 })
})

t.test('a stage-only publish stops before the switch', async (t) => {
  const staged = run(['packing', 'scanned', 'numbered', 'assigned', 'packed', 'staged'])
  t.equal(staged.state, 'staged')
  t.doesNotThrow(() => checkCommit(staged))
  t.equal(stepJob(staged, { type: 'decided' }, 9).state, 'committing')
})

t.test('a rollback needs no packing', async (t) => {
  t.equal(run(['numbered', 'decided', 'finished']).state, 'succeeded')
})

t.test('canaries are of one release: a publish and a rollback that follow have none of theirs', async (t) => {
  const canary = { nodeIds: ['a'], names: ['a'], number: 2, decidedAtMs: 1, untilMs: 2, revoked: null }
  const staged = run(['packing', 'scanned', 'numbered', 'assigned', 'packed', 'staged'])
  const baked = stepJob(staged, { type: 'baking', canary }, 9)
  t.equal(stepJob(baked, { type: 'decided' }, 9).canary, canary, 'who went first is told to the end')
  const open = stepJob(stepJob(baked, { type: 'decided' }, 9), { type: 'settled' }, 9)
  t.equal(stepJob(open, { type: 'packing' }, 9).canary, null)
  t.equal(stepJob(open, { type: 'numbered', release: 1, baseRelease: null }, 9).canary, null)
})

t.test('nodes left behind make a job partial', async (t) => {
  const committing = run(['packing', 'numbered', 'assigned', 'packed', 'decided'])
  t.match(stepJob(committing, { type: 'finished', error }, 9), { state: 'partial', error })
})

t.test('an interrupted packing starts anew without its assignment', async (t) => {
  t.match(run(['packing', 'scanned', 'numbered', 'assigned', 'interrupted']), {
    state: 'open',
    assignment: null,
    release: 3,
  })
})

t.test('once the switch is decided a job neither fails nor is aborted', async (t) => {
  const committing = run(['packing', 'numbered', 'assigned', 'packed', 'decided'])
  t.throws(() => stepJob(committing, { type: 'failed', error }, 9), { code: 'ENGINE_ERR_INTERNAL' })
  t.throws(() => stepJob(committing, { type: 'aborted', error }, 9), { code: 'ENGINE_ERR_INTERNAL' })
  const decided = { code: 'ENGINE_ERR_JOB_STATE', details: { state: 'committing' }, hint: /rollback --site www/ }
  t.throws(() => checkAbort(committing), decided)
  t.doesNotThrow(() => checkAbort({ ...committing, state: 'ending' }), 'nobody is waited for any longer then')
})

t.test('a job that is stopped before it has decided can only end, as what it was stopped for', async (t) => {
  const abort = new EngineError('ENGINE_ERR_JOB_ABORTED', { jobId: 'j1' })
  const late = new EngineError('ENGINE_ERR_DEADLINE', { jobId: 'j1', site: 'www' })
  for (const state of abortableStates) {
    const job = { ...queued, state }
    t.throws(() => checkStop(job, { type: 'decided' }, abort), abort)
    t.match(checkStop(job, { type: 'failed', error }, abort), { type: 'aborted', error: { code: abort.code } })
    t.match(checkStop(job, { type: 'aborted', error }, late), { type: 'failed', error: { code: late.code } })
  }
  const settled = { type: 'settled' } as const
  t.equal(checkStop({ ...queued, state: 'committing' }, settled, abort), settled, 'a decision stands')
})

t.test('nothing happens to a job that has ended', async (t) => {
  for (const state of jobStates.filter(isFinal)) {
    for (const happening of happenings) {
      t.throws(() => stepJob({ ...queued, state }, happening, 9), EngineError, `${happening.type} after ${state}`)
    }
    t.throws(() => checkAbort({ ...queued, state }), { code: 'ENGINE_ERR_JOB_STATE' })
    t.throws(() => checkCommit({ ...queued, state }), { code: 'ENGINE_ERR_JOB_STATE' })
  }
})

t.test('every state either ends or leads on', async (t) => {
  for (const state of jobStates.filter((each) => !isFinal(each))) {
    const onward = happenings.filter((happening) => {
      try {
        return stepJob({ ...queued, state }, happening, 9).state !== state
      } catch {
        return false
      }
    })
    t.ok(onward.length > 0, state)
  }
})
