// Goal: canaries switch first; all others switch only when these stayed well for their time; else the canaries switch
// back, whatever happens meanwhile, and nothing of the release is left. Method: a real coordinator; nodes that answer
// as the test says.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Clock, systemClock } from '../../../src/base/clock.js'
import { JOB_COMMANDS_MAX } from '../../../src/base/limits.js'
import { HOUR_MS } from '../../../src/base/units.js'
import type { Coordinator as CoordinatorType } from '../../../src/coordinator.js'
import { Coordinator } from '../../../src/coordinator.js'
import { FakeNode } from '../../support/fake-node.js'
import { jumpingClock } from '../../support/jumping-clock.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-canary-'))
t.teardown(() => rm(root, { recursive: true, force: true }))
const to = { site: 'www', group: 'edge' } as const
const canary = { share: 0.25, bakeMs: 2000 }
const sick = { code: 'ENGINE_ERR_HOOK_FAILED', message: 'hook health failed: exit code 1: 502', hint: '' }

let count = 0
/** Nodes that serve www@1, and www@2 staging beside it. */
async function place(names: readonly string[] = ['one', 'two', 'three', 'four'], clock: Clock = systemClock) {
  const dataDir = join(root, String(count++))
  const staging = `${dataDir}-staging`
  await mkdir(staging)
  const fill = (text: string): Promise<void> => writeFile(join(staging, 'index.html'), text)
  await fill('one\n')
  const coordinator = await Coordinator.open({ dataDir, clock })
  const nodes = names.map((name) => new FakeNode({ name, hooks: [] }))
  for (const node of nodes) await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  await fill('two\n')
  return { dataDir, staging, coordinator, nodes }
}

const served = (nodes: readonly FakeNode[]) => nodes.map((node) => node.live('www')?.release)
const kinds = async (coordinator: CoordinatorType, id: string) =>
  (await coordinator.explain(id)).map(({ kind }) => kind).filter((kind) => kind !== 'closed')
const checks = (node: FakeNode | undefined) => node?.messages('execute') ?? []

t.test('a canary serves it first, is checked, and when it stayed well all others follow together', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, canary })
  await until('it is live on the canary', () => served(nodes).includes(2))
  t.same(served(nodes), [1, 1, 1, 2], 'the first by name')
  t.match(await closing.job(job.id), { state: 'staged', canary: { names: ['four'], revoked: null } })
  t.match(await closing.nodes(), [{ name: 'four', reason: null }, {}, {}, {}], 'it serves what it should')
  await until('it bakes', async () => (await closing.job(job.id)).canary?.untilMs ?? undefined)
  await t.rejects(closing.commit(job.id), { code: 'ENGINE_ERR_JOB_STATE' })
  const done = await job.completed()
  t.match(done, { state: 'succeeded', nodes: [1, 2, 3, 4].map(() => ({ state: 'live' })) })
  t.same(served(nodes), [2, 2, 2, 2])
  const told = nodes.map((node) => node.messages('commit').filter(({ release }) => release === 2).length)
  t.same(told, [1, 1, 1, 1], 'who has switched is not told again')
  t.ok(checks(nodes[3]).length >= 3, 'at the start, in between, at the end')
  t.ok(checks(nodes[3]).every(({ number }) => number > JOB_COMMANDS_MAX))
  t.equal(new Set(checks(nodes[3]).map(({ number }) => number)).size, checks(nodes[3]).length)
  t.same(checks(nodes[0]), [])
  const [first, second, third, ...rest] = await kinds(closing, job.id)
  t.same([first, second, third, rest.at(-1)], ['canary', 'canary', 'checked', 'promoted'])
  const receipts = await closing.receipts(job.id)
  const commits = receipts.filter(({ command, kind }) => command === 'commit' && kind === 'completion')
  t.same(new Set(commits.map(({ number }) => number)), new Set([2]), 'each is one of the same command')
})

t.test('a wall clock that jumps ahead does not end the time of canaries', async (t) => {
  const { clock, later } = jumpingClock()
  const { coordinator, staging, nodes } = await place(undefined, clock)
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, canary })
  await until('it is checked', () => checks(nodes[3]).length > 0)
  later(HOUR_MS)
  t.match(await job.completed(), { state: 'succeeded' })
  t.ok(checks(nodes[3]).length >= 3, 'at the start, in between, at the end')
})

t.test('one that turns sick switches back, nothing else has switched, and nothing of it is left', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const four = nodes[3]
  if (four !== undefined) four.onExecute = () => (checks(four).length > 1 ? sick : 'do')
  const job = await closing.publish(staging, { ...to, canary })
  await t.rejects(job.completed(), {
    code: 'ENGINE_ERR_CANARY_FAILED',
    exitCode: 7,
    message: /canary four of www@2 failed: hook health failed: exit code 1: 502/,
  })
  t.same(served(nodes), [1, 1, 1, 1])
  t.same(
    nodes.map((node) => node.messages('commit').some(({ release }) => release === 2)),
    [false, false, false, true],
  )
  await until('all are told to drop it', () => nodes.every((node) => node.messages('discard').length > 0))
  t.match(four?.messages('discard'), [{ release: 2, evenLive: true }])
  t.match(await closing.job(job.id), { state: 'failed', canary: { revoked: { code: 'ENGINE_ERR_CANARY_FAILED' } } })
  t.same(await kinds(closing, job.id), ['canary', 'canary', 'checked', 'revoked'])
  t.match(await (await closing.publish(staging, to)).completed(), { state: 'succeeded', release: 3 })
})

