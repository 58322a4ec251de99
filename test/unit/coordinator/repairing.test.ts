// Goal: a node that errs when its job ends is mended by each repair in its order, each once; each of them can mend it;
// all of it is on record with its reason; and after the last the node is left, and the job ends in part.
// Method: a real coordinator; nodes that answer as the test says.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { errorTable } from '../../../src/base/errors.js'
import { JOB_COMMANDS_MAX } from '../../../src/base/limits.js'
import { Coordinator } from '../../../src/coordinator.js'
import type { LiveJob } from '../../../src/coordinator/live-job.js'
import { canRestart, repair } from '../../../src/coordinator/repairing.js'
import { KnownNode } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import type { Rung } from '../../../src/model/account.js'
import type { HookInfo } from '../../../src/model/hook.js'
import type { JobView } from '../../../src/model/job.js'
import { FakeNode } from '../../support/fake-node.js'
import { nodeIdentity } from '../../support/records.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-repairing-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

const restart: HookInfo = { name: 'restart', on: null, sites: null, repeatable: false, arguments: [] }
const broken = { code: 'ENGINE_ERR_IO', message: 'a bad sector', hint: 'x' }
const refused = { code: 'ENGINE_ERR_HOOK_FAILED', message: 'hook check of www failed: exit code 1', hint: 'x' }

let count = 0
/** Two nodes that serve www@1; the second is the one that a test is about. */
async function place() {
  const directory = join(root, String(count++))
  const staging = join(directory, 'staging')
  await mkdir(staging, { recursive: true })
  const fill = (text: string): Promise<void> => writeFile(join(staging, 'index.html'), text)
  const [one, two] = [new FakeNode({ name: 'one' }), new FakeNode({ name: 'two', hooks: [restart] })]
  const dataDir = join(directory, 'data')
  const coordinator = await Coordinator.open({ dataDir })
  for (const node of [one, two]) await node.connect(coordinator.url)
  await fill('one\n')
  await (await coordinator.publish(staging, to)).completed()
  await fill('two\n')
  return { dataDir, staging, coordinator, one, two }
}

const to = { site: 'www', group: 'edge', periodMs: 1000 } as const
const only = (...rungs: readonly Rung[]) => ({ ...to, repair: { rungs, attemptsMax: rungs.length } })

/** `kind node: reason` or `rung node: reason` of each line, but the first and the last. */
async function account(coordinator: Coordinator, { id }: { readonly id: string }): Promise<readonly string[]> {
  const events = await coordinator.explain(id)
  return events
    .filter(({ node }) => node !== null)
    .map(({ kind, rung, node, reason }) => `${rung ?? kind} ${node}: ${reason}`)
}
const standing = ({ state, nodes }: JobView): readonly string[] => [state, ...nodes.map((node) => node.state)]

t.test('each is tried once, in its order, and after the last it is left with the reason of all', async (t) => {
  const { coordinator, staging, two } = await place()
  await using closing = coordinator
  two.onCommit = () => broken
  two.onExecute = () => ({ code: 'ENGINE_ERR_HOOK_FAILED', message: 'no such unit', hint: 'x' })
  const job = await closing.publish(staging, to)
  const done = await job.completed()
  t.same(await account(closing, job), [
    'resend two: a bad sector',
    'self-check two: a bad sector',
    'answered two: www@2 there: nothing differs',
    'restart two: a bad sector',
    'answered two: its hook restart failed: no such unit',
    'left two: a bad sector, after resend, self-check, restart',
  ])
  t.same(standing(done), ['partial', 'live', 'failed'])
  t.match(done, { error: { code: 'ENGINE_ERR_NODES_BEHIND', message: /1 of 2 nodes .*two/ } })
  t.equal(errorTable.ENGINE_ERR_NODES_BEHIND.exit, 8)
  t.match(two.messages('check'), [{ site: 'www', release: 2, repair: true }])
  t.match(two.messages('execute'), [{ number: JOB_COMMANDS_MAX + 1, command: { type: 'run-hook', hook: 'restart' } }])
  two.onCommit = () => 'do'
  await until('it follows by itself', () => two.live('www')?.release === 2)
})

t.test('what the policy does not name is not tried, nor more often than it says', async (t) => {
  const { coordinator, staging, two } = await place()
  await using closing = coordinator
  two.onCommit = () => broken
  const reversed = await closing.publish(staging, {
    ...to,
    repair: { rungs: ['self-check', 'resend'], attemptsMax: 1 },
  })
  await reversed.completed()
  t.same((await account(closing, reversed)).slice(0, 3), [
    'self-check two: a bad sector',
    'answered two: www@2 there: nothing differs',
    'left two: a bad sector, after self-check',
  ])
})

