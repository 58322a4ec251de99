// Goal: whom a client names when it asks for a job is called at its end, exactly once, or the job is not made at all.
// Method: a real database; the transaction of a job's end, as the coordinator writes it.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Announcing } from '../../../src/coordinator/announcing.js'
import { DurableOutbox } from '../../../src/coordinator/outbox.js'
import { Store } from '../../../src/store/store.js'
import { jobCommands, jobRecord, publishRequests } from '../../support/records.js'
import { toView } from '../../../src/coordinator/live-job.js'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

async function place(t: Test, allowPrivate = false) {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  let ids = 0
  const outbox = new DurableOutbox({ store, newId: () => `W${++ids}`, allowPrivate, nowMs: () => 5 })
  const announcing = new Announcing({ outbox, store } as never)
  return { store, outbox, announcing }
}

t.test('the end of a job is told to who asked for it, and of no other job', async (t) => {
  const { store, outbox, announcing } = await place(t)
  await store.transaction(async (tables) => {
    await tables.jobs.create(jobRecord({ id: 'J' }))
    await outbox.enqueueFor(tables, { id: 'J' }, { url: 'https://ci.test/done', secret })
  })
  await store.transaction(async (tables) => {
    for (const id of ['J', 'K']) {
      for (const happening of ['queued', 'assigned', 'staged', 'decided', 'finished'] as const) {
        const job = toView(jobRecord({ id, state: 'succeeded' }), jobCommands(publishRequests('/srv')), [])
        await announcing.announceJob(tables, happening, job, 9)
      }
    }
  })
  const due = await outbox.due(5, [])
  t.equal(due.length, 1)
  const outgoing = await outbox.load(due[0]?.id ?? '')
  t.match(outgoing, { webhookId: 'W1', event: { type: 'engine.job.committed', data: { jobId: 'J' } } })
  t.match(outgoing?.endpoint, { url: 'https://ci.test/done', secrets: [{ secret }], allowPrivate: false, isOff: false })
  t.notMatch(outgoing?.id, /\./, 'a full stop parts what is signed')
})

t.test('an end that is not written leaves no callback, nor does a job', async (t) => {
  const { store, outbox, announcing } = await place(t)
  const create = (url: string, given = secret) =>
    store.transaction(async (tables) => {
      await tables.jobs.create(jobRecord({ id: 'J' }))
      await outbox.enqueueFor(tables, { id: 'J' }, { url, secret: given })
    })
  await t.rejects(create('http://10.0.0.1/'), { code: 'ENGINE_ERR_ADDRESS_BLOCKED' })
  await t.rejects(create('gopher://a.test/'), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await t.rejects(create('https://a.test/', 'guess'), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  t.equal(await store.jobs.get('J'), null)
  await create('https://a.test/')
  const ended = store.transaction(async (tables) => {
    await announcing.announceJob(tables, 'failed', toView(jobRecord({ id: 'J', state: 'failed' }), [], []), 9)
    throw new Error('no space')
  })
  await t.rejects(ended, /no space/)
  t.same(await outbox.due(5, []), [])
  t.equal(await store.fleetEvents.lastId(), 0)
})

t.test('of a job with many nodes an event stays small: counts, and some names', async (t) => {
  const { store, announcing } = await place(t)
  const nodes = Array.from({ length: 1000 }, (_, at) => ({
    ...{ nodeId: `${at}`, name: `node-${at}`, segment: 's', bytesHave: 0, rateBps: 0, rank: 0 },
    ...({ state: at % 2 === 0 ? 'live' : 'behind', reason: 'it has not answered for 20 s' } as const),
  }))
  await store.transaction((tables) => announcing.announceJob(tables, 'finished', toView(jobRecord(), [], nodes), 9))
  const [event] = await store.fleetEvents.since(0, 0)
  t.match(event?.data, { nodeCount: 1000, nodeCounts: { live: 500, behind: 500 } })
  t.ok(JSON.stringify(event).length < 4096)
})