t.test('one that turns sick in the last moment of its time keeps all others from switching', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const four = nodes[3]
  let untilMs = Number.POSITIVE_INFINITY
  if (four !== undefined) four.onExecute = () => (Date.now() >= untilMs ? sick : 'do')
  const job = await closing.publish(staging, { ...to, canary })
  untilMs = await until('it bakes', async () => (await closing.job(job.id)).canary?.untilMs ?? undefined)
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_CANARY_FAILED' })
  t.same(served(nodes), [1, 1, 1, 1])
  t.notOk(nodes.slice(0, 3).some((node) => node.messages('commit').some(({ release }) => release === 2)))
})

t.test('in one session each release has canaries of its own, and a rollback has none', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const job = await closing.openJob({ ...to, reason: 'two in one', canary: { count: 1, bakeMs: 1000 } })
  const publish = { type: 'publish', directory: staging, upload: null } as const
  await job.add(publish, { type: 'commit' })
  await until('all serve the first', () => served(nodes).every((release) => release === 2))
  await writeFile(join(staging, 'index.html'), 'three\n')
  const before = (await closing.job(job.id)).canary?.untilMs ?? Number.POSITIVE_INFINITY
  await job.add(publish, { type: 'commit' })
  await until('one serves the second', () => served(nodes).includes(3))
  t.same(served(nodes), [2, 2, 2, 3])
  const after = await until('it bakes', async () => (await closing.job(job.id)).canary?.untilMs ?? undefined)
  t.ok(after >= before + 1000, 'for as long as the first')
  await until('all serve it', () => served(nodes).every((release) => release === 3))
  const told = await kinds(closing, job.id)
  t.same([told.filter((kind) => kind === 'canary').length, told.includes('resumed')], [4, false])
  await job.add({ type: 'rollback', release: 1 }, { type: 'end-job' })
  t.match(await job.completed(), { state: 'succeeded', canary: null })
  t.same(served(nodes), [1, 1, 1, 1])
  const back = nodes.map((node) => node.messages('commit').at(-1))
  t.match(
    back,
    [5, 5, 5, 5].map((number) => ({ number, command: 'rollback', release: 1 })),
  )
})

t.test('one that cannot switch has failed, too', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const four = nodes[3]
  if (four !== undefined) four.onCommit = ({ release }) => (release === 2 ? sick : 'do')
  const job = await closing.publish(staging, { ...to, canary })
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_CANARY_FAILED', message: /four.*502/ })
  t.same(served(nodes), [1, 1, 1, 1])
})

t.test('an abort while it bakes has the canary switch back', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, canary: { nodes: ['two', 'one'], bakeMs: 60_000 } })
  await until('both are live', () => served(nodes).filter((release) => release === 2).length === 2)
  t.same(served(nodes), [2, 2, 1, 1], 'those that are named')
  t.match(await closing.abort(job.id), { state: 'aborted' })
  t.same(served(nodes), [1, 1, 1, 1])
  await until('it is told to drop it', () => (nodes[0]?.messages('discard').length ?? 0) > 0)
  t.match(nodes[0]?.messages('discard'), [{ release: 2, evenLive: true }])
})

t.test('a canary that is gone has failed; it switches back when it returns, and drops it', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, canary: { nodes: ['one'], bakeMs: 60_000 } })
  await until('it bakes', async () => (await closing.job(job.id)).canary?.untilMs ?? undefined)
  const [one] = nodes
  await one?.disconnect()
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_CANARY_FAILED', message: /one.*has not answered/ })
  const parts = (await closing.job(job.id)).nodes
  t.match(
    parts.find(({ name }) => name === 'one'),
    { state: 'behind', reason: /may still serve/ },
  )
  t.same(served(nodes), [2, 1, 1, 1])
  await one?.connect(closing.url)
  await until('it is back', () => one?.live('www')?.release === 1)
  await until('it drops it', () => one?.messages('discard').some(({ evenLive }) => evenLive === true))
})

t.test('killed in the bake, the coordinator goes on with it', async (t) => {
  const { dataDir, coordinator, staging, nodes } = await place()
  const { id } = await coordinator.publish(staging, { ...to, canary: { ...canary, bakeMs: 4000 } })
  const before = await until('it bakes', async () => (await coordinator.job(id)).canary?.untilMs ?? undefined)
  await until('it was checked', () => checks(nodes[3]).length > 0)
  await coordinator.close()
  t.same(served(nodes), [1, 1, 1, 2])
  await using again = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(again.url)
  const earlier = checks(nodes[3]).map(({ number }) => number)
  t.match(await (await again.attach(id)).completed(), { state: 'succeeded', canary: { untilMs: before } })
  t.same(served(nodes), [2, 2, 2, 2])
  const later = checks(nodes[3]).slice(earlier.length)
  t.ok(later.length > 0 && later.every(({ number }) => !earlier.includes(number)), 'it is asked anew')
  t.ok((await kinds(again, id)).includes('resumed'))
})

