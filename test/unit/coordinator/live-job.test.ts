// Goal: what became of a node is on record in the end, also when the database refused it at first.
// Method: a real database of which the first writes fail, by a move of the job and by a round.
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/log.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { Roster } from '../../../src/coordinator/roster.js'
import { Ticking } from '../../../src/coordinator/ticking.js'
import { Watching } from '../../../src/coordinator/watching.js'
import { advance, type World } from '../../../src/coordinator/world.js'
import { Store } from '../../../src/store/store.js'
import { foldPart, newPart } from '../../../src/track/fold.js'
import { ManualClock } from '../../support/manual-clock.js'
import { jobRecord, nodeIdentity } from '../../support/records.js'
import { untold } from '../../support/untold.js'

interface Place {
  testdir(): string
  teardown(run: () => unknown): void
}

const busy = () => Promise.reject(new EngineError('ENGINE_ERR_DATABASE_BUSY', { path: 'db' }))

/** A job of one node that has just staged, which the database does not know yet. */
async function place(t: Place) {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  const part = newPart(nodeIdentity())
  const job = new LiveJob(jobRecord({ id: 'j' }), { commands: [], parts: [part] }, 0)
  await store.jobs.create(job.record)
  await store.jobNodes.put(job.id, [part])
  job.setPart(foldPart(part, { type: 'staged' }), 1)
  const world = {
    ...untold,
    ...{ store, watching: new Watching(store.events), clock: new ManualClock(), log: silentLogger },
    ...{ roster: new Roster(), jobs: new Map([[job.id, job]]), sites: new Map(), background: new Set() },
    ...{ transfers: { all: [], poll: () => [] }, closing: new AbortController().signal },
  } as unknown as World
  const stateOnRecord = async () => (await store.jobNodes.list('j'))[0]?.state
  return { store, world, job, stateOnRecord }
}

t.test('states that a failed move had with it are written by the next', async (t) => {
  const { store, world, job, stateOnRecord } = await place(t)
  const transaction = store.transaction.bind(store)
  store.transaction = busy
  await t.rejects(advance(world, job, { type: 'started' }), { code: 'ENGINE_ERR_DATABASE_BUSY' })
  store.transaction = transaction
  t.equal(await stateOnRecord(), 'new')
  await advance(world, job, { type: 'started' })
  t.equal(await stateOnRecord(), 'staged')
  t.equal(job.hasUnsaved, false)
})

t.test('states that a round could not write are written by the next', async (t) => {
  const { store, world, stateOnRecord } = await place(t)
  const put = store.jobNodes.put.bind(store.jobNodes)
  const ticking = new Ticking(world)
  const round = async () => {
    ticking.tick()
    await Promise.allSettled([...world.background])
    return stateOnRecord()
  }
  store.jobNodes.put = busy
  t.equal(await round(), 'new')
  store.jobNodes.put = put
  t.equal(await round(), 'staged')
})
