// Goal: a job's policy and pause say how fast it is sent. Method: a table.
import t from 'tap'
import { checkPause, type JobFacts, stepJob } from '../../../src/jobs/job.js'
import { isUsual, paceOf } from '../../../src/jobs/pace.js'
import { jobStates } from '../../../src/model/job.js'

const usual = { maxDeleteRatio: 1, allowEmpty: false, quorum: 1, strategy: 'braid' } as const

t.test('what is not said is as ever', async (t) => {
  t.same(paceOf({ policy: usual }), { rateBps: null, weight: 10, isPaused: false })
  t.ok(isUsual(paceOf({ policy: { ...usual, bwlimit: 'off' } })))
  const limited = { ...usual, bwlimit: '1M', priority: 30 }
  t.same(paceOf({ policy: limited, paused: true }), { rateBps: 8 * 1024 * 1024, weight: 30, isPaused: true })
  for (const policy of [
    { ...usual, bwlimit: '1M' },
    { ...usual, priority: 1 },
  ])
    t.notOk(isUsual(paceOf({ policy })))
  t.notOk(isUsual(paceOf({ policy: usual, paused: true })))
})

t.test('a job is paused and resumed in every state but the last', async (t) => {
  for (const state of jobStates) {
    const job = { id: 'j', site: 'www', state, policy: usual } as unknown as JobFacts
    if (['succeeded', 'partial', 'failed', 'aborted'].includes(state)) {
      t.throws(() => checkPause(job, true), { code: 'ENGINE_ERR_JOB_STATE', message: /paused/ }, state)
      continue
    }
    checkPause(job, true)
    const paused = stepJob(job, { type: 'paused' }, 1)
    t.match(paused, { state, paused: true })
    t.match(stepJob(paused, { type: 'resumed' }, 1), { state, paused: false })
  }
})
