// Goal: what happens to jobs and nodes is on record with what it tells of, and comes to who asked, once and in order.
// Method: a real coordinator, nodes that only speak the channel, real receivers on loopback.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../../src/base/log.js'
import { Writable } from 'node:stream'
import { Coordinator } from '../../../src/coordinator.js'
import type { CloudEvent } from '../../../src/model/fleet-event.js'
import { FakeNode } from '../../support/fake-node.js'
import { Receiver } from '../../support/receiver.js'
import { verifies } from '../../support/standard-webhooks.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-callbacks-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

let count = 0
const to = { site: 'www', group: 'edge' } as const
/** Who waits for a time is accepted without nodes, and fails when it is there. */
const nobody = { ...to, startAtMs: 1 }

async function place(t: { teardown(run: () => unknown): void }) {
  const directory = join(root, String(count++))
  const staging = join(directory, 'staging')
  await mkdir(staging, { recursive: true })
  await writeFile(join(staging, 'index.html'), 'one')
  const lines: string[] = []
  const destination = new Writable({ write: (line: Buffer, _encoding, done) => done(void lines.push(String(line))) })
  const log = createLogger({ level: 'debug', format: 'json', destination })
  const receiver = await Receiver.open()
  t.teardown(() => receiver.close())
  const options = { dataDir: join(directory, 'data'), log }
  return { staging, lines, receiver, options }
}

t.test('a job’s way is told by signed callbacks and on the stream, the same in both, in order', async (t) => {
  const { staging, lines, receiver, options } = await place(t)
  await using coordinator = await Coordinator.open(options)
  const { secret } = await coordinator.webhooks.add({
    url: `${receiver.url}/in?key=hidden`,
    types: ['job.*'],
    allowPrivate: true,
  })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  await writeFile(join(staging, 'index.html'), 'two')
  const staged = await coordinator.publish(staging, { ...to, stageOnly: true })
  await until('it is staged', async () => (await coordinator.job(staged.id)).state === 'staged')
  await coordinator.abort(staged.id)
  await (await coordinator.publish(staging, to)).completed()
  await (await coordinator.rollback({ ...to, reason: 'typo' })).completed()
  const told = await until('all of it is told', () => {
    const all = receiver.received.map(({ body }) => JSON.parse(body) as CloudEvent)
    return all.at(-1)?.type === 'engine.job.rolledback' && all
  })
  t.same(
    told.map(({ type }) => type.replace('engine.job.', '')),
    ['queued', 'planned', 'committed', 'queued', 'planned', 'staged', 'aborted'].concat([
      'queued',
      'planned',
      'committed',
      'queued',
      'rolledback',
    ]),
  )
  t.match(told[2], {
    ...{
      specversion: '1.0',
      source: `urn:distributary:coordinator:${coordinator.id}`,
      datacontenttype: 'application/json',
    },
    data: { site: 'www', group: 'edge', state: 'succeeded', release: 1, nodeCount: 1, nodeCounts: { live: 1 } },
  })
  for (const { headers, body } of receiver.received) t.ok(verifies(secret, headers, body))
  const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
  t.equal(new Set(ids).size, ids.length)
  const stop = new AbortController()
  const replayed: CloudEvent[] = []
  for await (const event of coordinator.events({ types: ['job.*'], sinceId: 0, signal: stop.signal })) {
    replayed.push(event)
    if (replayed.length === told.length) stop.abort()
  }
  t.same(replayed, told)
  t.notOk(
    lines.some((line) => line.includes(secret) || line.includes('key=hidden')),
    'neither secret nor path is logged',
  )
})

t.test('what failed, who comes, goes, drifts and is repaired is told', async (t) => {
  const { staging, receiver, options } = await place(t)
  await using coordinator = await Coordinator.open({ ...options, webhooks: { allowPrivate: true } })
  await coordinator.webhooks.add({ url: receiver.url })
  const job = await coordinator.publish(staging, nobody)
  await job.completed().catch(() => {})
  await until('the failure is told', () => receiver.events('engine.job.failed')[0])
  t.match(receiver.events('engine.job.failed')[0]?.data, { state: 'failed', error: { code: 'ENGINE_ERR_GROUP_EMPTY' } })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await until('it joined', () => receiver.events('engine.node.joined')[0])
  await (await coordinator.publish(staging, to)).completed()
  await until('it counts as current', async () => (await coordinator.sites())[0]?.nodesLive === 1)
  // A second passes until its standing is noted; what it says then is news.
  await until('its drift is told', async () => {
    node.send({
      type: 'holdings',
      sites: [{ site: 'www', live: null, held: [...(node.sites.get('www')?.held ?? [])] }],
    })
    return receiver.events('engine.node.drifted')[0]
  })
  const repaired = await until('its repair is told', () => receiver.events('engine.node.repaired')[0])
  t.match(repaired, { subject: 'nodes/one', data: { name: 'one', site: 'www', release: repaired.data['liveRelease'] } })
  await node.disconnect()
  const lost = await until('it is lost', () => receiver.events('engine.node.lost')[0])
  t.match(lost.data, { name: 'one', groups: ['edge'], segment: 'lan' })
  await coordinator.close()
  const before = receiver.events('engine.node.joined').length
  await using again = await Coordinator.open({ ...options, webhooks: { allowPrivate: true } })
  await node.connect(again.url)
  await until('its return is told, across a restart', () => receiver.events('engine.node.joined').length === before + 1)
})