t.test('killed in the bake, and one is sick or it is aborted when it is back: it switches back', async (t) => {
  for (const what of ['sick', 'abort'] as const) {
    const { dataDir, coordinator, staging, nodes } = await place()
    const { id } = await coordinator.publish(staging, { ...to, canary: { ...canary, bakeMs: 30_000 } })
    await until('it was checked', () => checks(nodes[3]).length > 0)
    await coordinator.close()
    const four = nodes[3]
    if (four !== undefined && what === 'sick') four.onExecute = () => sick
    await using again = await Coordinator.open({ dataDir })
    for (const node of nodes) await node.connect(again.url)
    if (what === 'abort') await again.abort(id)
    const code = what === 'sick' ? 'ENGINE_ERR_CANARY_FAILED' : 'ENGINE_ERR_JOB_ABORTED'
    await t.rejects((await again.attach(id)).completed(), { code })
    t.same(served(nodes), [1, 1, 1, 1], what)
  }
})

t.test('killed while the canary is to switch back, the coordinator sees to that', async (t) => {
  const { dataDir, coordinator, staging, nodes } = await place()
  const four = nodes[3]
  if (four !== undefined) {
    four.onExecute = () => sick
    four.onCommit = ({ release }) => (release === 2 ? 'do' : 'ignore')
  }
  const { id } = await coordinator.publish(staging, { ...to, canary })
  await until(
    'it is told to switch back',
    () => (four?.messages('commit').at(-1)?.release ?? 0) === 1 && four?.live('www')?.release === 2,
  )
  await coordinator.close()
  if (four !== undefined) four.onCommit = () => 'do'
  await using again = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(again.url)
  const why = { code: 'ENGINE_ERR_CANARY_FAILED', message: /four.*502/ }
  await t.rejects((await again.attach(id)).completed(), why, 'with the reason that it had')
  t.same(served(nodes), [1, 1, 1, 1])
})

t.test('a hold keeps it from beginning: no canary switches', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, canary, stageOnly: true })
  await until('it is staged', async () => (await closing.job(job.id)).state === 'staged')
  await closing.pause({ site: 'www', reason: 'freeze' })
  const asked = closing.commit(job.id).then(() => job.completed())
  await t.rejects(asked, { code: 'ENGINE_ERR_SITE_HELD' })
  t.same(served(nodes), [1, 1, 1, 1])
  t.notOk(nodes.some((node) => node.messages('commit').some(({ release }) => release === 2)))
})

t.test('in two steps the commit is what begins it', async (t) => {
  const { coordinator, staging, nodes } = await place()
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, canary: { count: 2, bakeMs: 1000 }, stageOnly: true })
  await until('it is staged', async () => (await closing.job(job.id)).state === 'staged')
  t.same(served(nodes), [1, 1, 1, 1])
  await closing.commit(job.id)
  await until('two are live', () => served(nodes).filter((release) => release === 2).length === 2)
  t.match(await job.completed(), { state: 'succeeded', canary: { names: ['four', 'three'] } })
  const none = await closing.publish(staging, { ...to, canary })
  t.match(await none.completed(), { state: 'succeeded', release: 2 }, 'nothing differs: nobody needs to go first')
})

t.test('what cannot have canaries is refused, and says why', async (t) => {
  const { coordinator, staging, nodes } = await place(['one', 'two'])
  await using closing = coordinator
  const impossible = { code: 'ENGINE_ERR_CANARY_IMPOSSIBLE', exitCode: 6 }
  const first = closing.publish(staging, { site: 'docs', group: 'edge', canary })
  await t.rejects(first, { ...impossible, message: /docs.*nothing is live yet/ })
  const unknown = closing.publish(staging, { ...to, canary: { nodes: ['nine'], bakeMs: 1000 } })
  await t.rejects(unknown, { code: 'ENGINE_ERR_NODE_UNKNOWN' })
  const hook = closing.publish(staging, { ...to, canary: { ...canary, health: 'smoke' } })
  await t.rejects(hook, { code: 'ENGINE_ERR_HOOK_UNKNOWN', message: /no hook smoke for www is declared on one, two/ })
  const each = closing.publish(staging, { ...to, canary, commit: 'each' })
  await t.rejects(each, { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /nobody waits for canaries/ })
  for (const bad of [{ bakeMs: 1000 }, { share: 0.5, count: 1, bakeMs: 1000 }, { count: 1, bakeMs: 0 }]) {
    await t.rejects(closing.publish(staging, { ...to, canary: bad }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  }
  const all = await closing.publish(staging, { ...to, canary: { count: 2, bakeMs: 1000 } })
  await t.rejects(all.completed(), { ...impossible, message: /none would be left/ })
  t.same(served(nodes), [1, 1])
  const alone = await place(['one'])
  await using other = alone.coordinator
  await t.rejects(other.publish(alone.staging, { ...to, canary }), { ...impossible, message: /one node serves it/ })
})
