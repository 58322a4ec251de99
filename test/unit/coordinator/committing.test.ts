// Goal: what is decided is told to the nodes, whatever fails after it was written.
// Method: a real database that refuses to be read once.
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { RETRY_FIRST_MS } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { Roster } from '../../../src/coordinator/roster.js'
import { launch } from '../../../src/coordinator/running.js'
import { Watching } from '../../../src/coordinator/watching.js'
import { refreshSite, type World } from '../../../src/coordinator/world.js'
import { Store } from '../../../src/store/store.js'
import { newPart } from '../../../src/track/fold.js'
import { ManualClock } from '../../support/manual-clock.js'
import { jobCommands } from '../../support/records.js'
import { until } from '../../support/until.js'
import { untold } from '../../support/untold.js'

const identity = {
  ...{ id: 'a'.repeat(32), name: 'one', groups: ['edge'], segment: 'lan' },
  dataAddress: { host: '127.0.0.1', port: 1 },
}
const [old, other] = [1, 2].map((release) => ({ release, treeHash: String(release).repeat(64) }))

/** A site that serves 2, a node that holds both releases, and a rollback to 1 that was not begun. */
async function place(t: { testdir(): string; teardown(run: () => unknown): void }) {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  await store.sites.ensure('www', { group: 'edge', only: null }, 1)
  await store.sites.setTarget(
    'www',
    { ...other, jobId: 'i', command: 'commit', number: 2, stageNumber: 1 } as never,
    null,
  )
  const numbers = { baseRelease: null, jobId: 'i', fileCount: 1, totalBytes: 1, held: true, createdAtMs: 1 }
  for (const ref of [old, other]) await store.releases.put({ site: 'www', ...ref, ...numbers } as never)
  const policy = { maxDeleteRatio: 1, allowEmpty: true, quorum: 0.5, strategy: 'braid' } as const
  const record = {
    ...({ id: 'j', site: 'www', group: 'edge', only: null, state: 'queued', release: 1 } as const),
    ...{ baseRelease: null, treeHash: null, reason: 'no', policy, changes: null, assignment: null },
    ...{ error: null, createdAtMs: 1, finishedAtMs: null },
  }
  await store.jobs.create(record)
  const commands = jobCommands([{ type: 'rollback', release: 1 }, { type: 'end-job' }])
  await store.commands.add('j', commands)
  const job = new LiveJob(record, { commands, parts: [newPart(identity)] }, 0)
  const [clock, watching, roster] = [new ManualClock(), new Watching(store.events), new Roster()]
  await watching.begin(job.id, true)
  const heard: FromCoordinator[] = []
  const known = roster.admit(identity, [{ site: 'www', live: other, held: [old, other] } as never], 1)
  known.link = { send: (message) => void heard.push(message), close: () => {} }
  const world = {
    ...untold,
    ...{ store, watching, roster, clock, log: silentLogger, metrics: createMetrics(), stale: [] },
    ...{ jobs: new Map([[job.id, job]]), sites: new Map(), background: new Set() },
    ...{ closing: new AbortController().signal },
    content: { holds: () => true, shadow: { switchTo: async () => {} } },
  } as unknown as World
  await refreshSite(world, 'www')
  return { world, job, clock, heard, known }
}

t.test('a decision that could not be read back is read again, and nodes are told to switch', async (t) => {
  const { world, job, clock, heard, known } = await place(t)
  const get = world.store.sites.get.bind(world.store.sites)
  let refusals = 1
  world.store.sites.get = async (site) => {
    if (job.record.state === 'committing' && refusals-- > 0)
      throw new EngineError('ENGINE_ERR_DATABASE_BUSY', { path: 'db' })
    return get(site)
  }
  launch(world, job)
  await until('it waits', () => clock.waiting === 1)
  t.match(await world.store.jobs.get('j'), { state: 'committing' })
  clock.advance(RETRY_FIRST_MS)
  await until('the node is told', () => heard.length === 1)
  t.match(heard, [{ type: 'commit', command: 'rollback', release: 1 }])
  job.setPart({ ...newPart(identity), state: 'live' }, clock.monotonicMs())
  await job.running
  t.match(await world.store.jobs.get('j'), { state: 'succeeded' })
  t.equal(known.task('www').underWay?.kind, 'commit')
  await Promise.allSettled([...world.background])
})