t.test('a webhook that hears of one site hears of no other, and of no node as such', async (t) => {
  const { staging, receiver, options } = await place(t)
  await using coordinator = await Coordinator.open(options)
  await coordinator.webhooks.add({ url: receiver.url, site: 'docs', allowPrivate: true })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  await (await coordinator.publish(staging, { ...to, site: 'docs' })).completed()
  await until('the end is told', () => receiver.events('engine.job.committed')[0])
  t.same([...new Set(receiver.received.map(({ body }) => (JSON.parse(body) as CloudEvent).data['site']))], ['docs'])
})

t.test('410 turns a webhook off and says so; a ping that arrives turns it on again', async (t) => {
  const { staging, lines, receiver, options } = await place(t)
  await using coordinator = await Coordinator.open(options)
  const { webhook } = await coordinator.webhooks.add({ url: receiver.url, types: ['job.failed'], allowPrivate: true })
  receiver.answer = (response) => response.writeHead(410).end()
  await (await coordinator.publish(staging, nobody)).completed().catch(() => {})
  const off = await until('it is off', async () =>
    (await coordinator.webhooks.list()).find(({ offAtMs }) => offAtMs !== null),
  )
  t.match(off, { offReason: 'it answered 410 Gone', waiting: 0 })
  t.ok(lines.some((line) => line.includes('a webhook is turned off')))
  const stop = new AbortController()
  for await (const event of coordinator.events({ types: ['webhook.off'], sinceId: 0, signal: stop.signal })) {
    t.match(event, { data: { webhookId: webhook.id, reason: 'it answered 410 Gone' } })
    stop.abort()
  }
  await (await coordinator.publish(staging, nobody)).completed().catch(() => {})
  t.equal(receiver.events('engine.job.failed').length, 1, 'it is called no more')
  const pings = () => coordinator.webhooks.deliveries(webhook.id)
  const vain = await coordinator.webhooks.ping(webhook.id)
  await until('the ping is in vain', async () =>
    (await pings()).find(({ id, state }) => id === vain.id && state === 'failed'),
  )
  t.not((await coordinator.webhooks.list())[0]?.offAtMs, null)
  receiver.answer = (response) => void response.end()
  await coordinator.webhooks.ping(webhook.id)
  await until('it is on', async () => (await coordinator.webhooks.list())[0]?.offAtMs === null)
})

t.test('a delivery is sent again on request, the same to the byte, and its log says how it went', async (t) => {
  const { staging, receiver, options } = await place(t)
  await using coordinator = await Coordinator.open(options)
  const { webhook } = await coordinator.webhooks.add({ url: receiver.url, types: ['job.failed'], allowPrivate: true })
  receiver.answer = (response) => response.writeHead(500).end('no space')
  await (await coordinator.publish(staging, nobody)).completed().catch(() => {})
  const log = () => coordinator.webhooks.deliveries(webhook.id)
  const first = await until('it failed', async () => (await log()).find(({ attempts }) => attempts === 1))
  t.match(first, {
    state: 'waiting',
    lastStatus: 500,
    lastError: 'it answered 500: no space',
    eventType: 'engine.job.failed',
  })
  t.ok((first.nextAtMs ?? 0) - (first.lastAtMs ?? 0) >= 4000)
  receiver.answer = (response) => void response.end()
  t.match(await coordinator.webhooks.resend(webhook.id, first.id), { id: first.id, state: 'waiting', attempts: 0 })
  await until('it is delivered', async () => (await log()).find(({ state }) => state === 'delivered'))
  const [one, two] = receiver.received
  t.equal(one?.body, two?.body)
  t.equal(one?.headers['webhook-id'], two?.headers['webhook-id'])
  await t.rejects(coordinator.webhooks.resend(webhook.id, 'none'), { code: 'ENGINE_ERR_DELIVERY_UNKNOWN' })
  await t.rejects(coordinator.webhooks.resend('none', first.id), { code: 'ENGINE_ERR_WEBHOOK_UNKNOWN' })
})

t.test('a secret is shown when it is made and never again; a new one signs beside it', async (t) => {
  const { receiver, options } = await place(t)
  await using coordinator = await Coordinator.open(options)
  const added = await coordinator.webhooks.add({ url: receiver.url, allowPrivate: true })
  const rotated = await coordinator.webhooks.rotate(added.webhook.id)
  await coordinator.webhooks.ping(added.webhook.id)
  const ping = await receiver.got('the ping', () => true)
  for (const { secret } of [added, rotated]) {
    t.ok(verifies(secret, ping.headers, ping.body))
    for (const shown of [await coordinator.webhooks.list(), await coordinator.webhooks.deliveries(added.webhook.id)]) {
      t.notOk(JSON.stringify(shown).includes(secret.slice(6)))
    }
  }
  await coordinator.webhooks.remove(added.webhook.id)
  t.same(await coordinator.webhooks.list(), [])
  await t.rejects(coordinator.webhooks.ping(added.webhook.id), { code: 'ENGINE_ERR_WEBHOOK_UNKNOWN' })
})

t.test('what an embedding program asks wrongly is refused', async (t) => {
  const { options } = await place(t)
  await using coordinator = await Coordinator.open(options)
  const add = (request: object) => coordinator.webhooks.add({ url: 'https://a.test/', ...request })
  await t.rejects(add({ url: 'http://127.0.0.1/' }), { code: 'ENGINE_ERR_ADDRESS_BLOCKED' })
  await t.rejects(add({ types: ['jobs.*'] }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await t.rejects(add({ secret: 'password' }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  for (let i = 0; i < 100; i++) await add({})
  await t.rejects(add({}), { code: 'ENGINE_ERR_OVERLOADED' })
})
