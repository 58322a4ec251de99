// Goal: sites, releases, nodes, receipts, assignments, events and snapshots come back as they were put in, and
// what is delivered twice is kept once.
// Method: real databases; one subtest, one file.
import { join } from 'node:path'
import SQLite from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { Snapshot } from '../../../src/store/snapshots.js'
import { Store } from '../../../src/store/store.js'
import { assignmentRecord, jobNode, jobRecord, nodeIdentity, receipt } from '../../support/records.js'

const opened = async (t: Test): Promise<Store> => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  return store
}

const treeHash = 'e'.repeat(64)

t.test('the identity is set once; epochs and serials only grow', async (t) => {
  const store = await opened(t)
  t.equal(await store.meta.read(), null)
  await t.rejects(store.meta.nextSerial(), { code: 'ENGINE_ERR_INTERNAL' })
  await store.meta.create({ coordinatorId: 'a'.repeat(32), keySeed: Buffer.alloc(32, 1) })
  await store.meta.create({ coordinatorId: 'b'.repeat(32), keySeed: Buffer.alloc(32, 2) })
  t.same(await store.meta.read(), { coordinatorId: 'a'.repeat(32), keySeed: Buffer.alloc(32, 1), epoch: 0 })
  t.same([await store.meta.nextEpoch(), await store.meta.nextEpoch()], [1, 2])
  t.same([await store.meta.nextSerial(), await store.meta.nextSerial()], [1, 2])
})

t.test('a site keeps its group once it counts, numbers its releases, stands where the decision put it', async (t) => {
  const store = await opened(t)
  const fresh = {
    site: 'www',
    group: 'edge',
    only: null,
    target: null,
    hold: null,
    lastRelease: 0,
    createdAtMs: 5,
  }
  t.same(await store.sites.ensure('www', { group: 'edge', only: null }, 5), fresh)
  t.same(
    await store.sites.ensure('www', { group: 'other', only: null }, 6),
    { ...fresh, group: 'other' },
    'nothing binds it yet',
  )
  await store.jobs.create(jobRecord({ id: 'A' }))
  t.match(await store.sites.ensure('www', { group: 'edge', only: null }, 7), { group: 'other' }, 'a job holds it')
  await store.jobs.update('A', { finishedAtMs: 8 })
  t.same(await store.sites.ensure('www', { group: 'edge', only: null }, 9), fresh, 'it came to nothing')
  t.same([await store.sites.nextRelease('www'), await store.sites.nextRelease('www')], [1, 2])
  const target = { release: 1, treeHash, jobId: 'A', command: 'rollback', number: 1, stageNumber: 1 } as const
  await store.sites.setTarget('www', target, { reason: 'typo', untilMs: null })
  t.same(await store.sites.require('www'), {
    ...fresh,
    target,
    hold: { reason: 'typo', untilMs: null },
    lastRelease: 2,
  })
  await store.sites.setTarget('www', target, null)
  t.equal((await store.sites.get('www'))?.hold, null)
  t.match(
    await store.sites.ensure('www', { group: 'other', only: null }, 10),
    { group: 'edge' },
    'something of it is live',
  )
  t.same(
    (await store.sites.list()).map(({ site }) => site),
    ['www'],
  )
  const unknown = { code: 'ENGINE_ERR_SITE_UNKNOWN' }
  await t.rejects(store.sites.require('img'), unknown)
  await t.rejects(store.sites.nextRelease('img'), unknown)
  await t.rejects(store.sites.setTarget('img', target, null), unknown)
})

t.test('releases are listed newest first, and those the shadow holds by themselves', async (t) => {
  const store = await opened(t)
  await store.sites.ensure('www', { group: 'edge', only: null }, 1)
  const release = (number: number) => ({
    site: 'www',
    release: number,
    treeHash,
    baseRelease: number > 1 ? number - 1 : null,
    jobId: 'A',
    fileCount: 3,
    totalBytes: 2 ** 45,
    held: true,
    createdAtMs: 1,
  })
  for (const number of [1, 2, 3]) await store.releases.put(release(number))
  await store.releases.setHeld('www', 1, false)
  await store.releases.put({ ...release(3), jobId: 'B' })
  t.same(await store.releases.list('www'), [{ ...release(3), jobId: 'B' }, release(2), { ...release(1), held: false }])
  t.same(
    (await store.releases.list('www', { heldOnly: true })).map((one) => one.release),
    [3, 2],
  )
  t.same(await store.releases.get('www', 2), release(2))
  t.equal(await store.releases.get('www', 9), null)
})

t.test('a receipt that comes twice is kept once, as it was first told', async (t) => {
  const store = await opened(t)
  await store.jobs.create(jobRecord({ id: receipt().jobId }))
  t.ok(await store.receipts.record(receipt()))
  t.notOk(await store.receipts.record(receipt({ recordedAtMs: 9, bytesFetched: 9 })))
  t.ok(await store.receipts.record(receipt({ kind: 'receipt', recordedAtMs: 1 })))
  t.same(await store.receipts.list(receipt().jobId), [receipt({ kind: 'receipt', recordedAtMs: 1 }), receipt()])
})

