// Goal: a job that is told to end asks who has not reported, waits for who is at work, mends who errs or is silent,
// and leaves nobody without a reason on record. Method: a real coordinator; nodes that answer as the test says.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import type { JobView } from '../../../src/model/job.js'
import { Store } from '../../../src/store/store.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-accounting-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

let count = 0
async function place(names: readonly string[] = ['one', 'two']) {
  const directory = join(root, String(count++))
  const staging = join(directory, 'staging')
  await mkdir(staging, { recursive: true })
  await writeFile(join(staging, 'index.html'), `hello ${count}\n`)
  const nodes = names.map((name) => new FakeNode({ name }))
  return { dataDir: join(directory, 'data'), staging, nodes, last: nodes.at(-1) as FakeNode }
}

const to = { site: 'www', group: 'edge', periodMs: 1000 } as const

/** `kind node` or `kind:rung node` of each line, in order. */
async function account(coordinator: Coordinator, { id }: { readonly id: string }): Promise<readonly string[]> {
  const events = await coordinator.explain(id)
  return events.map(({ kind, rung, node }) => [rung === null ? kind : `${kind}:${rung}`, node ?? ''].join(' ').trim())
}
const standing = ({ state, nodes }: JobView): readonly string[] => [state, ...nodes.map((node) => node.state)]

