// Goal: groups may change while a job runs, however far it is: who leaves is released from it and counts in nothing,
// who joins gets all of it and is accounted for. Method: a real coordinator; nodes that answer, and regroup, as the
// test says.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import type { CommandRequest, JobState, JobView } from '../../../src/model/job.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-regrouping-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

const to = { site: 'www', group: 'edge', periodMs: 60_000 } as const
const DEPARTED = 'it does not serve the site any more'

let count = 0
async function place(names: readonly string[] = ['one', 'two']) {
  const directory = join(root, String(count++))
  const staging = join(directory, 'staging')
  await mkdir(staging, { recursive: true })
  const fill = (text: string): Promise<void> => writeFile(join(staging, 'index.html'), text)
  await fill('hello\n')
  const dataDir = join(directory, 'data')
  const coordinator = await Coordinator.open({ dataDir })
  const nodes = names.map((name) => new FakeNode({ name, hooks: [] }))
  for (const node of nodes) await node.connect(coordinator.url)
  const reach = (id: string, state: JobState): Promise<unknown> =>
    until(`it is ${state}`, async () => (await coordinator.job(id)).state === state)
  return { dataDir, staging, fill, coordinator, nodes, last: nodes.at(-1) as FakeNode, reach }
}

/** It says hello again, with other groups. */
async function regroup(node: FakeNode, url: string, ...groups: readonly string[]): Promise<void> {
  await node.disconnect()
  node.groups = groups
  await node.connect(url)
}

const standing = ({ state, nodes }: JobView): readonly string[] => [state, ...nodes.map((node) => node.state)]
const explained = async (coordinator: Coordinator, { id }: { readonly id: string }): Promise<readonly string[]> =>
  (await coordinator.explain(id)).map(({ kind, node }) => `${kind} ${node ?? ''}`.trim())

t.test('who leaves while content is on its way is not waited for; what it has of it is dropped there', async (t) => {
  const { coordinator, staging, nodes, last, reach } = await place()
  await using closing = coordinator
  last.onStage = () => 'ignore'
  const job = await closing.publish(staging, { ...to, quorum: 1 })
  await reach(job.id, 'distributing')
  await until('it is told', () => last.messages('stage').length > 0)
  await regroup(last, closing.url, 'core')
  const done = await job.completed()
  t.same(standing(done), ['succeeded', 'live', 'departed'], 'of a quorum of all, all that remain')
  t.match(done.nodes[1], { name: 'two', reason: DEPARTED })
  t.match(last.messages('discard'), [{ site: 'www', release: 1, assignmentId: done.assignment?.id }])
  t.same(last.messages('commit'), [])
  t.equal(last.messages('stage').length, 1)
  t.same(await explained(closing, job), ['departed two', 'closed'])
  t.match((await closing.explain(job.id)).at(-1), { reason: 'all 1 nodes have done all of it' })
  const onOne = { name: 'one', state: 'completed' }
  t.match(
    (await closing.commands(job.id)).map(({ nodes: parts }) => parts),
    [[onOne], [onOne], [onOne]],
  )
  t.match(await closing.history('www', { limit: 1 }), [{ nodesLive: 1, nodesBehind: 0, nodeCount: 1 }])
  t.equal(nodes[0]?.messages('discard').length, 0)
})

t.test('that it departed is an event of the fleet', async (t) => {
  const { coordinator, staging, last } = await place()
  await using closing = coordinator
  last.onStage = () => 'ignore'
  const events = closing.events({ types: ['node.departed'], sinceId: 0 })[Symbol.asyncIterator]()
  const job = await closing.publish(staging, to)
  await regroup(last, closing.url)
  t.match((await events.next()).value, {
    type: 'engine.node.departed',
    subject: 'nodes/two',
    data: { jobId: job.id, site: 'www', name: 'two', groups: [] },
  })
  await events.return?.(undefined)
  await job.completed()
})

t.test('one that is named and comes back under another name has left, too', async (t) => {
  const { coordinator, staging, last } = await place()
  await using closing = coordinator
  last.onStage = () => 'ignore'
  const job = await closing.openJob({
    ...{ site: 'www', group: 'edge', only: ['one', 'two'] },
    commands: [{ type: 'publish', directory: staging, upload: null }, { type: 'commit' }, { type: 'end-job' }],
  })
  await until('it is told', () => last.messages('stage').length > 0)
  await last.disconnect()
  last.name = 'three'
  await last.connect(closing.url)
  t.match(await job.completed(), { state: 'succeeded', nodes: [{ state: 'live' }, { name: 'two', state: 'departed' }] })
})

t.test('who leaves a staged job is none of its quorum, and drops what it staged', async (t) => {
  const { coordinator, staging, last, reach } = await place(['one', 'three', 'two'])
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, stageOnly: true, quorum: 1 })
  await reach(job.id, 'staged')
  await regroup(last, closing.url, 'core')
  await until('it is told to drop it', () => last.messages('discard').length > 0)
  t.match(last.messages('discard'), [{ site: 'www', release: 1 }])
  t.same(standing(await closing.job(job.id)), ['staged', 'staged', 'staged', 'departed'])
  await closing.commit(job.id)
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live', 'departed'])
  t.same(last.messages('commit'), [])
})

