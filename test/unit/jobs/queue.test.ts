// Goal: one active job a site, in order. Method: small queues.
import t from 'tap'
import { QUEUED_JOBS_PER_SITE_MAX } from '../../../src/base/limits.js'
import { checkQueue, type QueuedJob, waitsOf } from '../../../src/jobs/queue.js'
import type { JobState } from '../../../src/model/job.js'

const job = (id: string, site: string, state: JobState = 'queued') => ({ id, site, state })
const startable = (jobs: readonly QueuedJob[]): readonly string[] =>
  [...waitsOf(jobs)].filter(([, waits]) => waits === null).map(([id]) => id)
const member = (id: string, state: JobState, isUncalled = false) => ({ ...job(id, 'www', state), isUncalled })

t.test('sites do not wait for each other', async (t) => {
  t.same(startable([job('1', 'www'), job('2', 'docs'), job('3', 'www')]), ['1', '2'])
})

t.test('a job at work, or one that waits for its commit, holds its site', async (t) => {
  for (const state of ['packing', 'distributing', 'staged', 'committing'] as const) {
    t.same(startable([job('1', 'www', state), job('2', 'www')]), [])
  }
})

t.test('who waits says for what: a job, or what it says itself; who waits for a time holds nobody up', async (t) => {
  const later = { ...job('1', 'www'), waits: 'time 12' }
  t.same(
    [...waitsOf([later, job('2', 'www'), job('3', 'www')])],
    [
      ['1', 'time 12'],
      ['2', null],
      ['3', 'job 2'],
    ],
  )
})

t.test('one that has ended holds nothing', async (t) => {
  t.same(startable([job('1', 'www', 'failed'), job('2', 'www')]), ['2'])
})

t.test('a queue that nobody looks at is refused', async (t) => {
  const full = Array.from({ length: QUEUED_JOBS_PER_SITE_MAX }, (_, at) => member(String(at), 'queued'))
  t.throws(() => checkQueue(full, 'www'), { code: 'ENGINE_ERR_OVERLOADED' })
  t.doesNotThrow(() => checkQueue(full, 'docs'))
})

t.test('nothing waits behind a job that nobody has committed or aborted yet', async (t) => {
  const expected = { code: 'ENGINE_ERR_CONFLICT', message: /job J1/, hint: /engine commit J1/ }
  t.throws(() => checkQueue([member('J1', 'staged', true)], 'www'), expected)
  t.doesNotThrow(() => checkQueue([member('J1', 'staged', true)], 'docs'))
  t.doesNotThrow(() => checkQueue([member('J1', 'staged')], 'www'), 'asked for already: it ends by itself')
  t.doesNotThrow(() => checkQueue([member('J1', 'distributing')], 'www'))
})