t.test('where all have reported, one line says so', async (t) => {
  const { dataDir, staging, nodes } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  const done = await (await coordinator.publish(staging, to)).completed()
  t.same(await account(coordinator, done), ['closed'])
  t.match(await coordinator.explain(done.id), [{ reason: 'all 2 nodes have done all of it', node: null }])
  await t.rejects(coordinator.explain('nobody'), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
})

t.test('a node that says that it is at work is waited for, and the job succeeds', async (t) => {
  const { dataDir, staging, nodes, last } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  last.onCommit = () => 'ignore'
  const job = await coordinator.publish(staging, to)
  last.onQuery = () => [{ jobId: job.id, number: 2, state: 'in-progress', bytesHave: 0 }]
  await until('it is extended twice', async () => {
    const lines = await account(coordinator, job)
    return lines.filter((line) => line === 'extended two').length >= 2
  })
  t.same(standing(await coordinator.job(job.id)), ['ending', 'live', 'staged'])
  const [commit] = last.messages('commit')
  if (commit !== undefined) last.perform(commit)
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
  const lines = await account(coordinator, job)
  t.same(lines.slice(0, 4), ['ended', 'queried two', 'answered two', 'extended two'])
  t.equal(lines.at(-1), 'closed')
  t.notOk(lines.some((line) => line.startsWith('repaired') || line.startsWith('left')))
})

t.test('an abort while it waits ends the waiting: who has not done it is left, with a reason', async (t) => {
  const { dataDir, staging, nodes, last } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  last.onCommit = () => 'ignore'
  const job = await coordinator.publish(staging, to)
  last.onQuery = () => [{ jobId: job.id, number: 2, state: 'in-progress', bytesHave: 0 }]
  await until('it waits', async () => (await coordinator.job(job.id)).state === 'ending')
  t.same(standing(await coordinator.abort(job.id)), ['partial', 'live', 'behind'])
  t.match(await job.completed(), { error: { code: 'ENGINE_ERR_NODES_BEHIND', message: /two/ } })
  t.match((await coordinator.explain(job.id)).at(-2), { kind: 'left', node: 'two', reason: /told to wait no longer/ })
  await t.rejects(coordinator.abort(job.id), { code: 'ENGINE_ERR_JOB_STATE' })
})

t.test('a node that is connected and silent is cut off, comes again, is told anew, and the job succeeds', async (t) => {
  const { dataDir, staging, nodes, last } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  last.onCommit = () => 'ignore'
  last.onQuery = () => 'ignore'
  const job = await coordinator.publish(staging, to)
  await until('it is refused', () => last.messages('refuse').length === 1)
  last.onCommit = () => 'do'
  await last.connect(coordinator.url)
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
  t.same((await account(coordinator, job)).slice(0, 4), ['ended', 'queried two', 'answered two', 'repaired:resend two'])
})

t.test('a node that errs is mended, and what helped is on record', async (t) => {
  const { dataDir, staging, nodes, last } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  let failures = 0
  last.onCommit = () => (failures++ < 1 ? { code: 'ENGINE_ERR_IO', message: 'a bad sector', hint: 'x' } : 'do')
  const job = await coordinator.publish(staging, { ...to, repair: { rungs: ['resend'], attemptsMax: 1 } })
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
  t.same(await account(coordinator, job), ['ended', 'repaired:resend two', 'closed'])
  t.match((await coordinator.explain(job.id))[1], { reason: 'a bad sector' })
})

t.test('a node for which nothing can be done is left with the reason, and catches up when it returns', async (t) => {
  const { dataDir, staging, nodes, last } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  last.onCommit = () => 'ignore'
  const job = await coordinator.publish(staging, { ...to, repair: { rungs: [], attemptsMax: 0 } })
  const done = await job.completed()
  t.same(standing(done), ['partial', 'live', 'behind'])
  t.match(done.nodes[1], { reason: 'it has nothing under way of what it was told' })
  t.same((await account(coordinator, job)).slice(-2), ['left two', 'closed'])
  await last.disconnect()
  last.onCommit = () => 'do'
  await last.connect(coordinator.url)
  await until('it follows', () => last.live('www')?.release === 1)
})

t.test('a node that comes back after it was left, and is not there yet, keeps its reason', async (t) => {
  const { dataDir, staging, nodes, last } = await place(['one', 'three', 'two'])
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  const [one] = nodes as [FakeNode]
  for (const node of [one, last]) node.onCommit = () => 'ignore'
  const job = await coordinator.publish(staging, { ...to, repair: { rungs: [], attemptsMax: 0 } })
  one.onQuery = () => [{ jobId: job.id, number: 2, state: 'in-progress', bytesHave: 0 }]
  await until('it is left', async () => (await account(coordinator, job)).includes('left two'))
  await last.disconnect()
  last.onStage = () => 'ignore'
  last.sites.clear()
  await last.connect(coordinator.url)
  await until('it is told to begin anew', () => last.messages('stage').length > 1)
  for (const told of one.messages('commit')) one.perform(told)
  const done = await job.completed()
  t.same(standing(done), ['partial', 'live', 'live', 'behind'])
  t.match(done.nodes[2], { name: 'two', reason: 'it has nothing under way of what it was told' })
})

t.test('a coordinator that was closed meanwhile goes on with the end of the job', async (t) => {
  const { dataDir, staging, nodes, last } = await place()
  const first = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(first.url)
  last.onCommit = () => 'ignore'
  const { id } = await first.publish(staging, to)
  last.onQuery = () => [{ jobId: id, number: 2, state: 'new', bytesHave: 0 }]
  await until('it waits', async () => (await account(first, { id })).includes('extended two'))
  await first.close()
  await using second = await Coordinator.open({ dataDir })
  t.match(await second.job(id), { state: 'ending' })
  last.onCommit = () => 'do'
  for (const node of nodes) await node.connect(second.url)
  t.same(standing(await (await second.attach(id)).completed()), ['succeeded', 'live', 'live'])
  const lines = await account(second, { id })
  t.ok(lines.includes('resumed'))
  t.equal(lines.at(-1), 'closed')
})

t.test('a coordinator that was closed in the end of a job answers an abort as it would have before', async (t) => {
  for (const isAskedBefore of [false, true]) {
    const { dataDir, staging, nodes, last } = await place()
    const first = await Coordinator.open({ dataDir })
    for (const node of nodes) await node.connect(first.url)
    last.onCommit = () => 'ignore'
    const { id } = await first.publish(staging, to)
    last.onQuery = () => [{ jobId: id, number: 2, state: 'in-progress', bytesHave: 0 }]
    await until('it waits', async () => (await account(first, { id })).includes('extended two'))
    await first.close()
    if (isAskedBefore) {
      // Killed between the wish, which was on record, and what comes of it.
      const store = await Store.open(join(dataDir, 'engine.db'))
      await store.jobs.askAbort(id)
      await store.close()
    }
    await using second = await Coordinator.open({ dataDir })
    if (!isAskedBefore) t.same(standing(await second.abort(id)), ['partial', 'live', 'behind'])
    const done = await (await second.attach(id)).completed()
    t.same(standing(done), ['partial', 'live', 'behind'])
    t.match(done.nodes[1], { reason: 'the job was told to wait no longer' })
    await t.rejects(second.abort(id), { code: 'ENGINE_ERR_JOB_STATE' })
  }
})