t.test('when all have left before the decision the job fails, and says why', async (t) => {
  const { coordinator, staging, nodes, reach } = await place()
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, stageOnly: true })
  await reach(job.id, 'staged')
  for (const node of nodes) await regroup(node, closing.url, 'core')
  await closing.commit(job.id)
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_GROUP_EMPTY', exitCode: 7, message: /serves www any more/ })
  t.same(standing(await closing.job(job.id)), ['failed', 'departed', 'departed'])
})

t.test('who leaves while all switch is not waited for', async (t) => {
  const { coordinator, staging, last, reach } = await place()
  await using closing = coordinator
  last.onCommit = () => 'ignore'
  const hook: CommandRequest = { type: 'run-hook', hook: 'x', args: {} }
  const job = await closing.openJob({
    ...{ site: 'www', group: 'edge' },
    commands: [{ type: 'publish', directory: staging, upload: null }, { type: 'commit' }],
  })
  await until('it is told to switch', () => last.messages('commit').length > 0)
  await reach(job.id, 'committing')
  await regroup(last, closing.url, 'core')
  await reach(job.id, 'open')
  t.same(standing(await closing.job(job.id)), ['open', 'live', 'departed'])
  t.same(last.messages('discard'), [], 'what was decided is not dropped')
  await t.rejects(job.add(hook), { code: 'ENGINE_ERR_HOOK_UNKNOWN', message: /declared on one$/ })
  await job.end()
  t.same(standing(await job.completed()), ['succeeded', 'live', 'departed'])
})

t.test('who leaves while the job ends is accounted for no longer; when nobody remains that is told', async (t) => {
  const { coordinator, staging, nodes, last, reach } = await place()
  await using closing = coordinator
  for (const node of nodes) node.onCommit = () => 'ignore'
  const job = await closing.publish(staging, { ...to, periodMs: 1000 })
  for (const node of nodes) node.onQuery = () => [{ jobId: job.id, number: 2, state: 'in-progress', bytesHave: 0 }]
  await reach(job.id, 'ending')
  await regroup(last, closing.url, 'core')
  await until('it is told', async () => (await explained(closing, job)).includes('departed two'))
  t.same(standing(await closing.job(job.id)), ['ending', 'staged', 'departed'])
  for (const node of nodes.slice(0, 1)) await regroup(node, closing.url, 'core')
  const done = await job.completed()
  t.same(standing(done), ['partial', 'departed', 'departed'])
  t.match(done.error, { code: 'ENGINE_ERR_GROUP_EMPTY' })
})

t.test('who leaves while nodes run a hook is not waited for, and owes nothing when it comes back', async (t) => {
  const { coordinator, staging, nodes, last } = await place()
  await using closing = coordinator
  for (const node of nodes) node.hooks = undefined
  for (const node of nodes) await regroup(node, closing.url, 'edge')
  await (await closing.publish(staging, to)).completed()
  last.onExecute = () => 'ignore'
  const job = await closing.openJob({
    ...{ site: 'www', group: 'edge' },
    commands: [{ type: 'run-hook', hook: 'reload', args: {} }],
  })
  await until('it is told', () => last.messages('execute').length > 0)
  await regroup(last, closing.url, 'core')
  await until('the hook is over', async () => (await closing.job(job.id)).commands[0]?.state === 'completed')
  await job.end()
  t.match(await job.completed(), { state: 'succeeded' })
  await regroup(last, closing.url, 'edge')
  await (await closing.openJob({ ...{ site: 'www', group: 'edge' }, commands: [{ type: 'end-job' }] })).completed()
  t.equal(last.messages('execute').length, 1)
})

t.test(
  'a canary that leaves is not looked after any more; without any the job fails and nobody else has switched',
  async (t) => {
    const { coordinator, staging, fill, nodes, last } = await place(['one', 'three', 'two'])
    await using closing = coordinator
    await (await closing.publish(staging, to)).completed()
    await fill('again\n')
    const job = await closing.publish(staging, { ...to, canary: { nodes: ['three', 'two'], bakeMs: 60_000 } })
    await until('they bake', async () => (await closing.job(job.id)).canary?.untilMs ?? undefined)
    const [, three] = nodes
    await regroup(last, closing.url, 'core')
    t.same(last.messages('discard'), [], 'what it serves it keeps')
    t.match(await closing.job(job.id), { state: 'staged' })
    await (three as FakeNode).disconnect()
    ;(three as FakeNode).groups = ['core']
    await (three as FakeNode).connect(closing.url)
    await t.rejects(job.completed(), { code: 'ENGINE_ERR_CANARY_FAILED', message: /three, two.*any more/ })
    t.equal(nodes[0]?.live('www')?.release, 1)
  },
)

