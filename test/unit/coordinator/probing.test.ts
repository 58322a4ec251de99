// Goal: links are measured one at a time, beside no transfer, and every question has an end.
// Method: a real coordinator; real nodes where bytes are measured, and nodes that only speak the channel elsewhere.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import { silentLogger } from '../../../src/base/log.js'
import { noMetrics } from '../../../src/base/metrics.js'
import { PROBE_MS, PROBES_BEFORE_JOB_MS } from '../../../src/base/probe-limits.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import type { LiveJob } from '../../../src/coordinator/live-job.js'
import { Probes } from '../../../src/coordinator/probing.js'
import { Roster } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import { Node } from '../../../src/node.js'
import { FakeNode } from '../../support/fake-node.js'
import { ManualClock } from '../../support/manual-clock.js'
import { nodeIdentity } from '../../support/records.js'
import { until } from '../../support/until.js'

const MBIT = 1_000_000
const root = await mkdtemp(join(tmpdir(), 'distributary-probing-'))
t.teardown(() => rm(root, { recursive: true, force: true }))
const staging = join(root, 'staging')
await mkdir(staging)
await writeFile(join(staging, 'index.html'), 'hello')

t.test('both ways, or from one node to another, and what came of it is kept', async (t) => {
  await using coordinator = await Coordinator.open({ dataDir: join(root, 'both') })
  const open = (name: string): Promise<Node> =>
    Node.open({ dataDir: join(root, `both-${name}`), join: coordinator.url, name })
  await using n1 = await open('n1')
  await using n2 = await open('n2')
  await Promise.all([n1.ready(), n2.ready()])
  const [forth, back] = await coordinator.probe('n1')
  t.match(forth, { from: 'coordinator', to: 'n1', how: 'train' })
  t.match(back, { from: 'n1', to: 'coordinator', how: 'train' })
  t.ok((forth?.rateBps ?? 0) > MBIT && (back?.rateBps ?? 0) > MBIT)
  const [uplink] = (await coordinator.nodes()).map((node) => node.uplink)
  t.match(uplink, { rateBps: back?.rateBps, how: 'train', isStale: false })
  t.match(await coordinator.probe('n1', { from: 'n2', bulk: true }), [{ from: 'n2', to: 'n1', how: 'bulk' }])
  t.equal((await coordinator.probe('n1', { from: 'coordinator' })).length, 1)
  await t.rejects(coordinator.probe('n1', { from: 'n1' }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await t.rejects(coordinator.probe('n3'), { code: 'ENGINE_ERR_NODE_UNKNOWN' })
  await t.rejects(coordinator.probe('n1', { from: 'n3' }), { code: 'ENGINE_ERR_NODE_UNKNOWN' })
  await n2.close()
  await until('n2 is seen to be away', async () => (await coordinator.nodes())[1]?.online === false)
  await t.rejects(coordinator.probe('n2'), { code: 'ENGINE_ERR_NODE_LOST' })
  const { items } = await coordinator.audit()
  t.equal(items.filter(({ action }) => action === 'probe').length, 7)
})

t.test('a node that nobody reaches, that fails, or that goes is said to be the reason', async (t) => {
  await using coordinator = await Coordinator.open({ dataDir: join(root, 'reasons') })
  const nodes = ['n1', 'n2'].map((name) => new FakeNode({ name }))
  const [n1, n2] = nodes as [FakeNode, FakeNode]
  for (const node of nodes) await node.connect(coordinator.url)
  await t.rejects(coordinator.probe('n1'), { code: 'ENGINE_ERR_PROBE_FAILED', message: /127.0.0.1:9/ })
  const asked = (): Promise<unknown> => coordinator.probe('n2', { from: 'n1' })
  const failing = t.rejects(asked(), { code: 'ENGINE_ERR_PROBE_FAILED', message: /no way/ })
  const probeId = await until('it is asked', () => n1.messages('probe')[0]?.probeId)
  const said = { code: 'ENGINE_ERR_PROBE_FAILED', message: 'no way', hint: 'none' }
  n2.send({ type: 'probed', probeId, measured: { rateBps: 1, spanMs: 1, bytes: 1 }, error: null })
  n1.send({ type: 'probed', probeId, measured: null, error: said })
  await failing
  const going = t.rejects(asked(), { code: 'ENGINE_ERR_NODE_LOST' })
  await until('it is asked again', () => n1.messages('probe').length === 2)
  await n1.disconnect()
  await going
  t.same(
    (await coordinator.nodes()).map(({ uplink }) => uplink),
    [undefined, undefined],
    'what another node says is not believed',
  )
})

t.test(
  'before a hand-out with --probe those of whom nothing is known are measured, and the fastest is first',
  async (t) => {
    await using coordinator = await Coordinator.open({ dataDir: join(root, 'before') })
    const rates = { n1: 10, n2: 1000, n3: 100 }
    const nodes = Object.keys(rates).map((name) => new FakeNode({ name, onStage: () => 'ignore' }))
    for (const node of nodes) await node.connect(coordinator.url)
    const policy = { strategy: 'handout', fanout: 1, probe: true } as const
    const job = await coordinator.publish(staging, { site: 'www', group: 'edge', ...policy })
    for (const node of nodes) {
      const probeId = await until(`${node.name} is asked`, () => node.messages('probe')[0]?.probeId)
      t.ok(
        nodes.every((each) => each.messages('stage').length === 0),
        'nothing is sent meanwhile',
      )
      const rateBps = rates[node.name as keyof typeof rates] * MBIT
      node.send({ type: 'probed', probeId, measured: { rateBps, spanMs: 100, bytes: 1 }, error: null })
    }
    await until('all are told', () => nodes.every((node) => node.messages('stage').length > 0))
    const served = nodes.filter((node) => (node.messages('stage')[0]?.plan.parents[0]?.length ?? 0) > 0)
    t.same(
      served.map(({ name }) => name),
      ['n2'],
    )
    t.match((await coordinator.job(job.id)).policy, policy)
    await t.rejects(coordinator.probe('n1', { from: 'n2' }), { code: 'ENGINE_ERR_PROBE_BUSY', message: /www/ })
    const forced = coordinator.probe('n1', { from: 'n2', force: true })
    const probeId = await until('it is asked all the same', () => nodes[1]?.messages('probe')[1]?.probeId)
    nodes[1]?.send({ type: 'probed', probeId, measured: { rateBps: MBIT, spanMs: 1, bytes: 1 }, error: null })
    t.match(await forced, [{ from: 'n2', to: 'n1', rateBps: MBIT }])
    await coordinator.abort(job.id)
    await t.rejects(coordinator.publish(staging, { site: 'www', group: 'edge', strategy: 'braid', probe: true }), {
      code: 'ENGINE_ERR_INVALID_ARGUMENT',
    })
  },
)

/** Nodes that are asked and say nothing, and a clock that the test moves. */
function silentPlace(names: readonly string[]) {
  const [clock, roster, asked] = [new ManualClock(), new Roster(), new Array<string>()]
  const send = (name: string, message: FromCoordinator): void => {
    if (message.type === 'probe') asked.push(name)
  }
  for (const name of names) {
    const known = roster.admit(nodeIdentity({ name, id: name.padEnd(32, '0') }), [], 1)
    known.link = { send: (message) => send(name, message), close: () => {} }
  }
  const world = {
    ...{ clock, roster, jobs: new Map(), log: silentLogger, metrics: noMetrics, coordinatorId: '0'.repeat(32) },
    ...{ source: { nodeId: '0'.repeat(32), host: '127.0.0.1', port: 1 }, closing: new AbortController().signal },
    uplinks: { rateOf: () => null },
  } as unknown as World
  const record = { group: 'edge', only: null, policy: { strategy: 'handout', probe: true } }
  const job = { record, signal: new AbortController().signal } as unknown as LiveJob
  return { clock, asked, job, probes: new Probes(() => world) }
}

t.test(
  'what a job waits for measurements is bounded, also for its turn, and those that are late are left',
  async (t) => {
    const { clock, asked, job, probes } = silentPlace(['n1', 'n2', 'n3'])
    const other = t.rejects(probes.probe('n3', { from: 'n2' }), { code: 'ENGINE_ERR_NODE_SILENT' })
    await until('it is asked', () => asked.length === 1)
    let isOver = false
    const waiting = probes.beforeJob(job).then(() => (isOver = true))
    await clock.turn()
    clock.advance(PROBES_BEFORE_JOB_MS - 1)
    await clock.turn()
    t.notOk(isOver)
    clock.advance(1)
    await clock.turn()
    t.ok(isOver)
    await waiting
    clock.advance(PROBE_MS)
    await other
    await clock.turn()
    t.same(asked, ['n2'], 'whose turn comes too late is not measured')
    t.equal(clock.waiting, 0)
  },
)

t.test('a job waits for a node that says nothing no longer than for all', async (t) => {
  const { clock, asked, job, probes } = silentPlace(['n1', 'n2'])
  const waiting = probes.beforeJob(job)
  await until('it is asked', () => asked.length === 1)
  clock.advance(PROBES_BEFORE_JOB_MS)
  await waiting
  t.same(asked, ['n1'])
})
