// Goal: watchers miss no event, and what failed in the background holds up nobody.
// Method: rounds by hand over a job in a real database.
import { join } from 'node:path'
import t from 'tap'
import { silentLogger } from '../../../src/base/log.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { Roster } from '../../../src/coordinator/roster.js'
import { Ticking } from '../../../src/coordinator/ticking.js'
import { Watching } from '../../../src/coordinator/watching.js'
import { advance, type World } from '../../../src/coordinator/world.js'
import type { JobEvent } from '../../../src/model/event.js'
import type { SessionStatus } from '../../../src/native/relay.js'
import { Store } from '../../../src/store/store.js'
import { newPart } from '../../../src/track/fold.js'
import { ManualClock } from '../../support/manual-clock.js'
import { assignmentRecord } from '../../support/records.js'
import { untold } from '../../support/untold.js'

interface Place {
  testdir(): string
  teardown(run: () => unknown): void
}

const identity = {
  ...{ id: 'a'.repeat(32), name: 'one', groups: ['edge'], segment: 'lan' },
  dataAddress: { host: '127.0.0.1', port: 1 },
}

const statusOf = (said: Partial<SessionStatus>): SessionStatus => {
  const counters = { bytesSent: 0, corruptChunks: 0, faultyLinks: 0, lastFault: null }
  return { session: 1, ...counters, failure: null, children: [], ...said } as unknown as SessionStatus
}

async function place(t: Place): Promise<{ world: World; job: LiveJob; statuses: SessionStatus[] }> {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  const policy = { maxDeleteRatio: 1, allowEmpty: true, quorum: 0.5, strategy: 'braid' } as const
  const record = {
    ...({ id: 'j', site: 'www', group: 'edge', only: null, state: 'queued', release: null } as const),
    ...{ baseRelease: null, treeHash: null, reason: null, policy, changes: null, assignment: null },
    ...{ error: null, createdAtMs: 1, finishedAtMs: null },
  }
  await store.jobs.create(record)
  const job = new LiveJob(record, { commands: [], parts: [] }, 0)
  const watching = new Watching(store.events)
  await watching.begin(job.id, true)
  const statuses: SessionStatus[] = []
  const world = {
    ...untold,
    ...{ store, watching, roster: new Roster(), clock: new ManualClock(), log: silentLogger },
    ...{ metrics: createMetrics(), jobs: new Map([[job.id, job]]), sites: new Map(), background: new Set() },
    ...{
      transfers: { ...untold.transfers, all: [], poll: () => statuses, close: () => {} },
      closing: new AbortController().signal,
    },
  } as unknown as World
  t.teardown(async () => {
    await Promise.allSettled([...world.background])
    await store.close()
  })
  return { world, job, statuses }
}

t.test('a round within the writing of an event tells nothing that hides it', async (t) => {
  const { world, job } = await place(t)
  const ticking = new Ticking(world)
  const told: JobEvent[] = []
  const stop = new AbortController()
  const watched = (async () => {
    for await (const event of world.watching.watch(job.id, 0, stop.signal)) told.push(event)
  })()
  await advance(
    world,
    job,
    { type: 'started' },
    {
      async write() {
        job.setPart(newPart(identity), 1)
        ticking.tick()
        // Whoever watches has time to read on while this is written.
        await new Promise((resolve) => setImmediate(resolve))
      },
    },
  )
  ticking.tick()
  job.record = { ...job.record, state: 'failed' }
  world.watching.end(job.id)
  await watched
  stop.abort()
  t.same(
    told.map(({ type }) => type),
    ['phase', 'progress'],
  )
})

t.test('a node whose source failed is not waited for: it is told anew, later each time', async (t) => {
  const { world, statuses } = await place(t)
  const known = world.roster.admit(identity, [], 1)
  const about = { kind: 'stage', release: { release: 1, treeHash: 'b' }, isDelta: false, toldAtMs: 0 } as const
  for (const site of ['www', 'docs']) {
    known.task(site).underWay = { ...about, commandId: site, assignmentId: `of-${site}` }
  }
  const failure = { code: 'ENGINE_ERR_IO', message: 'the disk is gone' }
  statuses.push(statusOf({ assignmentId: 'of-www', failure }))
  new Ticking(world).tick()
  t.same(known.assignmentsUnderWay, ['of-docs'])
  t.match(known.task('www').failure, { message: 'the disk is gone', retryable: true, attempts: 1 })
  t.ok((known.task('www').failure?.retryAtMs ?? 0) > world.clock.monotonicMs())
})

t.test('a source that fails ends the job that has not decided on it, and none that has, or has gone on', async (t) => {
  const { world, job, statuses } = await place(t)
  const failure = { code: 'ENGINE_ERR_IO', message: 'the disk is gone' }
  const { id, serial, chunkBytes } = assignmentRecord()
  const assignment = { id, serial, chunkBytes, streamBytes: 1 }
  job.assignment = assignmentRecord()
  statuses.push({ session: 1, assignmentId: id, bytesSent: 0, failure, children: [] } as unknown as SessionStatus)
  const ticking = new Ticking(world)
  const after = [
    ...(['committing', 'open', 'ending'] as const).map((state) => ({ state, assignment })),
    { state: 'packing', assignment: null } as const,
  ]
  for (const facts of after) {
    job.record = { ...job.record, ...facts }
    ticking.tick()
    t.notOk(job.signal.aborted, facts.state)
  }
  job.record = { ...job.record, state: 'distributing', assignment }
  ticking.tick()
  t.match(job.signal.reason, { code: 'ENGINE_ERR_IO', message: 'the disk is gone' })
})

t.test('bytes that a session sent are counted once, and a session that is gone is forgotten', async (t) => {
  const { world, statuses } = await place(t)
  const counted: number[] = []
  world.metrics.add = (name, _labels, bytes) => {
    if (name === 'engine_transfer_bytes_total') counted.push(bytes)
  }
  const ticking = new Ticking(world)
  const status = (bytesSent: number): SessionStatus =>
    ({ session: 1, assignmentId: 'x', bytesSent, failure: null, children: [] }) as unknown as SessionStatus
  for (const polled of [[status(10)], [status(15)], [], [status(7)]]) {
    statuses.splice(0, statuses.length, ...polled)
    ticking.tick()
  }
  t.same(counted, [10, 5, 7])
})

t.test('what peers of the coordinator’s relay did wrong is counted', async (t) => {
  const { world, statuses } = await place(t)
  const ticking = new Ticking(world)
  statuses.push(statusOf({ corruptChunks: 1, faultyLinks: 2, lastFault: 'a chunk' }))
  ticking.tick()
  ticking.tick()
  const text = await (world.metrics as ReturnType<typeof createMetrics>).text()
  t.match(text, /engine_corrupt_chunks_total\{role="coordinator"\} 1/)
  t.match(text, /engine_faulty_links_total\{role="coordinator"\} 2/)
})
