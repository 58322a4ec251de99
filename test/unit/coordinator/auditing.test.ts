// Goal: nothing is changed without a record of who asked; what was asked is on record whatever happens then.
// Method: the log and the audited door over a real database, a disk that fills, a life that ends in between.
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { AUDIT_HEAD_MS } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import { AuditedDoor, AuditLog, type AuditLogOptions, summaryOf } from '../../../src/coordinator/auditing.js'
import type { UploadsDoor } from '../../../src/control/door/uploads.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { AuditCheck } from '../../../src/model/audit.js'
import type { JobRequest } from '../../../src/model/job.js'
import { Store } from '../../../src/store/store.js'
import { anyEntry, someSigner } from '../../support/audit.js'
import { FakeDoor, someJob } from '../../support/fake-door.js'
import { publishRequests } from '../../support/records.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

interface Place {
  testdir(content: Record<string, never>): string
  teardown(run: () => unknown): void
}

async function place(t: Place, options: Partial<AuditLogOptions> = {}) {
  const store = await Store.open(join(t.testdir({}), 'engine.db'))
  t.teardown(() => store.close())
  const disk = { isFull: false }
  const transaction: Store['transaction'] = (work) =>
    disk.isFull ? Promise.reject(new EngineError('ENGINE_ERR_NO_SPACE', { path: '/d' })) : store.transaction(work)
  const [clock, metrics, door] = [new ManualClock(), createMetrics(), new FakeDoor()]
  const parts = { store: { transaction }, signer: someSigner, clock, metrics, log: silentLogger, ...options }
  const open = () => AuditLog.open(parts)
  const log = await open()
  const records = () => store.audit.list(0, 500)
  const check = async () => {
    const walk = new AuditCheck({ publicKey: someSigner.publicKey })
    for (const record of await records()) walk.take(record)
    return walk.end()
  }
  return { store, disk, clock, metrics, door, log, open, records, check }
}

const publish: JobRequest = {
  ...{ site: 'www', group: 'edge', only: null, reason: 'new menu', commands: publishRequests('/srv/www') },
  policy: { maxDeleteRatio: 0.25, allowEmpty: false, quorum: 0.5, strategy: 'braid' },
}

t.test('who drops what was sent is recorded', async (t) => {
  const { door, log, records } = await place(t)
  const dropLoose = async (site: string) => ({ site, contentCount: 1, totalBytes: 2 })
  door.uploads = { drop: async () => {}, dropLoose } as Partial<UploadsDoor> as UploadsDoor
  const { uploads } = new AuditedDoor(door, log, '10.0.0.7')
  await uploads.drop('u1')
  t.same(await uploads.dropLoose('www'), { site: 'www', contentCount: 1, totalBytes: 2 })
  t.match(await records(), [
    { actor: '10.0.0.7', action: 'dropUpload', subject: 'upload u1', outcome: 'done' },
    { actor: '10.0.0.7', action: 'dropLoose', subject: 'site www', outcome: 'done' },
  ])
})

t.test('who adds and changes webhooks is recorded, no secret is, nor the path of an address', async (t) => {
  const { door, log, records } = await place(t)
  const { webhooks } = new AuditedDoor(door, log, '10.0.0.7')
  const secret = `whsec_${'A'.repeat(43)}=`
  const { webhook } = await webhooks.add({
    url: 'https://a.test/hook?key=hidden',
    types: ['job.*'],
    site: 'www',
    secret,
  })
  await webhooks.rotate(webhook.id, secret)
  await webhooks.ping(webhook.id)
  await webhooks.resend(webhook.id, 'w1_1')
  await webhooks.remove(webhook.id)
  await t.rejects(webhooks.remove(webhook.id), { code: 'ENGINE_ERR_WEBHOOK_UNKNOWN' })
  const all = await records()
  t.match(all, [
    {
      action: 'addWebhook',
      subject: 'host a.test',
      actor: '10.0.0.7',
      request: { types: 'job.*', site: 'www' },
      result: 'w1',
    },
    { action: 'rotateWebhook', subject: 'webhook w1', request: {} },
    { action: 'pingWebhook', subject: 'webhook w1' },
    { action: 'resendDelivery', subject: 'webhook w1', request: { deliveryId: 'w1_1' } },
    { action: 'removeWebhook', subject: 'webhook w1', outcome: 'done' },
    { action: 'removeWebhook', subject: 'webhook w1', outcome: 'refused', code: 'ENGINE_ERR_WEBHOOK_UNKNOWN' },
  ])
  t.notMatch(JSON.stringify(all), /whsec|hidden/)
  t.same(summaryOf({ callback: { url: 'https://a.test/', secret } }), { 'callback.url': 'https://a.test/' })
})