t.test('told anew it does what it failed to do', async (t) => {
  const { coordinator, staging, two } = await place()
  await using closing = coordinator
  two.onCommit = () => (two.messages('commit').length < 3 ? broken : 'do')
  const job = await closing.publish(staging, to)
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
  t.same(await account(closing, job), ['resend two: a bad sector'])
})

t.test('a node that reads what it holds finds the damage, gets it again, and the job succeeds', async (t) => {
  const { coordinator, staging, two } = await place()
  await using closing = coordinator
  two.onCommit = () => (two.messages('check').length === 0 ? refused : 'do')
  two.onCheck = () => ({ mismatches: 1, findings: [{ path: 'index.html', kind: 'content' }], mended: 'removed' })
  const job = await closing.publish(staging, to)
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
  const why = 'hook check of www failed: exit code 1'
  t.same(await account(closing, job), [
    `resend two: ${why}`,
    `self-check two: ${why}`,
    'answered two: www@2 there: 1 entry differs (index.html content): removed, and sent again',
  ])
})

t.test('a node that cannot apply a difference gets the whole release', async (t) => {
  const { coordinator, staging, two } = await place()
  await using closing = coordinator
  two.onStage = ({ base }) => (base === null ? 'do' : broken)
  const job = await closing.publish(staging, { ...to, quorum: 0.5 })
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
  t.same(await account(closing, job), ['resend two: a bad sector', 'resync two: a bad sector'])
  t.equal(two.messages('stage').at(-1)?.base, null)
})

t.test(
  'a node that is well once it was restarted is, by its own hook, and is told nothing before it is back',
  async (t) => {
    const { coordinator, staging, two } = await place()
    await using closing = coordinator
    two.onCommit = () => broken
    let commitsBefore = 0
    two.onExecute = (order) => {
      commitsBefore = two.messages('commit').length
      two.tellExecuted(order, 'receipt')
      void (async () => {
        await until('the receipt is acknowledged', () => two.messages('ack').length > 0)
        await two.disconnect()
        two.onCommit = () => 'do'
        // Its journal says that the hook has begun, and nothing ever says that it is over.
        two.onQuery = () => [{ jobId: order.jobId, number: order.number, state: 'in-progress', bytesHave: 0 }]
        await two.connect(closing.url)
      })()
      return 'ignore'
    }
    const job = await closing.publish(staging, only('restart'))
    t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
    t.match(await account(closing, job), [
      'restart two: a bad sector',
      /^answered two: it has restarted, and was back after/,
    ])
    t.equal(two.messages('commit').length, commitsBefore + 1)
    const receipts = (await closing.receipts(job.id)).filter(({ command }) => command === 'run-hook')
    t.match(
      receipts,
      [{ number: JOB_COMMANDS_MAX + 1, kind: 'receipt', nodeName: 'two' }],
      'that it began is on record',
    )
  },
)

t.test('a node that its restart has not mended is left, although its hook is never over there', async (t) => {
  const { coordinator, staging, two } = await place()
  await using closing = coordinator
  two.onCommit = () => broken
  two.onExecute = (order) => {
    two.onQuery = () => [{ jobId: order.jobId, number: order.number, state: 'in-progress', bytesHave: 0 }]
    two.onCommit = () => 'ignore'
    void two.disconnect().then(() => two.connect(closing.url))
    return 'ignore'
  }
  const job = await closing.publish(staging, only('restart'))
  t.same(standing(await job.completed()), ['partial', 'live', 'failed'])
  const lines = await account(closing, job)
  t.match(lines.at(-1), /^left two: it has nothing under way of what it was told, after restart$/)
})

t.test('two nodes that restart at once are each restarted, and both say so', async (t) => {
  const { coordinator, staging, one, two } = await place()
  await using closing = coordinator
  one.hooks = [restart]
  await one.disconnect()
  await one.connect(closing.url)
  for (const node of [one, two]) {
    node.onCommit = () => (node.messages('execute').length === 0 ? broken : 'do')
    node.onExecute = () => ({ code: 'ENGINE_ERR_HOOK_FAILED', message: `${node.name} says no`, hint: 'x' })
  }
  const job = await closing.publish(staging, only('restart'))
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
  const lines = await account(closing, job)
  t.ok(lines.includes('answered one: its hook restart failed: one says no'))
  t.ok(lines.includes('answered two: its hook restart failed: two says no'))
})

