// Goal: events, webhooks and deliveries come back as they were put in; no id is given twice; nothing grows for ever.
// Method: a real database each.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { News } from '../../../src/model/fleet-event.js'
import { defaultPruneLimits } from '../../../src/store/prune.js'
import { Store } from '../../../src/store/store.js'
import type { WebhookRecord } from '../../../src/store/webhooks.js'
import { jobRecord } from '../../support/records.js'

const HOUR_MS = 3_600_000
const opened = async (t: Test): Promise<Store> => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  return store
}
const news = (atMs: number): News => ({
  type: 'engine.job.failed',
  subject: 'jobs/1',
  site: 'www',
  atMs,
  data: { jobId: 'J' },
})
const webhook = (id: string, parts: Partial<WebhookRecord> = {}): WebhookRecord => ({
  ...{ id, url: 'https://a.test/', types: ['job.*'], site: null, secrets: [{ secret: 'whsec_x', untilMs: null }] },
  ...{ allowPrivate: true, jobId: null, createdAtMs: 1, offAtMs: null, offReason: null },
  ...{ failingSinceMs: null, deliveredAtMs: null, ...parts },
})
const outcome = { attempts: 1, lastAtMs: 9, lastStatus: 500, lastMs: 12, lastError: 'it answered 500' } as const

t.test('events are read on from where a reader stands, none older than it may be, and ids only grow', async (t) => {
  const store = await opened(t)
  for (const atMs of [10, 20, 30]) await store.fleetEvents.append(news(atMs))
  t.same(await store.fleetEvents.since(1, 0), [
    { ...news(20), id: 2 },
    { ...news(30), id: 3 },
  ])
  t.same(
    (await store.fleetEvents.since(0, 30)).map(({ id }) => id),
    [3],
  )
  t.same(
    (await store.fleetEvents.since(0, 0, 1)).map(({ id }) => id),
    [1],
  )
  await store.prune(10 * HOUR_MS)
  t.equal(await store.fleetEvents.lastId(), 0, 'all are old')
  t.equal((await store.fleetEvents.append(news(40))).id, 4)
})

t.test(
  'a webhook is kept with its secrets, and listens until it is off; a callback listens to its job alone',
  async (t) => {
    const store = await opened(t)
    await store.webhooks.create(webhook('A', { site: 'www' }))
    await store.webhooks.create(webhook('B', { jobId: 'J' }))
    t.same(await store.webhooks.get('A'), webhook('A', { site: 'www' }))
    t.same(
      (await store.webhooks.list()).map(({ id }) => id),
      ['A'],
      'callbacks are not listed',
    )
    t.same(
      (await store.webhooks.listening('J')).map(({ id }) => id),
      ['A', 'B'],
    )
    t.same(
      (await store.webhooks.listening(null)).map(({ id }) => id),
      ['A'],
    )
    await store.webhooks.update('A', { offAtMs: 5, offReason: 'gone', failingSinceMs: 4 })
    t.match(await store.webhooks.get('A'), { offAtMs: 5, offReason: 'gone', failingSinceMs: 4, secrets: [{}] })
    t.same(await store.webhooks.listening(null), [])
    t.equal(await store.webhooks.remove('A'), true)
    t.equal(await store.webhooks.remove('A'), false)
    await t.rejects(store.webhooks.require('A'), { code: 'ENGINE_ERR_WEBHOOK_UNKNOWN' })
  },
)

