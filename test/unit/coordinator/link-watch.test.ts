// Goal: a node whose link is found to be slow serves nobody any more; those who were served by it are told at once.
// Method: a real coordinator; nodes that say what a test has them say of their links.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import { FakeNode, type Stage } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const MBIT = 1_000_000
const root = await mkdtemp(join(tmpdir(), 'distributary-link-watch-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

type Plan = Stage['plan']
const firstParents = ({ parents }: Plan): readonly (string | undefined)[] => parents.map(([first]) => first?.nodeId)

/** Nodes that stage nothing, told to stage a file of their own; each's newest plan. */
async function begin(t: Test, name: string, nodes: readonly FakeNode[]) {
  const staging = join(root, name)
  await mkdir(staging)
  await writeFile(join(staging, 'index.html'), 'one\n')
  const coordinator = await Coordinator.open({ dataDir: join(root, `data-${name}`) })
  t.teardown(() => coordinator.close())
  for (const node of nodes) await node.connect(coordinator.url)
  const job = await coordinator.publish(staging, { site: 'www', group: 'edge', periodMs: 1000 })
  await until('all are told to stage', () => nodes.every((node) => node.messages('stage').length > 0))
  const newest = (node: FakeNode): Plan =>
    node.messages('plan').at(-1)?.plan ?? (node.messages('stage')[0]?.plan as Plan)
  return { coordinator, job, newest }
}

const idle = (count: number, first = 0): FakeNode[] =>
  Array.from({ length: count }, (_, at) => new FakeNode({ name: `n${first + at}`, onStage: () => 'ignore' }))

t.test('it becomes a leaf in every strand', async (t) => {
  const nodes = idle(6)
  const { coordinator, job, newest } = await begin(t, 'uplink', nodes)
  const plans = new Map(nodes.map((node) => [node.id, newest(node)]))
  const served = new Map(nodes.map((node) => [node.id, [] as string[]]))
  for (const [child, plan] of plans) for (const parent of firstParents(plan)) served.get(parent ?? '')?.push(child)
  const slow = nodes.find((node) => (served.get(node.id)?.length ?? 0) > 1) as FakeNode
  const talking = setInterval(() => {
    for (const node of nodes) {
      const said = node === slow ? { rateBps: MBIT, busyRatio: 1 } : { rateBps: 50 * MBIT, busyRatio: 0.4 }
      node.send({
        type: 'flows',
        hurried: false,
        quietMs: 0,
        flows: (served.get(node.id) ?? []).map((to) => ({ to, ...said })),
      })
    }
  }, 100)
  t.teardown(() => clearInterval(talking))
  await until('nobody is served by it', () => nodes.every((node) => !firstParents(newest(node)).includes(slow.id)))
  for (const node of nodes) t.equal(newest(node).strandCount, plans.get(node.id)?.strandCount)
  const told = await until('the job tells why', async () => (await coordinator.explain(job.id)).at(0))
  t.match(told, { kind: 'weighed', node: slow.name, reason: /its uplink is slow: .* is usual/ })
  clearInterval(talking)
  await coordinator.abort(job.id)
})

t.test('who serves others and says nothing any more serves nobody, and the job tells why', async (t) => {
  const nodes = idle(6)
  const { coordinator, job, newest } = await begin(t, 'silent', nodes)
  const childrenOf = (server: FakeNode): readonly FakeNode[] =>
    nodes.filter((node) => firstParents(newest(node)).includes(server.id))
  const silent = nodes.find((node) => childrenOf(node).length > 1) as FakeNode
  const tell = (node: FakeNode): void => {
    const flows = nodes.filter((other) => other !== node).map(({ id }) => ({ to: id, rateBps: MBIT, busyRatio: 0.5 }))
    node.send({ type: 'flows', hurried: false, quietMs: 0, flows })
  }
  tell(silent)
  const talking = setInterval(() => {
    for (const node of nodes) if (node !== silent) tell(node)
  }, 100)
  t.teardown(() => clearInterval(talking))
  await until('nobody is served by it', () => childrenOf(silent).length === 0)
  const told = await until('the job tells why', async () => (await coordinator.explain(job.id)).at(0))
  t.match(told, { kind: 'weighed', node: silent.name, reason: /it says nothing/ })
  clearInterval(talking)
  await coordinator.abort(job.id)
})

t.test('a node that is limited to less than usual serves nobody, as long as it is', async (t) => {
  const bandwidth = '1M'
  const limited = new FakeNode({ name: 'n0', onStage: () => 'ignore', limit: { bandwidth, rateBps: 8 * MBIT } })
  const nodes = [limited, ...idle(5, 1)]
  const { coordinator, job, newest } = await begin(t, 'limited', nodes)
  const isServing = (): boolean => nodes.some((node) => firstParents(newest(node)).includes(limited.id))
  t.notOk(isServing())
  limited.send({ type: 'limited', limit: { bandwidth: 'off', rateBps: null } })
  await until('it serves as others do', isServing)
  await coordinator.abort(job.id)
})
