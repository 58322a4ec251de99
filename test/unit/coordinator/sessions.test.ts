// Goal: a job is a session: commands are added while it runs, are carried out in their order, each once on every node,
// and it ends when it is told to. Method: a real coordinator; nodes that answer as the test says.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { SESSION_IDLE_MS } from '../../../src/base/session-limits.js'
import { Coordinator } from '../../../src/coordinator.js'
import type { CommandRequest, JobView } from '../../../src/model/job.js'
import { Store } from '../../../src/store/store.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-sessions-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

let count = 0
async function place(names: readonly string[] = ['one', 'two']) {
  const directory = join(root, String(count++))
  const staging = join(directory, 'staging')
  await mkdir(staging, { recursive: true })
  const fill = (text: string): Promise<void> => writeFile(join(staging, 'index.html'), text)
  await fill('hello\n')
  const dataDir = join(directory, 'data')
  const nodes = names.map((name) => new FakeNode({ name }))
  return { dataDir, staging, fill, nodes }
}

const hook: CommandRequest = { type: 'run-hook', hook: 'reload', args: { unit: 'nginx' } }
const unit = {
  ...({ name: 'unit', type: 'string', required: false, default: null, pattern: null, allowDash: false } as const),
  ...{ min: null, max: null, choices: null },
}
const commit: CommandRequest = { type: 'commit' }
const end: CommandRequest = { type: 'end-job' }
const to = { site: 'www', group: 'edge' } as const
const states = ({ commands }: JobView): readonly string[] =>
  commands.map(({ number, request, state }) => `${number} ${request.type} ${state}`)

t.test('commands are added while the job is open, two releases and a hook in one session', async (t) => {
  const { dataDir, staging, fill, nodes } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  const job = await coordinator.openJob(to)
  await until('it has its site', async () => (await coordinator.job(job.id)).state === 'open')
  await job.add({ type: 'publish', directory: staging, upload: null })
  await until('it is staged', async () => (await coordinator.job(job.id)).state === 'staged')
  await job.add(commit, hook)
  await until('the hook ran', async () => (await coordinator.job(job.id)).commands[2]?.state === 'completed')
  t.match(await coordinator.job(job.id), { state: 'open', release: 1 })
  await fill('hello again\n')
  await job.add({ type: 'publish', directory: staging, upload: null }, commit)
  await job.end()
  const done = await job.completed()
  t.match(done, { state: 'succeeded', release: 2, error: null })
  const publishes = ['1 publish completed', '2 commit completed', '3 run-hook completed']
  t.same(states(done), [...publishes, '4 publish completed', '5 commit completed', '6 end-job completed'])
  for (const node of nodes) {
    t.equal(node.live('www')?.release, 2)
    const heard = node.heard.filter(({ type }) => ['stage', 'commit', 'execute'].includes(type))
    t.same(
      heard.map((message) => ('number' in message ? message.number : 0)),
      [1, 2, 3, 4, 5],
    )
  }
  const [first, , third] = await coordinator.commands(job.id)
  t.match(first?.nodes, [
    { name: 'one', state: 'completed' },
    { name: 'two', state: 'completed' },
  ])
  t.match(third?.nodes, [{ output: 'one did 3' }, { output: 'two did 3' }])
  const receipts = (await coordinator.receipts(job.id)).filter(({ kind }) => kind === 'completion')
  t.same([...new Set(receipts.map(({ number }) => number))].sort(), [1, 2, 3, 4, 5])
})

t.test('what does not fit the queue is refused, and nothing of it is added', async (t) => {
  const { dataDir, staging, nodes } = await place(['one'])
  await using coordinator = await Coordinator.open({ dataDir })
  await nodes[0]?.connect(coordinator.url)
  const refused = { code: 'ENGINE_ERR_INVALID_ARGUMENT' }
  await t.rejects(coordinator.openJob({ ...to, commands: [commit] }), refused)
  await t.rejects(
    coordinator.openJob({ ...to, commands: [{ type: 'publish', directory: staging, upload: null }, end] }),
    refused,
  )
  await t.rejects(coordinator.openJob({ ...to, commands: [end, hook] }), refused)
  await t.rejects(coordinator.openJob({ site: 'www' }), { ...refused, message: /which group/ })
  const job = await coordinator.openJob(to)
  await t.rejects(job.add(hook, commit), { ...refused, message: /command 2 \(commit\)/ })
  t.same((await coordinator.job(job.id)).commands, [])
  await job.end()
  t.match(await job.completed(), { state: 'succeeded', release: null })
  await t.rejects(job.add(hook), { code: 'ENGINE_ERR_JOB_STATE' })
})

