// Goal: a watcher sees every phase once, in order, whenever it comes. Method: the real table of events.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Watching } from '../../../src/coordinator/watching.js'
import type { JobEvent } from '../../../src/model/event.js'
import type { JobView } from '../../../src/model/job.js'
import { Store } from '../../../src/store/store.js'

const directory = await mkdtemp(join(tmpdir(), 'distributary-watching-'))
const store = await Store.open(join(directory, 'engine.db'))
t.teardown(async () => {
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

const policy = { maxDeleteRatio: 0.25, allowEmpty: false, quorum: 0.5, strategy: 'braid' } as const
const never = new AbortController().signal
let count = 0

async function newJob(): Promise<JobView> {
  const id = `job-${count++}`
  const facts = { id, site: 'www', group: 'edge', only: null, state: 'queued', policy } as const
  const blank = { release: null, baseRelease: null, reason: null, changes: null, assignment: null, error: null }
  const record = { ...facts, ...blank, treeHash: null, createdAtMs: 1, finishedAtMs: null }
  await store.jobs.create(record)
  return { ...facts, ...blank, createdAtMs: 1, finishedAtMs: null, commands: [], waitsFor: null, nodes: [] }
}

async function tell(watching: Watching, job: JobView, type: JobEvent['type']): Promise<void> {
  const event: JobEvent = { type, id: watching.nextId(job.id), atMs: 1, job }
  if (type !== 'progress') await store.events.append(job.id, event)
  watching.tell(job.id, event)
}

async function collect(events: AsyncIterable<JobEvent>): Promise<string[]> {
  const seen: string[] = []
  for await (const { id, type } of events) seen.push(`${id} ${type}`)
  return seen
}

t.test('a watcher that is there from the start sees all, one that comes late the last progress only', async (t) => {
  const watching = new Watching(store.events)
  const job = await newJob()
  await watching.begin(job.id, true)
  const early = collect(watching.watch(job.id, 0, never))
  for (const type of ['phase', 'progress', 'progress', 'phase'] as const) {
    await tell(watching, job, type)
    await new Promise(setImmediate)
  }
  const late = collect(watching.watch(job.id, 0, never))
  const resumed = collect(watching.watch(job.id, 3, never))
  await tell(watching, job, 'result')
  watching.end(job.id)
  t.same(
    (await early).filter((event) => !event.endsWith('progress')),
    ['1 phase', '4 phase', '5 result'],
  )
  t.same(
    (await late).filter((event) => event !== '3 progress'),
    ['1 phase', '4 phase', '5 result'],
  )
  t.same(await resumed, ['4 phase', '5 result'])
})

t.test('a job that is over is told from the database, and ends', async (t) => {
  const watching = new Watching(store.events)
  const job = await newJob()
  await watching.begin(job.id, true)
  await tell(watching, job, 'phase')
  await tell(watching, job, 'result')
  watching.end(job.id)
  t.same(await collect(watching.watch(job.id, 0, never)), ['1 phase', '2 result'])
  t.same(await collect(watching.watch(job.id, 2, never)), [])
})

t.test('ids go on beyond all that an earlier life gave out, kept or not', async (t) => {
  const first = new Watching(store.events)
  const job = await newJob()
  await first.begin(job.id, true)
  await tell(first, job, 'phase')
  for (let at = 0; at < 10; at++) await tell(first, job, 'progress')
  const second = new Watching(store.events)
  await second.begin(job.id, false)
  await second.begin(job.id, false)
  await tell(second, job, 'result')
  second.end(job.id)
  const seen = await collect(second.watch(job.id, 11, never))
  t.equal(seen.length, 1)
  t.match(seen[0], /result$/)
})

t.test('a watcher may leave at any time', async (t) => {
  const watching = new Watching(store.events)
  const job = await newJob()
  await watching.begin(job.id, true)
  await tell(watching, job, 'phase')
  const leaving = new AbortController()
  const seen = collect(watching.watch(job.id, 0, leaving.signal))
  leaving.abort()
  t.ok((await seen).length <= 1)
  for await (const event of watching.watch(job.id, 0, never)) {
    t.equal(event.type, 'phase')
    break
  }
  t.same(await collect(watching.watch('nobody', 0, never)), [])
  t.equal(watching.nextId('nobody'), 1)
})