t.test(
  'who joins before the decision gets all of it and is waited for: while it is on its way, and staged',
  async (t) => {
    for (const state of ['distributing', 'staged'] as const) {
      const { coordinator, staging, nodes, last, reach } = await place()
      await using closing = coordinator
      if (state === 'distributing') last.onStage = () => 'ignore'
      const job = await closing.publish(staging, { ...to, stageOnly: true, quorum: 1 })
      await reach(job.id, state)
      const joiner = new FakeNode({ name: 'x', onStage: () => 'ignore' })
      await joiner.connect(closing.url)
      await until('it is told', () => joiner.messages('stage').length > 0)
      if (state === 'distributing') {
        const [told] = last.messages('stage')
        if (told !== undefined) last.perform(told)
      } else await closing.commit(job.id)
      t.same(
        nodes.flatMap((node) => node.messages('commit')),
        [],
        'it is waited for',
      )
      const [stage] = joiner.messages('stage')
      if (stage !== undefined) joiner.perform(stage)
      if (state === 'distributing') {
        await reach(job.id, 'staged')
        await closing.commit(job.id)
      }
      t.same(standing(await job.completed()), ['succeeded', 'live', 'live', 'live'], state)
      t.ok((await explained(closing, job)).includes('joined x'))
    }
  },
)

t.test('who joins after the decision comes to what was decided, and the job ends when it has', async (t) => {
  for (const state of ['committing', 'ending'] as const) {
    const { coordinator, staging, last, reach } = await place()
    await using closing = coordinator
    last.onCommit = () => 'ignore'
    const job = await closing.openJob({
      ...{ site: 'www', group: 'edge', policy: { periodMs: 60_000 } },
      commands: [{ type: 'publish', directory: staging, upload: null }, { type: 'commit' }],
    })
    await reach(job.id, 'committing')
    if (state === 'ending') {
      await job.end()
      await reach(job.id, 'ending')
    }
    const joiner = new FakeNode({ name: 'x', onCommit: () => 'ignore' })
    await joiner.connect(closing.url)
    await until('it is told', () => joiner.messages('commit').length > 0)
    const [lasts] = last.messages('commit')
    if (lasts !== undefined) last.perform(lasts)
    if (state === 'committing') await job.end()
    await until('all but it are live', async () => (await closing.job(job.id)).nodes[1]?.state === 'live')
    await reach(job.id, 'ending')
    t.same(standing(await closing.job(job.id)), ['ending', 'live', 'live', 'staged'], state)
    const [own] = joiner.messages('commit')
    if (own !== undefined) joiner.perform(own)
    t.same(standing(await job.completed()), ['succeeded', 'live', 'live', 'live'], state)
  }
})

t.test('who joins while nodes run a hook runs it, too', async (t) => {
  const { coordinator, staging, nodes, last } = await place()
  await using closing = coordinator
  for (const node of nodes) node.hooks = undefined
  for (const node of nodes) await regroup(node, closing.url, 'edge')
  await (await closing.publish(staging, to)).completed()
  last.onExecute = () => 'ignore'
  const job = await closing.openJob({
    ...{ site: 'www', group: 'edge' },
    commands: [{ type: 'run-hook', hook: 'reload', args: {} }, { type: 'end-job' }],
  })
  await until('it is told', () => last.messages('execute').length > 0)
  const joiner = new FakeNode({ name: 'x' })
  await joiner.connect(closing.url)
  await until('the other is told', () => joiner.messages('execute').length > 0)
  const [told] = last.messages('execute')
  if (told !== undefined) last.tellExecuted(told, 'completion')
  t.match(await job.completed(), { state: 'succeeded' })
  t.match(
    (await closing.commands(job.id))[0]?.nodes,
    [1, 2, 3].map(() => ({ state: 'completed' })),
  )
})

t.test('who left and comes back takes part again, from the start', async (t) => {
  const { coordinator, staging, last, reach } = await place()
  await using closing = coordinator
  const job = await closing.publish(staging, { ...to, stageOnly: true })
  await reach(job.id, 'staged')
  await regroup(last, closing.url, 'core')
  await regroup(last, closing.url, 'edge')
  await closing.commit(job.id)
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
  t.same((await explained(closing, job)).slice(0, 2), ['departed two', 'joined two'])
})

t.test('killed after it left, the coordinator knows that it did', async (t) => {
  const { dataDir, coordinator, staging, nodes, last, reach } = await place()
  const { id } = await coordinator.publish(staging, { ...to, stageOnly: true })
  await reach(id, 'staged')
  await regroup(last, coordinator.url, 'core')
  await until('it is told', async () => (await explained(coordinator, { id })).includes('departed two'))
  await coordinator.close()
  await using again = await Coordinator.open({ dataDir })
  t.same(standing(await again.job(id)), ['staged', 'staged', 'departed'])
  for (const node of nodes) await node.connect(again.url)
  await again.commit(id)
  t.same(standing(await (await again.attach(id)).completed()), ['succeeded', 'live', 'departed'])
})