t.test('a hook that fails on one node fails the job, says where and why, and leaves what is live', async (t) => {
  const { dataDir, staging, nodes } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  const [, two] = nodes
  if (two !== undefined) two.onExecute = () => ({ code: 'ENGINE_ERR_INTERNAL', message: 'exit 1', hint: 'x' })
  const published: CommandRequest = { type: 'publish', directory: staging, upload: null }
  const job = await coordinator.openJob({ ...to, commands: [published, commit, hook, hook, end] })
  const done = await job.completed()
  const error = {
    code: 'ENGINE_ERR_COMMAND_FAILED',
    message: /command 3 \(run-hook\) failed on 1 of 2 nodes \(two\): exit 1/,
  }
  t.match(done, { state: 'partial', error })
  t.same(states(done).slice(2), ['3 run-hook failed', '4 run-hook new', '5 end-job new'])
  for (const node of nodes) t.equal(node.live('www')?.release, 1)
  const alone = await coordinator.openJob({ ...to, commands: [hook, end] })
  await t.rejects(alone.completed(), { code: 'ENGINE_ERR_COMMAND_FAILED' }, 'where nothing was switched it failed')
})

t.test('what is staged when a hook fails is dropped, though the job made another release live before', async (t) => {
  const { dataDir, staging, fill, nodes } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  const published: CommandRequest = { type: 'publish', directory: staging, upload: null }
  await fill('hello 2\n')
  const job = await coordinator.openJob({ ...to, commands: [published, commit] })
  await until('it is live', async () => (await coordinator.job(job.id)).state === 'open')
  await fill('hello 3\n')
  for (const node of nodes) node.onExecute = () => ({ code: 'ENGINE_ERR_INTERNAL', message: 'exit 1', hint: 'x' })
  await job.add(published, hook)
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_COMMAND_FAILED' })
  await until('it is dropped', () =>
    nodes.every((node) => node.messages('discard').some(({ release }) => release === 3)),
  )
  for (const node of nodes) t.equal(node.live('www')?.release, 2, 'what was decided stays')
  await fill('hello 4\n')
  await (await coordinator.publish(staging, to)).completed()
  const back = await coordinator.rollback({ ...to, reason: 'typo' })
  t.match(await back.completed(), { release: 2 }, 'what was never live is nothing to go back to')
})

t.test(
  'a session that is aborted after it made something live says that this stays, also after a restart',
  async (t) => {
    const { dataDir, staging, nodes } = await place()
    const coordinator = await Coordinator.open({ dataDir })
    for (const node of nodes) await node.connect(coordinator.url)
    const published: CommandRequest = { type: 'publish', directory: staging, upload: null }
    const opened = async () => {
      const job = await coordinator.openJob({ ...to, commands: [published, commit] })
      await until('it is live', async () => (await coordinator.job(job.id)).state === 'open')
      return job.id
    }
    const error = { code: 'ENGINE_ERR_JOB_ABORTED', message: /what it had made live before stays live/ }
    t.match(await coordinator.abort(await opened()), { state: 'aborted', error })
    const id = await opened()
    await coordinator.close()
    const store = await Store.open(join(dataDir, 'engine.db'))
    await store.jobs.askAbort(id)
    await store.close()
    await using again = await Coordinator.open({ dataDir })
    await t.rejects((await again.attach(id)).completed(), error)
  },
)

t.test('only the named nodes carry a command out, and a name that nobody has is refused', async (t) => {
  const { dataDir, staging, nodes } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  await t.rejects(coordinator.openJob({ site: 'www', only: ['three'] }), { code: 'ENGINE_ERR_NODE_UNKNOWN' })
  const only = ['two']
  await t.rejects(coordinator.publish(staging, { site: 'www', only }), { message: /is served by group edge/ })
  const job = await coordinator.openJob({ site: 'www', only, commands: [hook, end] })
  t.match(await job.completed(), { state: 'succeeded', nodes: [{ name: 'two' }] })
  t.same(
    nodes.map((node) => node.messages('execute').length),
    [0, 1],
  )
})

