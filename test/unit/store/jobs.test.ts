// Goal: a job comes back from the store as it was put in, pages are in order, what has no end is found again.
// Method: real databases; one subtest, one file.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Store } from '../../../src/store/store.js'
import { jobNode, jobRecord } from '../../support/records.js'

const opened = async (t: Test): Promise<Store> => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  return store
}

t.test('a job comes back as it was put in', async (t) => {
  const store = await opened(t)
  const full = jobRecord({
    id: 'B',
    only: ['b', 'a'],
    state: 'partial',
    release: 7,
    baseRelease: 6,
    treeHash: 'e'.repeat(64),
    reason: 'typo “quoted”\n',
    changes: { filesAdded: 1, filesChanged: 2, filesDeleted: 3, fileCount: 4, totalBytes: 2 ** 52 },
    assignment: { id: 'b'.repeat(32), serial: 9, chunkBytes: 262_144, streamBytes: null },
    error: { code: 'ENGINE_ERR_NODE_SILENT', message: 'm', hint: 'h' },
    finishedAtMs: 1_700_000_000_500,
  })
  await store.jobs.create(full)
  await store.jobs.create(jobRecord({ id: 'A' }))
  t.same(await store.jobs.get('B'), full)
  t.same(await store.jobs.get('A'), jobRecord({ id: 'A' }))
  t.equal(await store.jobs.get('C'), null)
  await t.rejects(store.jobs.require('C'), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
})

t.test('only what is named in a change is changed; null is a value', async (t) => {
  const store = await opened(t)
  const error = { code: 'c', message: 'm', hint: 'h' }
  await store.jobs.create(jobRecord({ id: 'A', release: 3, error }))
  await store.jobs.update('A', { state: 'packing' })
  t.match(await store.jobs.get('A'), { state: 'packing', release: 3, error, site: 'www' })
  await store.jobs.update('A', { error: null, release: null, finishedAtMs: 5 })
  t.match(await store.jobs.get('A'), { state: 'packing', release: null, error: null, finishedAtMs: 5 })
  await store.jobs.update('A', {})
  await t.rejects(store.jobs.update('Z', { state: 'failed' }), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
})

t.test('pages are newest first, filtered, bounded, and continue', async (t) => {
  const store = await opened(t)
  for (const [index, id] of ['A', 'B', 'C', 'D'].entries()) {
    await store.jobs.create(
      jobRecord({ id, site: index === 1 ? 'img' : 'www', state: index === 2 ? 'failed' : 'queued' }),
    )
  }
  const ids = async (filter: Parameters<typeof store.jobs.list>[0]) =>
    (await store.jobs.list(filter)).map(({ id }) => id)
  t.same(await ids({}), ['D', 'C', 'B', 'A'])
  t.same(await ids({ site: 'www', limit: 2 }), ['D', 'C'])
  t.same(await ids({ state: 'failed' }), ['C'])
  t.same(await ids({ limit: 0 }), ['D'], 'at least one')
  t.equal((await ids({ limit: 10 ** 9 })).length, 4)
})

t.test('jobs without an end are found again, oldest first', async (t) => {
  const store = await opened(t)
  for (const id of ['C', 'A', 'B']) await store.jobs.create(jobRecord({ id, finishedAtMs: id === 'B' ? 1 : null }))
  t.same(
    (await store.jobs.unfinished()).map(({ id }) => id),
    ['A', 'C'],
  )
})

t.test('the parts of nodes in a job are written, changed and read by name', async (t) => {
  const store = await opened(t)
  await store.jobs.create(jobRecord({ id: 'A' }))
  await store.jobs.create(jobRecord({ id: 'B' }))
  const first = jobNode({ nodeId: '1'.repeat(32), name: 'fra-1' })
  const second = jobNode({ nodeId: '2'.repeat(32), name: 'ams-1', state: 'behind', reason: 'silent' })
  await store.jobNodes.put('A', [first, second])
  await store.jobNodes.put('A', [{ ...first, state: 'live', bytesHave: 2 ** 52, rateBps: 1.6 }])
  t.same(await store.jobNodes.list('A'), [second, { ...first, state: 'live', bytesHave: 2 ** 52, rateBps: 2 }])
  t.same(
    [...(await store.jobNodes.listMany(['A', 'B'])).entries()].map(([id, nodes]) => [id, nodes.length]),
    [
      ['A', 2],
      ['B', 0],
    ],
  )
  t.equal((await store.jobNodes.listMany([])).size, 0)
  await store.jobNodes.put('A', [])
})

t.test('a job of thousands of nodes is written whole', async (t) => {
  const store = await opened(t)
  await store.jobs.create(jobRecord({ id: 'A' }))
  const nodes = Array.from({ length: 2500 }, (_, index) =>
    jobNode({ nodeId: index.toString(16).padStart(32, '0'), name: `n${String(index).padStart(5, '0')}` }),
  )
  await store.jobNodes.put('A', nodes)
  t.same(await store.jobNodes.list('A'), nodes)
})

t.test('a part in a job that is not there is refused', async (t) => {
  const store = await opened(t)
  await t.rejects(store.jobNodes.put('A', [jobNode()]), { code: 'ENGINE_ERR_INTERNAL' })
})

t.test('an abort that was asked for stands', async (t) => {
  const store = await opened(t)
  await store.jobs.create(jobRecord({ id: 'A' }))
  t.equal(await store.jobs.isAbortAsked('A'), false)
  await store.jobs.askAbort('A')
  await store.jobs.update('A', { state: 'staged' })
  t.equal(await store.jobs.isAbortAsked('A'), true)
  t.equal(await store.jobs.isAbortAsked('B'), false)
})
