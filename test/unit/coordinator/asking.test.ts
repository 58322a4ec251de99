// Goal: what is asked of a job is answered when it is on record, however long it takes to be done.
// Method: the door over a real database and a job that gets nowhere.
import { mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { Door } from '../../../src/coordinator/asking.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { Roster } from '../../../src/coordinator/roster.js'
import { Watching } from '../../../src/coordinator/watching.js'
import type { World } from '../../../src/coordinator/world.js'
import { Store } from '../../../src/store/store.js'
import { FakeWebhooks } from '../../support/fake-webhooks.js'
import { untold } from '../../support/untold.js'
import { ManualClock } from '../../support/manual-clock.js'
import { jobCommands, jobRecord, publishRequests } from '../../support/records.js'

interface Place {
  testdir(content: { data: Record<string, never> }): string
  teardown(run: () => unknown): void
}

async function place(t: Place) {
  const dataDir = join(t.testdir({ data: {} }), 'data')
  const store = await Store.open(join(dataDir, 'engine.db'))
  t.teardown(() => store.close())
  const job = new LiveJob(
    jobRecord({ id: 'j', state: 'staged' }),
    { commands: jobCommands([{ type: 'publish', directory: '/srv/www', upload: null }], 1), parts: [] },
    0,
  )
  job.running = new Promise(() => {})
  await store.jobs.create(job.record)
  await store.commands.add('j', job.commands)
  const watching = new Watching(store.events)
  await watching.begin('j', true)
  const world = {
    ...untold,
    ...{
      store,
      watching,
      clock: new ManualClock(),
      roster: new Roster(),
      sites: new Map(),
      jobs: new Map([[job.id, job]]),
      closing: new AbortController().signal,
      quotas: { jobs: 2, releaseBytes: null },
    },
    content: { paths: { directory: dataDir } },
  } as unknown as World
  const version = { name: '', version: '', apiVersion: 1, channelVersion: 1, coordinatorId: '', publicKey: '' }
  return { dataDir, store, job, door: new Door({ world, newJobId: () => '', version, webhooks: new FakeWebhooks() }) }
}

t.test('a commit is answered before it is decided, and stands', async (t) => {
  const { store, job, door } = await place(t)
  t.match(await door.commitJob('j'), { state: 'staged' })
  t.match(job.next, { number: 2, request: { type: 'commit' } })
  t.match(await store.commands.list('j'), [{ state: 'completed' }, { state: 'new' }, { request: { type: 'end-job' } }])
})

t.test('an abort is answered before the job has stopped, and no commit comes after it', async (t) => {
  const { store, job, door } = await place(t)
  t.match(await door.abortJob('j'), { state: 'staged' })
  t.equal(job.signal.aborted, true)
  await t.rejects(door.commitJob('j'), { code: 'ENGINE_ERR_JOB_STATE' })
  t.equal(await store.jobs.isAbortAsked('j'), true)
})

t.test('a job that goes on while its abort is written is not said to stop', async (t) => {
  const { job, door } = await place(t)
  const abort = door.abortJob('j')
  job.record = { ...job.record, state: 'committing' }
  await t.rejects(abort, { code: 'ENGINE_ERR_JOB_STATE' })
  t.equal(job.signal.aborted, false)
})

t.test('what would wait behind a staged job is refused, unless that was called already', async (t) => {
  const { job, door } = await place(t)
  const { site } = job.record
  const rollback = { site, group: 'edge', reason: 'x', commands: [{ type: 'rollback' }] } as never
  await t.rejects(door.createJob(rollback), { code: 'ENGINE_ERR_CONFLICT', message: /job j/, hint: /engine commit j/ })
  await door.commitJob('j')
  const error: unknown = await door.createJob(rollback).catch((caught: unknown) => caught)
  t.notMatch(error, { code: 'ENGINE_ERR_CONFLICT' }, 'it is let into the queue')
})

t.test('the data directory is not published, by no name and with nothing around it', async (t) => {
  const { dataDir, door } = await place(t)
  const around = dirname(dataDir)
  const [below, alias, beside] = [join(dataDir, 'sites'), join(around, 'alias'), join(around, 'data-of-the-site')]
  for (const directory of [below, beside]) mkdirSync(directory)
  symlinkSync(dataDir, alias)
  const publish = (directory: string): Promise<unknown> =>
    door.createJob({ site: 'other', group: 'edge', commands: publishRequests(directory) } as never)
  for (const directory of [dataDir, below, alias, around, '/']) {
    const refusal = { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /signing key/, hint: /outside/ }
    await t.rejects(publish(directory), refusal, directory)
  }
  const error: unknown = await publish(beside).catch((caught: unknown) => caught)
  t.notMatch(error, { code: 'ENGINE_ERR_INVALID_ARGUMENT' }, 'a neighbour with a name that begins alike may be')
})