t.test('every change is recorded with who asked for it, what it was and what came of it', async (t) => {
  const { door, log, records, check } = await place(t)
  const theirs = new AuditedDoor(door, log, '10.0.0.7')
  const { id } = await theirs.createJob(publish)
  await new AuditedDoor(door, log, 'embedded').commitJob(id)
  await t.rejects(theirs.abortJob('nope'), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
  const from = { kind: 'call', actor: '10.0.0.7' }
  t.match(await records(), [
    {
      ...{ ...from, seq: 1, action: 'createJob', subject: 'site www', outcome: 'done', code: null, result: id },
      request: {
        'commands.0.type': 'publish',
        'commands.0.directory': '/srv/www',
        reason: 'new menu',
        'policy.quorum': 0.5,
      },
    },
    { actor: 'embedded', seq: 2, action: 'commitJob', subject: `job ${id}`, outcome: 'done' },
    { ...from, seq: 3, action: 'abortJob', subject: 'job nope', outcome: 'refused', code: 'ENGINE_ERR_JOB_UNKNOWN' },
  ])
  t.equal((await check()).broken, null)
})

t.test('what only asks leaves nothing behind', async (t) => {
  const { door, log, records } = await place(t)
  door.emit('phase', someJob('j', 'staged'))
  const theirs = new AuditedDoor(door, log, 'x')
  await theirs.getJob('j')
  await theirs.listJobs({ limit: 1 })
  await theirs.receipts('j')
  await theirs.nodes()
  await theirs.sites()
  await theirs.audit({ sinceSeq: 0, limit: 1 })
  t.equal(theirs.ready(), true)
  t.same(theirs.version(), door.version())
  t.same(await records(), [])
})

t.test('a call that cannot be recorded is refused and not carried out; reading goes on', async (t) => {
  const { disk, door, log, metrics } = await place(t)
  const theirs = new AuditedDoor(door, log, 'x')
  disk.isFull = true
  await t.rejects(theirs.createJob(publish), { code: 'ENGINE_ERR_AUDIT_UNWRITABLE', message: /createJob.*\/d/ })
  t.same(door.requests, [])
  t.same(await theirs.listJobs({ limit: 1 }), [])
  t.match(await metrics.text(), /engine_audit_failures_total 1/)
  disk.isFull = false
  await theirs.createJob(publish)
  t.equal(door.requests.length, 1)
})

t.test('an outcome that cannot be written is written before the next call is carried out', async (t) => {
  const { disk, door, log, records, check } = await place(t)
  const theirs = new AuditedDoor(door, log, 'x')
  const createJob = door.createJob.bind(door)
  door.createJob = (request) => {
    disk.isFull = true
    return createJob(request)
  }
  t.match(await theirs.createJob(publish), { id: 'job-1' }, 'it was carried out, and that is told')
  t.same(await records(), [])
  await t.rejects(theirs.commitJob('job-1'), { code: 'ENGINE_ERR_AUDIT_UNWRITABLE' })
  disk.isFull = false
  await theirs.commitJob('job-1')
  t.match(await records(), [{ action: 'createJob', result: 'job-1' }, { action: 'commitJob' }])
  t.equal((await check()).broken, null)
})

t.test('a call that nobody lived to answer is in the chain, as one whose outcome is not known', async (t) => {
  const { store, door, log, open, records, check } = await place(t)
  door.createJob = () => new Promise(() => {})
  void new AuditedDoor(door, log, '10.0.0.7').createJob(publish)
  await until('the call is noted', async () => (await store.audit.listOpen()).length === 1)
  await open()
  t.match(await records(), [{ actor: '10.0.0.7', outcome: 'unknown', request: { site: 'www' } }, { kind: 'head' }])
  t.same(await store.audit.listOpen(), [])
  t.equal((await check()).broken, null)
})

t.test('calls that come together make one chain, each of them once', async (t) => {
  const { door, log, records, check } = await place(t)
  const theirs = new AuditedDoor(door, log, 'x')
  await Promise.all(Array.from({ length: 40 }, () => theirs.createJob(publish)))
  const results = (await records()).map(({ result }) => result)
  t.equal(new Set(results).size, 40)
  t.equal(results.length, 40)
  t.equal((await check()).broken, null)
})

t.test('the chain is signed every hour and at the end, when something was added', async (t) => {
  const { clock, door, log, records, check } = await place(t)
  const theirs = new AuditedDoor(door, log, 'x')
  const kinds = async () => (await records()).map(({ kind }) => kind)
  await theirs.createJob(publish)
  clock.advance(AUDIT_HEAD_MS)
  await until('it is signed', async () => (await kinds()).length === 2)
  clock.advance(AUDIT_HEAD_MS)
  await log.sign()
  t.same(await kinds(), ['call', 'head'], 'nothing was added')
  await theirs.createJob(publish)
  await log.close()
  t.same(await kinds(), ['call', 'head', 'call', 'head'])
  t.match(await check(), { broken: null, summary: { signedHeads: 2, signedThroughSeq: 3 } })
  t.equal(clock.waiting, 0)
})

t.test('beyond its limit the oldest records go, the chain says so and holds', async (t) => {
  const { door, log, records, check } = await place(t, { recordsKept: 10, recordsDropped: 4 })
  const theirs = new AuditedDoor(door, log, 'x')
  for (let i = 0; i < 30; i++) {
    await theirs.createJob(publish)
    t.equal((await check()).broken, null)
  }
  const kept = await records()
  t.ok(kept.length <= 10, String(kept.length))
  t.ok((kept[0]?.seq ?? 0) > 20)
  t.match(kept.findLast(({ kind }) => kind === 'truncated')?.request, { throughSeq: (kept[0]?.seq ?? 0) - 1 })
})

t.test('any record comes out of the database as it went in', async (t) => {
  const { store, check } = await place(t)
  await fc.assert(
    fc.asyncProperty(anyEntry, async (entry) => {
      const record = await store.transaction(({ audit }) => audit.append(entry))
      const [read] = await store.audit.list(record.seq - 1, 1)
      // A negative zero is a zero in JSON.
      t.strictSame(read, JSON.parse(JSON.stringify(record)))
    }),
  )
  t.equal((await check()).broken, null)
})

t.test('a closed coordinator says that it is closed', async (t) => {
  const { door, store, log } = await place(t)
  await store.close()
  await t.rejects(new AuditedDoor(door, log, 'x').commitJob('j'), { code: 'ENGINE_ERR_CLOSING' })
})

t.test('a summary is flat, without what says nothing, and no longer than it may be', async (t) => {
  t.same(summaryOf({ a: 1, b: null, c: { d: [true, 'x'], e: undefined }, f: Number.NaN, g: () => 1 }), {
    a: 1,
    'c.d.0': true,
    'c.d.1': 'x',
  })
  t.equal(summaryOf({ a: `${'é'.repeat(5000)}` })['a'], 'é'.repeat(4096))
  t.equal(summaryOf({ a: '\ud800' })['a'], '\ufffd', 'half a character is none in the database')
  t.equal(Object.keys(summaryOf(Array.from({ length: 1000 }, () => 1))).length, 256)
})