t.test('of each webhook its oldest delivery is due, until it is delivered or given up', async (t) => {
  const store = await opened(t)
  for (const id of ['A', 'B']) await store.webhooks.create(webhook(id))
  for (const event of [1, 2]) {
    await store.fleetEvents.append(news(event))
    for (const id of ['A', 'B'])
      await store.deliveries.create({ id: `${id}_${event}`, webhookId: id, eventId: event }, 100)
  }
  t.same(await store.deliveries.due(99, []), [])
  t.same((await store.deliveries.due(100, [])).map(({ id }) => id).sort(), ['A_1', 'B_1'])
  t.same(await store.deliveries.due(100, ['A']), [{ id: 'B_1', webhookId: 'B' }])
  t.equal(await store.deliveries.nextAtMs([]), 100)
  t.equal(await store.deliveries.nextAtMs(['A', 'B']), null)
  await store.deliveries.update('A_1', { ...outcome, state: 'waiting', nextAtMs: 500 })
  t.match(await store.deliveries.due(100, ['B']), [{ id: 'A_2' }], 'what waits for its next attempt holds up nothing')
  t.match(await store.deliveries.get('A_1'), { attempts: 1, sinceMs: 100, event: { id: 1, data: { jobId: 'J' } } })
  t.same(
    await store.deliveries.waiting(),
    new Map([
      ['A', 2],
      ['B', 2],
    ]),
  )
  await store.deliveries.giveUp('A', 'off')
  t.match(await store.deliveries.list('A'), [
    { id: 'A_2', state: 'failed', lastError: 'off' },
    { id: 'A_1', lastStatus: 500 },
  ])
  await store.deliveries.again('A', 'A_1', 900)
  t.match(await store.deliveries.list('A', { id: 'A_1' }), [{ state: 'waiting', attempts: 0, nextAtMs: 900 }])
  await t.rejects(store.deliveries.again('B', 'A_1', 900), { code: 'ENGINE_ERR_DELIVERY_UNKNOWN' })
  await store.webhooks.remove('A')
  t.equal(await store.deliveries.get('A_1'), null, 'deliveries go with their webhook')
  await t.rejects(store.deliveries.create({ id: 'x', webhookId: 'B', eventId: 1 }, 1), 'an event comes once')
})

t.test(
  'old deliveries go, too many that wait are given up, and events stay as long as a delivery names them',
  async (t) => {
    const store = await opened(t)
    await store.webhooks.create(webhook('A'))
    for (let event = 1; event <= 6; event++) {
      await store.fleetEvents.append(news(event))
      await store.deliveries.create({ id: `A_${event}`, webhookId: 'A', eventId: event }, 1)
      if (event <= 3) await store.deliveries.update(`A_${event}`, { ...outcome, state: 'delivered', nextAtMs: null })
    }
    const limits = { ...defaultPruneLimits, deliveriesPerWebhook: 2, deliveriesWaiting: 2, fleetEventsKeptMs: 1 }
    t.match(await store.prune(HOUR_MS, limits), { deliveriesDropped: 1 })
    const left = (await store.deliveries.list('A')).map(({ id, state }) => `${id} ${state}`)
    t.same(left, ['A_6 waiting', 'A_5 waiting', 'A_4 failed', 'A_3 delivered', 'A_2 delivered'])
    t.same(
      (await store.fleetEvents.since(0, 0)).map(({ id }) => id),
      [2, 3, 4, 5, 6],
    )
  },
)

t.test('a callback stays while its job runs or its delivery waits, then it goes', async (t) => {
  const store = await opened(t)
  await store.jobs.create(jobRecord({ id: 'J' }))
  await store.webhooks.create(webhook('B', { jobId: 'J' }))
  await store.prune(10 * HOUR_MS)
  t.ok(await store.webhooks.get('B'), 'its job runs')
  await store.jobs.update('J', { finishedAtMs: 5 })
  await store.fleetEvents.append(news(5))
  await store.deliveries.create({ id: 'B_1', webhookId: 'B', eventId: 1 }, 5)
  await store.prune(10 * HOUR_MS)
  t.ok(await store.webhooks.get('B'), 'its delivery waits')
  await store.deliveries.update('B_1', { ...outcome, state: 'delivered', nextAtMs: null })
  await store.prune(10 * HOUR_MS)
  t.equal(await store.webhooks.get('B'), null)
})

t.test('what was told of a node is replaced by what is told later', async (t) => {
  const store = await opened(t)
  const about = { nodeId: 'n', site: 'www' }
  await store.standings.put({ ...about, standing: 'behind', release: 1 })
  await store.standings.put({ ...about, standing: 'current', release: 2 })
  await store.standings.put({ nodeId: 'n', site: '', standing: 'here', release: null })
  t.same(await store.standings.list(), [
    { nodeId: 'n', site: '', standing: 'here', release: null },
    { ...about, standing: 'current', release: 2 },
  ])
})
