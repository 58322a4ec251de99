// Goal: a job that cannot be ended now is ended later, so that its site is free again.
// Method: a real database that refuses at first, by a clock that is moved by hand.
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { RETRY_FIRST_MS } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { Roster } from '../../../src/coordinator/roster.js'
import { launch } from '../../../src/coordinator/running.js'
import { Watching } from '../../../src/coordinator/watching.js'
import type { World } from '../../../src/coordinator/world.js'
import type { CommandRequest } from '../../../src/model/job.js'
import { Store } from '../../../src/store/store.js'
import { ManualClock } from '../../support/manual-clock.js'
import { jobCommands } from '../../support/records.js'
import { until } from '../../support/until.js'
import { untold } from '../../support/untold.js'

interface Place {
  testdir(): string
  teardown(run: () => unknown): void
}

/**
 * A job that was aborted, or of which one command is left, over a database that refuses the next `refusals`
 * transactions.
 */
async function place(t: Place, refusals: number, left: CommandRequest | null = null) {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  const policy = { maxDeleteRatio: 1, allowEmpty: true, quorum: 0.5, strategy: 'braid' } as const
  const record = {
    ...({
      id: 'j',
      site: 'www',
      group: 'edge',
      only: null,
      state: left === null ? 'packing' : 'open',
      release: null,
    } as const),
    ...{ baseRelease: null, treeHash: null, reason: null, policy, changes: null, assignment: null },
    ...{ error: null, createdAtMs: 1, finishedAtMs: null },
  }
  await store.jobs.create(record)
  const commands = left === null ? [] : jobCommands([left])
  await store.commands.add('j', commands)
  const job = new LiveJob(record, { commands, parts: [] }, 0)
  const [clock, closing, watching] = [new ManualClock(), new AbortController(), new Watching(store.events)]
  await watching.begin(job.id, true)
  const transaction = store.transaction.bind(store)
  let refusalsLeft = refusals
  store.transaction = (work) => {
    refusalsLeft -= 1
    return refusalsLeft < 0
      ? transaction(work)
      : Promise.reject(new EngineError('ENGINE_ERR_DATABASE_BUSY', { path: 'db' }))
  }
  const world = {
    ...untold,
    ...{ store, watching, roster: new Roster(), clock, log: silentLogger, metrics: createMetrics(), stale: [] },
    ...{ jobs: new Map([[job.id, job]]), sites: new Map(), background: new Set(), closing: closing.signal },
    ...{ content: { dropScan: async () => {} }, uploads: { letGo: async () => {} } },
  } as unknown as World
  if (left === null) job.controller.abort(new EngineError('ENGINE_ERR_JOB_ABORTED', { jobId: job.id }))
  return { world, job, clock, closing }
}

t.test('a failure that cannot be written is written later, and the site is free', async (t) => {
  const { world, job, clock } = await place(t, 2)
  launch(world, job)
  for (const waitMs of [RETRY_FIRST_MS, 2 * RETRY_FIRST_MS]) {
    await until('it waits', () => clock.waiting === 1)
    t.equal(world.jobs.size, 1)
    clock.advance(waitMs)
  }
  await job.running
  t.match(await world.store.jobs.get('j'), { state: 'aborted', error: { code: 'ENGINE_ERR_JOB_ABORTED' } })
  t.equal(world.jobs.size, 0)
  await Promise.allSettled([...world.background])
})

t.test('a job of which only the end is left does not fail for what cannot be written now', async (t) => {
  const { world, job, clock } = await place(t, 1, { type: 'end-job' })
  launch(world, job)
  await until('it waits', () => clock.waiting === 1)
  t.match(await world.store.jobs.get('j'), { state: 'open', error: null })
  clock.advance(RETRY_FIRST_MS)
  await job.running
  t.match(await world.store.jobs.get('j'), { state: 'succeeded', error: null })
  await Promise.allSettled([...world.background])
})

t.test('closing ends the wait, and the job is taken up in the next life', async (t) => {
  const { world, job, clock, closing } = await place(t, Number.POSITIVE_INFINITY)
  launch(world, job)
  await until('it waits', () => clock.waiting === 1)
  closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
  await job.running
  t.match(await world.store.jobs.get('j'), { state: 'packing' })
  t.equal(world.jobs.size, 1)
})
