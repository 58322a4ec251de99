// Goal: the history of a site says what was live before and after each job, by whom, and where it is.
// Method: jobs in a real database; entries by hand.
import { join } from 'node:path'
import t from 'tap'
import { entryOf, historyOf } from '../../../src/coordinator/history.js'
import type { World } from '../../../src/coordinator/world.js'
import { Store } from '../../../src/store/store.js'
import { auditEntry } from '../../support/audit.js'
import { jobCommands, jobNode, jobRecord, publishRequests } from '../../support/records.js'

t.test(
  'a site has its decided and failed jobs, newest first, each from what was live to what it made live',
  async (t) => {
    const store = await Store.open(join(t.testdir(), 'engine.db'))
    t.teardown(() => store.close())
    await store.sites.ensure('www', { group: 'edge', only: null }, 1)
    const states = ['succeeded', 'failed', 'aborted', 'partial', 'staged', 'succeeded'] as const
    for (const [i, state] of states.entries()) {
      const finishedAtMs = state === 'staged' ? null : 1_700_000_000_500
      await store.jobs.create(jobRecord({ id: `j${i + 1}`, state, release: i + 1, finishedAtMs }))
      const done = state === 'succeeded' || state === 'partial' ? 3 : 1
      await store.commands.add(`j${i + 1}`, jobCommands(publishRequests('/srv/www'), done))
    }
    await store.jobs.create(jobRecord({ id: 'j9', site: 'docs', state: 'succeeded', release: 9 }))
    await store.jobNodes.put('j4', [jobNode({ state: 'live' }), jobNode({ nodeId: 'b'.repeat(32), state: 'behind' })])
    const asked = { action: 'createJob', actor: '10.0.0.7', result: 'j4' }
    await store.transaction(({ audit }) => audit.append(auditEntry(asked)))
    await store.transaction(({ audit }) => audit.append(auditEntry({ actor: 'x', action: 'other', result: 'j1' })))
    const repeated = { action: 'createJob', actor: '10.0.0.9', result: 'j4' }
    await store.transaction(({ audit }) => audit.append(auditEntry(repeated)))
    const put = { action: 'putFile', actor: '10.0.0.8', result: 'j2' }
    await store.transaction(({ audit }) => audit.append(auditEntry(put)))
    const world = { store, jobs: new Map() } as unknown as World
    const all = await historyOf(world, 'www', 10)
    t.match(all, [
      { jobId: 'j6', fromRelease: 4, toRelease: 6, result: 'succeeded', actor: null },
      { jobId: 'j4', fromRelease: 1, toRelease: 4, actor: '10.0.0.7', nodesLive: 1, nodesBehind: 1, nodeCount: 2 },
      { jobId: 'j2', fromRelease: 1, toRelease: 2, result: 'failed', actor: '10.0.0.8' },
      { jobId: 'j1', fromRelease: null, toRelease: 1, durationMs: 500, actor: null },
    ])
    t.same(await historyOf(world, 'www', 2), all.slice(0, 2), 'also what was live before the page')
    await t.rejects(historyOf(world, 'nope', 1), { code: 'ENGINE_ERR_SITE_UNKNOWN' })
  },
)

t.test('a job that goes on has no end yet; nodes that failed are behind', async (t) => {
  const commands = jobCommands(publishRequests('/srv/www'), 1)
  const record = { ...jobRecord({ state: 'committing', baseRelease: 3, release: 4 }), commands }
  const entry = entryOf(record, undefined, { failed: 1, behind: 2, staged: 1, departed: 5 }, 'embedded')
  t.match(entry, { finishedAtMs: null, durationMs: null, fromRelease: 3, nodesLive: 0, nodesBehind: 3, nodeCount: 4 })
  t.same(entry.commands, ['publish', 'commit'])
})
