// Goal: the database does not grow for ever, and nothing that is still needed is dropped.
// Method: small limits, a real database, and a property over which jobs have ended.
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { PruneLimits } from '../../../src/store/prune.js'
import { Store } from '../../../src/store/store.js'
import { assignmentRecord, jobNode, jobRecord, receipt } from '../../support/records.js'

const limits: PruneLimits = {
  ...{ finishedJobsPerSite: 2, eventsPerJob: 3, eventsKeptMs: 100, snapshotsPerSite: 2 },
  ...{ deliveriesPerWebhook: 2, deliveriesWaiting: 3, fleetEventsKeptMs: 100 },
}

const opened = async (t: Test): Promise<Store> => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  return store
}

const idsOf = async (store: Store, site: string) => (await store.jobs.list({ site, limit: 500 })).map(({ id }) => id)

t.test('of finished jobs the newest of each site are kept, with all that belongs to them', async (t) => {
  const store = await opened(t)
  for (const id of ['A', 'B', 'C', 'D']) await store.jobs.create(jobRecord({ id, finishedAtMs: 1 }))
  await store.jobs.create(jobRecord({ id: 'E', site: 'img', finishedAtMs: 1 }))
  for (const id of ['A', 'D']) {
    await store.jobNodes.put(id, [jobNode()])
    await store.receipts.record(receipt({ jobId: id }))
  }
  t.match(await store.prune(0, limits), { jobsDropped: 2 })
  t.same(await idsOf(store, 'www'), ['D', 'C'])
  t.same(await idsOf(store, 'img'), ['E'])
  t.equal((await store.jobNodes.list('A')).length + (await store.receipts.list('A')).length, 0)
  t.equal((await store.jobNodes.list('D')).length + (await store.receipts.list('D')).length, 2)
  const nothing = { jobsDropped: 0, eventsDropped: 0, snapshotsDropped: 0, releasesDropped: 0, deliveriesDropped: 0 }
  t.same(await store.prune(0, limits), nothing, 'once is enough')
})

t.test('a job that decided what is live is kept, however old', async (t) => {
  const store = await opened(t)
  for (const id of ['A', 'B', 'C', 'D']) await store.jobs.create(jobRecord({ id, finishedAtMs: 1 }))
  await store.sites.ensure('www', { group: 'edge', only: null }, 1)
  await store.sites.setTarget(
    'www',
    { release: 1, treeHash: 'e'.repeat(64), jobId: 'A', command: 'commit', number: 2, stageNumber: 1 },
    null,
  )
  await store.prune(0, limits)
  t.same(await idsOf(store, 'www'), ['D', 'C', 'A'])
})

t.test('events beyond the limits go: the oldest of a job, and those of jobs long finished', async (t) => {
  const store = await opened(t)
  for (const id of ['A', 'B']) await store.jobs.create(jobRecord({ id, finishedAtMs: id === 'A' ? 1 : null }))
  const { treeHash: _treeHash, ...seen } = jobRecord()
  const add = (jobId: string, id: number, atMs: number) =>
    store.events.append(jobId, { type: 'phase', id, atMs, job: { ...seen, commands: [], waitsFor: null, nodes: [] } })
  for (const id of [1, 2, 3, 4, 5]) await add('B', id, id)
  await add('A', 1, 899)
  await add('A', 2, 900)
  t.match(await store.prune(1000, limits), { eventsDropped: 3 })
  t.same(
    (await store.events.since('B', 0)).map(({ id }) => id),
    [3, 4, 5],
  )
  t.same(
    (await store.events.since('A', 0)).map(({ id }) => id),
    [2],
  )
})

t.test('of snapshots the newest of each site are kept', async (t) => {
  const store = await opened(t)
  const details = { nodes: [] } as never
  for (const serial of [1, 2, 3, 4]) {
    const site = serial === 1 ? 'img' : 'www'
    await store.snapshots.put({ serial, site, release: 1, jobId: 'A', atMs: 1, details })
  }
  t.match(await store.prune(0, limits), { snapshotsDropped: 1 })
  const kept = await Promise.all([1, 2, 3, 4].map(async (serial) => (await store.snapshots.get(serial)) !== null))
  t.same(kept, [true, false, true, true], 'the oldest of the site with three is gone')
})

t.test('of releases those stay that something still speaks of', async (t) => {
  const store = await opened(t)
  await store.sites.ensure('www', { group: 'edge', only: null }, 1)
  const put = (release: number, held = false) =>
    store.releases.put({
      ...{ site: 'www', release, treeHash: String(release).repeat(64), baseRelease: null, jobId: 'A', held },
      ...{ fileCount: 1, totalBytes: 1, createdAtMs: 1 },
    })
  for (const release of [1, 2, 3, 4, 5, 6, 7, 8]) await put(release, release === 2)
  await store.sites.setTarget(
    'www',
    { release: 3, treeHash: '3'.repeat(64), jobId: 'T', command: 'commit', number: 2, stageNumber: 1 },
    null,
  )
  await store.assignments.create(assignmentRecord({ release: 5, baseRelease: 4 }))
  await store.jobs.create(jobRecord({ id: 'A', release: 1, finishedAtMs: 1 }))
  await store.jobs.create(jobRecord({ id: 'B', release: 7, baseRelease: 6, finishedAtMs: 1 }))
  await store.jobs.create(jobRecord({ id: 'C', finishedAtMs: 1 }))
  const kept = async () => (await store.releases.list('www')).map(({ release }) => release)
  t.match(await store.prune(0, limits), { jobsDropped: 1, releasesDropped: 2 }, 'one went with its job, one had none')
  t.same(await kept(), [7, 6, 5, 4, 3, 2])
  t.same(await store.releases.hashes('www', [4, 1]), new Map([[4, '4'.repeat(64)]]))
})

t.test('whatever has ended, no job without an end is dropped', async (t) => {
  const store = await opened(t)
  let serial = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), async (ended) => {
      serial += 1
      const site = `site-${serial}`
      const ids = ended.map((_, index) => `${String(serial).padStart(4, '0')}-${index}`)
      await store.transaction(async (tables) => {
        for (const [index, id] of ids.entries()) {
          await tables.jobs.create(jobRecord({ id, site, finishedAtMs: ended[index] === true ? 1 : null }))
        }
      })
      await store.prune(0, limits)
      const kept = await idsOf(store, site)
      const finished = ids.filter((_, index) => ended[index] === true).toReversed()
      const expected = ids.filter(
        (id, index) => ended[index] !== true || finished.indexOf(id) < limits.finishedJobsPerSite,
      )
      return JSON.stringify(kept.toSorted()) === JSON.stringify(expected.toSorted())
    }),
    { numRuns: 30 },
  )
  t.pass()
})