t.test('a check that takes longer than a period is waited for; one that is cut off is told of as such', async (t) => {
  const { coordinator, staging, one, two } = await place()
  await using closing = coordinator
  // It counts the periods: it goes on, and each is made longer for it.
  one.onCommit = () => 'ignore'
  two.onCommit = () => broken
  two.onCheck = () => 'ignore'
  const job = await closing.publish(staging, only('self-check'))
  one.onQuery = () => [{ jobId: job.id, number: 2, state: 'in-progress', bytesHave: 0 }]
  const of = async (name: string): Promise<readonly string[]> =>
    (await account(closing, job)).filter((line) => line.includes(` ${name}: `))
  await until('it is asked to read', () => two.messages('check').length === 1)
  await until('two periods are over', async () => {
    return (await of('one')).filter((line) => line.startsWith('extended')).length >= 2
  })
  t.same(await of('two'), ['self-check two: a bad sector'], 'nothing else was tried')
  await two.disconnect()
  await until('that is told', async () => {
    return (await of('two'))[1]?.startsWith('answered two: it could not check itself: ') === true
  })
  two.onCommit = () => 'do'
  await two.connect(closing.url)
  for (const told of one.messages('commit')) one.perform(told)
  t.same(standing(await job.completed()), ['succeeded', 'live', 'live'])
})

t.test('a node that cannot read what it holds says why, and the next repair follows', async (t) => {
  const { coordinator, staging, two } = await place()
  await using closing = coordinator
  two.onCommit = () => broken
  two.onCheck = () => ({ code: 'ENGINE_ERR_IO', message: 'the disk is gone', hint: 'x' })
  const job = await closing.publish(staging, only('self-check', 'resend'))
  await job.completed()
  t.same(await account(closing, job), [
    'self-check two: a bad sector',
    'answered two: it could not check itself: the disk is gone',
    'resend two: a bad sector',
    'left two: a bad sector, after self-check, resend',
  ])
})

t.test('a coordinator that was closed meanwhile does not try again what it has tried', async (t) => {
  const { dataDir, coordinator, staging, one, two } = await place()
  two.onCommit = () => broken
  two.onExecute = () => 'ignore'
  const { id } = await coordinator.publish(staging, only('resend', 'restart'))
  await until('it is told to restart', () => two.messages('execute').length === 1)
  await coordinator.close()
  await using again = await Coordinator.open({ dataDir })
  for (const node of [one, two]) await node.connect(again.url)
  t.same(standing(await (await again.attach(id)).completed()), ['partial', 'live', 'failed'])
  t.equal(two.messages('execute').length, 1)
  t.match((await account(again, { id })).at(-1), /^left two: a bad sector, after resend, restart$/)
})

t.test('a node without that hook, or whose hook needs to be given something, is not restarted', async (t) => {
  const given = { name: 'unit', type: 'string', default: null, pattern: null, allowDash: false } as const
  const argument = { ...given, required: true, min: null, max: null, choices: null }
  const known = new KnownNode(nodeIdentity(), [], 1)
  const can = (hooks: readonly HookInfo[] | null): boolean => {
    known.hooks = hooks
    return canRestart(known, 'www')
  }
  t.ok(can([restart]))
  t.ok(can([{ ...restart, sites: ['www'], arguments: [{ ...argument, required: false }] }]))
  const unfit = [{ on: 'after-commit' }, { sites: ['docs'] }, { arguments: [argument] }, { name: 'reload' }] as const
  for (const each of unfit) t.notOk(can([{ ...restart, ...each }]), JSON.stringify(each))
  for (const none of [[], null]) t.notOk(can(none))
})

t.test('one whose connection is gone by then is told of as such', async (t) => {
  const known = new KnownNode(nodeIdentity(), [], 1)
  const store = { accounts: { list: async () => [] }, receipts: { lastNumber: async () => 0 } }
  const job = { id: 'job', record: { site: 'www' }, restarts: new Map() } as unknown as LiveJob
  const said = await repair(
    { store } as unknown as World,
    job,
    known,
    { rung: 'restart', answer: null },
    new AbortController().signal,
  )
  t.equal(said, 'it could not be told to restart: its connection is gone')
  t.equal(job.restarts.size, 0)
})