t.test(
  'a hook that a node of the job lacks is refused before anything runs; who is away answers for itself',
  async (t) => {
    const { dataDir, staging } = await place()
    const reload = { ...{ name: 'reload', on: null, sites: ['www'], repeatable: false }, arguments: [unit] }
    const nodes = [new FakeNode({ name: 'one', hooks: [reload] }), new FakeNode({ name: 'two', hooks: [] })]
    await using coordinator = await Coordinator.open({ dataDir })
    for (const node of nodes) await node.connect(coordinator.url)
    await (await coordinator.publish(staging, to)).completed()
    const refused = {
      code: 'ENGINE_ERR_HOOK_UNKNOWN',
      exitCode: 3,
      message: 'no hook reload for www is declared on two',
    }
    await t.rejects(coordinator.openJob({ ...to, commands: [hook, end] }), refused)
    const job = await coordinator.openJob(to)
    await t.rejects(job.add(hook), refused)
    await job.end()
    await job.completed()
    const wrong: CommandRequest = { type: 'run-hook', hook: 'reload', args: { unti: 'nginx' } }
    const only = ['one']
    await t.rejects(coordinator.openJob({ site: 'www', only, commands: [wrong, end] }), {
      code: 'ENGINE_ERR_HOOK_ARGUMENTS',
      exitCode: 2,
    })
    const own = await coordinator.openJob({ site: 'www', only, commands: [hook, end] })
    t.match(await own.completed(), { state: 'succeeded' })
    await nodes[1]?.disconnect()
    await until('it is away', async () => (await coordinator.nodes())[1]?.online === false)
    t.match(await coordinator.openJob({ ...to, commands: [hook] }), { id: String })
    t.equal(nodes[1]?.messages('execute').length, 0)
  },
)

t.test('a site may be served by a list of nodes, whatever their groups', async (t) => {
  const { dataDir, staging, nodes } = await place(['one', 'two', 'three'])
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  await (await coordinator.publish(staging, { site: 'www', only: ['three', 'one'] })).completed()
  t.same(
    nodes.map((node) => node.live('www')?.release),
    [1, undefined, 1],
  )
})

t.test('a node that was away carries out what it missed when it returns, once and in its order', async (t) => {
  const { dataDir, staging, nodes } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  const [, two] = nodes
  if (two !== undefined) two.onExecute = () => 'ignore'
  const job = await coordinator.openJob({ ...to, commands: [hook, hook, end] })
  await until('it was told', () => two?.messages('execute').length === 1)
  await two?.disconnect()
  t.match(await job.completed(), { state: 'partial', error: { code: 'ENGINE_ERR_COMMAND_OWED', message: /\(two\)/ } })
  if (two !== undefined) two.onExecute = () => 'do'
  await two?.connect(coordinator.url)
  await until('both are done', async () => {
    const commands = await coordinator.commands(job.id)
    return commands.slice(0, 2).every(({ nodes: each }) => each.every(({ state }) => state === 'completed'))
  })
  t.same(
    two?.messages('execute').map(({ number }) => number),
    [1, 1, 2],
  )
  t.equal(nodes[0]?.messages('execute').length, 2, 'who did it is not told again')
})

t.test(
  'a node that comes back while a command is at work, and first has another to make up for, gets both',
  async (t) => {
    const { dataDir, staging, nodes } = await place()
    await using coordinator = await Coordinator.open({ dataDir })
    for (const node of nodes) await node.connect(coordinator.url)
    await (await coordinator.publish(staging, to)).completed()
    const [one, two] = nodes
    if (one === undefined || two === undefined) return
    await two.disconnect()
    const missed = await coordinator.openJob({ ...to, commands: [hook, end] })
    t.match(await missed.completed(), { state: 'partial' })
    one.onExecute = () => 'ignore'
    two.onExecute = () => 'ignore'
    const job = await coordinator.openJob({ ...to, commands: [hook] })
    await until('one was told', () => one.messages('execute').length === 2)
    await until('nobody waits for two', async () => (await coordinator.nodes()).some(({ online }) => !online))
    await two.connect(coordinator.url)
    await until('two was told what it missed', () => two.messages('execute').length === 1)
    for (const told of one.messages('execute').slice(-1)) one.tellExecuted(told, 'completion')
    await until('the command is over', async () => (await coordinator.job(job.id)).commands[0]?.state === 'completed')
    two.onExecute = () => 'do'
    for (const told of two.messages('execute')) two.tellExecuted(told, 'completion')
    await until('two did the other one, too', () => two.messages('execute').some(({ jobId }) => jobId === job.id))
  },
)

t.test('a coordinator that was closed in the middle goes on with the same command', async (t) => {
  const { dataDir, staging, nodes } = await place(['one'])
  const [one] = nodes
  const first = await Coordinator.open({ dataDir })
  await one?.connect(first.url)
  await (await first.publish(staging, to)).completed()
  if (one !== undefined) one.onExecute = () => 'ignore'
  const { id } = await first.openJob({ ...to, commands: [hook, hook, end] })
  await until('it was told', () => one?.messages('execute').length === 1)
  await first.close()
  if (one !== undefined) one.onExecute = () => 'do'
  await using second = await Coordinator.open({ dataDir })
  await one?.connect(second.url)
  t.match(await (await second.attach(id)).completed(), { state: 'succeeded' })
  t.same(
    one?.messages('execute').map(({ number }) => number),
    [1, 1, 2],
  )
})