t.test('receipts are listed of one command, of one node, and nodes of jobs are counted by their states', async (t) => {
  const store = await opened(t)
  const { jobId } = receipt()
  for (const id of [jobId, 'k']) await store.jobs.create(jobRecord({ id }))
  const [a, b] = ['a'.repeat(32), 'b'.repeat(32)]
  const all = [1, 2].flatMap((number) => [a, b].map((nodeId) => receipt({ number, nodeId, nodeName: nodeId })))
  for (const each of all) await store.receipts.record(each)
  const of = async (filter: { number?: number; nodeId?: string }) =>
    (await store.receipts.list(jobId, filter)).map(({ number, nodeId }) => [number, nodeId])
  t.same(await of({ number: 2 }), [
    [2, a],
    [2, b],
  ])
  t.same(await of({ nodeId: b }), [
    [1, b],
    [2, b],
  ])
  t.same(await of({ number: 1, nodeId: a }), [[1, a]])
  await store.jobNodes.put('k', [jobNode({ state: 'live' }), jobNode({ nodeId: b, state: 'live' })])
  await store.jobNodes.put(jobId, [jobNode({ state: 'live' }), jobNode({ nodeId: b, state: 'behind' })])
  t.same(
    await store.jobNodes.counts([jobId, 'k', 'none']),
    new Map([
      [jobId, { live: 1, behind: 1 }],
      ['k', { live: 2 }],
    ]),
  )
  t.same(await store.jobNodes.counts([]), new Map())
  t.same(await Promise.all([b, 'c'.repeat(32)].map((nodeId) => store.jobNodes.has(jobId, nodeId))), [true, false])
})

t.test('the last number of a job is that of its highest receipt', async (t) => {
  const store = await opened(t)
  t.equal(await store.receipts.lastNumber('nobody'), 0)
  await store.jobs.create(jobRecord({ id: receipt().jobId }))
  for (const number of [3, 1001, 2]) await store.receipts.record(receipt({ number }))
  t.equal(await store.receipts.lastNumber(receipt().jobId), 1001)
})

t.test('of failures the last is kept', async (t) => {
  const store = await opened(t)
  await store.jobs.create(jobRecord({ id: receipt().jobId }))
  const failure = (message: string) => receipt({ kind: 'failure', error: { code: 'c', message, hint: 'h' } })
  t.ok(await store.receipts.record(failure('first')))
  t.notOk(await store.receipts.record(failure('second')))
  t.same(await store.receipts.list(receipt().jobId), [failure('second')])
  await store.receipts.record(receipt())
  await store.receipts.record(receipt())
  t.equal((await store.receipts.list(receipt().jobId)).length, 2, 'and beside it what was done in the end')
})

t.test('a completion that is told again with what hooks after it left is kept so, and not undone', async (t) => {
  const store = await opened(t)
  await store.jobs.create(jobRecord({ id: receipt().jobId }))
  const error = { code: 'ENGINE_ERR_HOOK_FAILED', message: 'm', hint: 'h' }
  for (const told of [receipt(), receipt({ output: 'no nginx\n', error }), receipt()]) await store.receipts.record(told)
  t.same(await store.receipts.list(receipt().jobId), [receipt({ output: 'no nginx\n', error })])
})

t.test('a node comes back as it described itself last, and joined when it joined first', async (t) => {
  const store = await opened(t)
  const sites = [{ site: 'www', live: { release: 1, treeHash }, held: [{ release: 1, treeHash }] }]
  await store.nodes.put(nodeIdentity(), [], 10, 'a'.repeat(64))
  await store.nodes.put(nodeIdentity({ groups: ['edge', 'img'], segment: 'fra' }), sites, 20)
  const expected = { ...nodeIdentity({ groups: ['edge', 'img'], segment: 'fra' }), sites, publicKey: 'a'.repeat(64) }
  t.same(await store.nodes.get(nodeIdentity().id), { ...expected, joinedAtMs: 10, lastSeenMs: 20 })
  await store.nodes.setSeen(nodeIdentity().id, 30)
  await store.nodes.setSites(nodeIdentity().id, [], 40)
  t.match(await store.nodes.byName('ams-1'), { lastSeenMs: 40, sites: [] })
  t.equal((await store.nodes.list()).length, 1)
  t.equal(await store.nodes.byName('nobody'), null)
})

