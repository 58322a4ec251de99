// Goal: a job's policy decides when it starts, what gives way to it, when it gives up, and who switches when.
// Method: a real coordinator; nodes that answer as the test says.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { HOUR_MS } from '../../../src/base/units.js'
import { Coordinator } from '../../../src/coordinator.js'
import { FakeNode } from '../../support/fake-node.js'
import { jumpingClock } from '../../support/jumping-clock.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-policies-'))
t.teardown(() => rm(root, { recursive: true, force: true }))
const to = { site: 'www', group: 'edge' } as const

let count = 0
async function place(names: readonly string[]) {
  const dataDir = join(root, String(count++))
  const staging = `${dataDir}-staging`
  await mkdir(staging)
  await writeFile(join(staging, 'index.html'), 'one\n')
  const { clock, later } = jumpingClock()
  const coordinator = await Coordinator.open({ dataDir, clock })
  const nodes = names.map((name) => new FakeNode({ name }))
  for (const node of nodes) await node.connect(coordinator.url)
  return { dataDir, staging, coordinator, nodes, clock, later }
}

t.test('with commit each, a node that has it is live while another still fetches', async (t) => {
  const { coordinator, staging, nodes } = await place(['one', 'two'])
  await using closing = coordinator
  const [one, two] = nodes
  if (two !== undefined) two.onStage = () => 'ignore'
  const job = await closing.publish(staging, { ...to, commit: 'each', quorum: 1 })
  await until('one is live', () => one?.live('www')?.release === 1)
  const [stage] = two?.messages('stage') ?? []
  t.equal(two?.live('www') ?? null, null)
  if (stage !== undefined) two?.perform(stage)
  t.match(await job.completed(), { state: 'succeeded', policy: { commit: 'each' } })
  t.equal(two?.live('www')?.release, 1)
})

t.test('not decided in time it fails with 124 and nothing is switched; decided, it only stops waiting', async (t) => {
  const { coordinator, staging, nodes, later } = await place(['one', 'two'])
  await using closing = coordinator
  const [one, two] = nodes
  if (two !== undefined) two.onStage = () => 'ignore'
  const late = await closing.publish(staging, { ...to, deadlineMs: HOUR_MS })
  await until('one has it', () => one?.messages('stage').length === 1)
  later(HOUR_MS)
  await t.rejects(late.completed(), { code: 'ENGINE_ERR_DEADLINE', exitCode: 124 })
  t.equal(one?.live('www') ?? null, null)
  const each = await closing.publish(staging, { ...to, deadlineMs: HOUR_MS, commit: 'each' })
  await until('one is live', () => one?.live('www')?.release === 2)
  later(HOUR_MS)
  const reason = /the time of the job was over/
  t.match(await each.completed(), { state: 'partial', nodes: [{ state: 'live' }, { state: 'behind', reason }] })
})

t.test('a job waits for its time, holds up nobody meanwhile, and still waits after a restart', async (t) => {
  const { dataDir, coordinator, staging, nodes, clock, later } = await place(['one'])
  const startAtMs = Date.now() + HOUR_MS
  const waiting = await coordinator.publish(staging, { ...to, startAtMs })
  const now = await coordinator.publish(staging, to)
  t.match(await now.completed(), { state: 'succeeded' })
  t.match(await coordinator.job(waiting.id), { state: 'queued', waitsFor: `time ${new Date(startAtMs).toISOString()}` })
  await coordinator.close()
  await using second = await Coordinator.open({ dataDir, clock })
  await nodes[0]?.connect(second.url)
  t.match(await second.job(waiting.id), { state: 'queued', waitsFor: /^time / })
  later(HOUR_MS)
  const started = await (await second.attach(waiting.id)).completed()
  t.ok((started.finishedAtMs ?? 0) >= startAtMs)
  const minutes = new Date(clock.nowMs() + 2 * HOUR_MS).getHours() * 60
  const window = { fromMinute: minutes, toMinute: (minutes + 1) % 1440 }
  const open = await second.publish(staging, { ...to, window })
  t.match(await second.job(open.id), { state: 'queued', waitsFor: /^window / })
  await t.rejects(second.publish(staging, { ...to, window: { fromMinute: 5, toMinute: 5 } }), {
    ...{ code: 'ENGINE_ERR_INVALID_ARGUMENT', exitCode: 2 },
  })
})

t.test('another job of the site makes one fail, or gives way, as the request says', async (t) => {
  const { coordinator, staging, nodes } = await place(['one'])
  await using closing = coordinator
  const [one] = nodes
  if (one !== undefined) one.onStage = () => 'ignore'
  const first = await closing.publish(staging, to)
  await until('it is told', () => (one?.messages('stage').length ?? 0) > 0)
  const queued = await closing.publish(staging, to)
  t.match(await closing.job(queued.id), { waitsFor: `job ${first.id}` })
  const message = new RegExp(`job ${first.id} .*embedded asked for it at 2\\d{3}-.*distributing`)
  await t.rejects(closing.publish(staging, { ...to, onConflict: 'fail' }), {
    ...{ code: 'ENGINE_ERR_CONFLICT', exitCode: 6, message },
  })
  if (one !== undefined) one.onStage = () => 'do'
  const newest = await closing.publish(staging, { ...to, onConflict: 'supersede' })
  t.match(await newest.completed(), { state: 'succeeded' })
  const error = { message: `job ${newest.id} has taken its place` }
  for (const { id } of [first, queued]) t.match(await closing.job(id), { state: 'aborted', error })
})

t.test('a queued job waits for the end of a hold that came after it', async (t) => {
  const { coordinator, staging, later } = await place(['one'])
  await using closing = coordinator
  await (await closing.publish(staging, to)).completed()
  const job = await closing.publish(staging, { ...to, startAtMs: Date.now() + HOUR_MS })
  await closing.pause({ site: 'www', reason: 'freeze' })
  later(HOUR_MS)
  await until('its time has come', async () => (await closing.job(job.id)).waitsFor === 'hold: freeze')
  await closing.resume({ site: 'www' })
  t.match(await job.completed(), { state: 'succeeded' })
})