t.test('the same key and request is the same job, also after a restart; another request is refused', async (t) => {
  const { dataDir, nodes } = await place(['one'])
  const first = await Coordinator.open({ dataDir })
  await nodes[0]?.connect(first.url)
  const keyed = { ...to, idempotencyKey: 'build-17' }
  const { id } = await first.openJob(keyed)
  t.equal((await first.openJob(keyed)).id, id)
  await first.addCommands(id, [hook], { idempotencyKey: 'a' })
  await first.addCommands(id, [hook], { idempotencyKey: 'a' })
  t.equal((await first.job(id)).commands.length, 1)
  await first.close()
  await using second = await Coordinator.open({ dataDir })
  t.equal((await second.openJob(keyed)).id, id)
  await t.rejects(second.openJob({ ...keyed, reason: 'other' }), { code: 'ENGINE_ERR_KEY_REUSED' })
  t.equal((await second.jobs()).length, 1)
})

t.test('jobs of several sites run side by side; a second one of the same site waits for the first', async (t) => {
  const { dataDir, staging, nodes } = await place(['one'])
  await using coordinator = await Coordinator.open({ dataDir })
  await nodes[0]?.connect(coordinator.url)
  const open = await coordinator.openJob(to)
  const behind = await coordinator.publish(staging, to)
  t.match(await (await coordinator.publish(staging, { site: 'img', group: 'edge' })).completed(), {
    state: 'succeeded',
  })
  t.match(await coordinator.job(behind.id), { state: 'queued' })
  await open.end()
  t.match(await behind.completed(), { state: 'succeeded' })
})

t.test('a session that is aborted between two commands leaves what it made live', async (t) => {
  const { dataDir, staging, nodes } = await place(['one'])
  await using coordinator = await Coordinator.open({ dataDir })
  await nodes[0]?.connect(coordinator.url)
  const job = await coordinator.openJob({
    ...to,
    commands: [{ type: 'publish', directory: staging, upload: null }, commit],
  })
  await until('it is live', async () => (await coordinator.job(job.id)).state === 'open')
  t.match(await coordinator.abort(job.id), { state: 'aborted' })
  t.match(await coordinator.sites(), [{ targetRelease: 1, releases: [1], nodesLive: 1 }])
  t.equal(nodes[0]?.live('www')?.release, 1)
})

t.test(
  'an open job of which nothing is asked is ended after an hour; one that is staged, or at work, is not',
  async (t) => {
    const { dataDir, staging, nodes } = await place(['one'])
    const [one] = nodes
    let laterMs = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + laterMs }
    await using coordinator = await Coordinator.open({ dataDir, clock })
    await one?.connect(coordinator.url)
    const idle = await coordinator.openJob(to)
    await idle.add(hook)
    const behind = await coordinator.openJob({ ...to, commands: [hook, end] })
    const published: CommandRequest = { type: 'publish', directory: staging, upload: null }
    const staged = await coordinator.openJob({ site: 'img', group: 'edge', commands: [published] })
    await until('the hook ran', async () => (await coordinator.job(idle.id)).commands[0]?.state === 'completed')
    await until('it is staged', async () => (await coordinator.job(staged.id)).state === 'staged')
    laterMs = SESSION_IDLE_MS / 2
    await idle.add(hook)
    await until('both ran', async () => (await coordinator.job(idle.id)).commands[1]?.state === 'completed')
    laterMs = SESSION_IDLE_MS * 1.2
    await until('a round has passed', async () => (await coordinator.jobs({ state: 'queued' })).length === 1)
    t.equal((await coordinator.job(idle.id)).state, 'open', 'it was asked for something meanwhile')
    laterMs = SESSION_IDLE_MS * 1.6
    t.match(await idle.completed(), { state: 'succeeded' })
    t.match(await behind.completed(), { state: 'succeeded' }, 'who waited behind it goes on')
    t.equal((await coordinator.job(staged.id)).state, 'staged')
    const { items } = await coordinator.audit()
    t.match(
      items.find(({ action }) => action === 'endIdleJob'),
      { actor: 'coordinator', subject: `job ${idle.id}`, outcome: 'done' },
    )
  },
)

t.test('what is over in an open job is told while nothing follows it', async (t) => {
  const { dataDir, nodes } = await place(['one'])
  await using coordinator = await Coordinator.open({ dataDir })
  await nodes[0]?.connect(coordinator.url)
  const job = await coordinator.openJob(to)
  await job.add(hook)
  for await (const event of job.progress()) if (event.job.commands[0]?.state === 'completed') break
  t.pass('an event said so')
})