t.test('a name belongs to one node', async (t) => {
  const store = await opened(t)
  await store.nodes.put(nodeIdentity(), [], 10)
  await t.rejects(store.nodes.put(nodeIdentity({ id: 'f'.repeat(32) }), [], 20), {
    code: 'ENGINE_ERR_NODE_NAME_TAKEN',
    details: { nodeId: nodeIdentity().id },
  })
  await store.nodes.put(nodeIdentity({ name: 'ams-2' }), [], 30)
  t.equal((await store.nodes.get(nodeIdentity().id))?.name, 'ams-2', 'it may take another')
})

t.test('an assignment is known from its first chunk, and whole when it is packed', async (t) => {
  const store = await opened(t)
  const packed = { chunkCount: 3, streamBytes: 700_000, contentBytes: 2 ** 40, dataDigest: 'd'.repeat(64) }
  await store.assignments.create(assignmentRecord())
  await store.assignments.create(assignmentRecord({ serial: 99 }))
  t.same(await store.assignments.get(assignmentRecord().id), assignmentRecord())
  await store.assignments.setPacked(assignmentRecord().id, packed)
  const whole = assignmentRecord({
    id: 'c'.repeat(32),
    serial: 2,
    command: 'replicate',
    baseRelease: 1,
    release: 2,
    packed,
  })
  await store.assignments.create(whole)
  t.same(await store.assignments.list({ site: 'www' }), [whole, assignmentRecord({ packed })])
  t.same(await store.assignments.list({ site: 'www', release: 2 }), [whole])
  t.same(await store.assignments.list({ site: 'img' }), [])
  await store.assignments.remove(whole.id)
  t.equal(await store.assignments.get(whole.id), null)
})

t.test('a watcher resumes after the event it saw last', async (t) => {
  const store = await opened(t)
  const { treeHash: _treeHash, ...seen } = jobRecord({ id: 'A' })
  const job = { ...seen, commands: [], waitsFor: null, nodes: [jobNode()] }
  await store.jobs.create(jobRecord({ id: 'A' }))
  t.equal(await store.events.lastId('A'), 0)
  for (const id of [1, 4, 9]) await store.events.append('A', { type: id === 9 ? 'result' : 'phase', id, atMs: id, job })
  await store.events.append('A', { type: 'phase', id: 9, atMs: 99, job })
  t.same(await store.events.since('A', 1), [
    { type: 'phase', id: 4, atMs: 4, job },
    { type: 'result', id: 9, atMs: 9, job },
  ])
  t.equal((await store.events.since('A', 0, 2)).length, 2)
  t.equal(await store.events.lastId('A'), 9)
})

const snapshot = (serial: number, site = 'www'): Snapshot => ({
  serial,
  site,
  release: serial,
  jobId: 'A',
  atMs: 5,
  details: {
    assignmentId: 'b'.repeat(32),
    command: 'publish',
    baseRelease: null,
    treeHash,
    dataDigest: 'd'.repeat(64),
    chunkBytes: 262_144,
    chunkCount: 3,
    streamBytes: 700_000,
    contentBytes: 900_000,
    changes: { filesAdded: 1, filesChanged: 0, filesDeleted: 0, fileCount: 1, totalBytes: 5 },
    nodes: Array.from({ length: 200 }, (_, index) => `node-${index}`),
  },
})

t.test('a snapshot keeps the details of an assignment, packed small', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  const store = await Store.open(path)
  for (const serial of [1, 2, 3]) await store.snapshots.put(snapshot(serial))
  await store.snapshots.put(snapshot(4, 'img'))
  t.same(await store.snapshots.get(2), snapshot(2))
  t.equal(await store.snapshots.get(9), null)
  await store.close()
  const raw = new SQLite(path)
  const { bytes } = raw.prepare('select length(details) as bytes from snapshots where serial = 1').get() as {
    bytes: number
  }
  t.ok(bytes < JSON.stringify(snapshot(1).details).length / 2, `${bytes} bytes`)
  raw.prepare("update snapshots set details = x'ff00ff00ff' where serial = 1").run()
  raw.close()
  const again = await Store.open(path)
  await t.rejects(again.snapshots.get(1), { code: 'ENGINE_ERR_DATABASE_DAMAGED' })
  await again.close()
})

t.test('many receipts at once are kept as one after the other', async (t) => {
  const store = await opened(t)
  await store.jobs.create(jobRecord({ id: receipt().jobId }))
  const many = Array.from({ length: 150 }, (_, i) =>
    receipt({ nodeId: String(i).padStart(32, '0'), nodeName: `n${i}` }),
  )
  const again = receipt({ ...many[7], bytesFetched: 9 })
  const more = receipt({ ...many[8], output: 'a hook said this' })
  await store.receipts.recordAll([...many, again, more])
  const kept = new Map((await store.receipts.list(receipt().jobId)).map((each) => [each.nodeName, each]))
  t.equal(kept.size, 150)
  t.same(kept.get('n7'), many[7], 'what was told first stays')
  t.same(kept.get('n8'), more, 'unless the later one says more')
})
