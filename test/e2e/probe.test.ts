// Goal: what nodes can send is measured, told with its age, and decides who is approached first.
// Method: real processes, held to different limits; the one without a limit is the fastest, which nothing but a
// measurement can tell.
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { JobView } from '../../src/model/job.js'
import type { NodeView } from '../../src/model/node.js'
import type { ProbeView } from '../../src/model/rate.js'
import { Fleet } from '../support/fleet.js'
import { until } from '../support/until.js'

const MIB = 1024 * 1024
const MIB_BPS = 8 * MIB
const limits = { n1: 1, n2: 8, n3: 4, n4: 2 } as const
const names = ['n1', 'n2', 'n3', 'n4', 'n5'] as const
const directory = await mkdtemp(`${tmpdir()}/distributary-probe-`)
await writeFile(`${directory}/coordinator.yaml`, 'coordinator:\n  bwlimit: 3M\n')
for (const [name, mib] of Object.entries(limits)) {
  await writeFile(`${directory}/${name}.yaml`, `node:\n  bwlimit: ${mib}M\n`)
}
const fleet = await Fleet.start(directory, names.length)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

interface Told {
  readonly items: readonly ProbeView[]
  readonly failed: readonly unknown[]
}

const isNear = (told: number, real: number): boolean => told > real * 0.7 && told < real * 1.3
const isRight = ({ from, rateBps, how }: ProbeView): boolean => {
  const mib = from === 'coordinator' ? 3 : limits[from as keyof typeof limits]
  return how === 'train' && (mib === undefined ? rateBps > 10 * MIB_BPS : isNear(rateBps, mib * MIB_BPS))
}
const probe = async (...args: readonly string[]): Promise<Told> =>
  JSON.parse((await fleet.engine('probe', ...args, '--json')).stdout) as Told

t.test('both ways to every node, within 30 percent of what each may send', async (t) => {
  let { items, failed } = await probe()
  // A machine that stands still for a moment gives less in that time: a node that it hit is measured again.
  for (let again = 0; again < 3; again++) {
    const off = names.filter((name) => items.some((item) => [item.from, item.to].includes(name) && !isRight(item)))
    if (off.length === 0) break
    const anew = await probe(...off)
    items = [...items.filter(({ from, to }) => !off.some((name) => [from, to].includes(name))), ...anew.items]
    failed = [...failed, ...anew.failed]
  }
  t.same(failed, [])
  t.same(items.map(({ from, to }) => `${from} ${to}`).toSorted(), [
    ...names.map((name) => `coordinator ${name}`),
    ...names.map((name) => `${name} coordinator`),
  ])
  for (const item of items) t.ok(isRight(item), JSON.stringify(item))
  const { items: nodes } = JSON.parse((await fleet.engine('nodes', '--json')).stdout) as { items: readonly NodeView[] }
  for (const { name, uplink } of nodes) {
    const last = items.find(({ from }) => from === name)?.rateBps ?? 0
    t.match(uplink, { how: 'train', isStale: false })
    t.ok(isNear(uplink?.rateBps ?? 0, last), `${name}: ${uplink?.rateBps} and ${last}`)
  }
  t.match((await fleet.engine('nodes')).stdout, /n2 .*B\/s \(train, [\d.]+ m?s ago\)/)
})

t.test('from node to node, and by many bytes', async (t) => {
  const { items } = await probe('n3', '--from', 'n2', '--bulk')
  t.match(items, [{ from: 'n2', to: 'n3', how: 'bulk' }])
  t.ok(isNear(items[0]?.rateBps ?? 0, 8 * MIB_BPS), `${items[0]?.rateBps}`)
})

t.test('the fastest is approached first, the slowest last', async (t) => {
  const staging = `${directory}/staging`
  await mkdir(staging)
  await writeFile(`${staging}/index.html`, 'one')
  await writeFile(`${staging}/payload.bin`, randomBytes(2 * MIB))
  const flags = ['--strategy', 'handout', '--fanout', '1', '--detach']
  const { jobId } = JSON.parse((await fleet.publish(staging, ...flags)).stdout.trim()) as { readonly jobId: string }
  /** By node, the look at which its turn had come. */
  const turns = new Map<string, number>()
  let looks = 0
  await until(
    'all are live',
    async () => {
      const job = (await (await fetch(`${fleet.url}/v1/jobs/${jobId}`)).json()) as JobView
      looks += 1
      for (const { name, state } of job.nodes) if (state !== 'new' && !turns.has(name)) turns.set(name, looks)
      return job.state === 'succeeded'
    },
    () => fleet.story(),
  )
  const [first] = turns
  t.equal(first?.[0], 'n5', [...turns].join(' '))
  t.equal(turns.get('n1'), Math.max(...turns.values()), [...turns].join(' '))
})

t.test('nothing is measured while content is sent', async (t) => {
  // Eleven seconds at what the coordinator may send: a program on a busy machine takes its time to start.
  await writeFile(`${directory}/staging/payload.bin`, randomBytes(32 * MIB))
  const { jobId } = JSON.parse((await fleet.publish(`${directory}/staging`, '--detach')).stdout) as { jobId: string }
  const isSent = async (): Promise<boolean> =>
    ((await (await fetch(`${fleet.url}/v1/jobs/${jobId}`)).json()) as JobView).nodes.some(
      ({ state }) => state !== 'new',
    )
  await until('content is sent', isSent, () => fleet.story())
  t.match((await fleet.engine('probe', 'n1')).stderr, /ENGINE_ERR_PROBE_BUSY[^]*--force/)
  t.equal((await fleet.engine('abort', jobId)).code, 0)
})

t.test('a node that is away, or is none, is said to be', async (t) => {
  t.match((await fleet.engine('probe', 'n9')).stderr, /ENGINE_ERR_NODE_UNKNOWN/)
  await fleet.stop('n4', 'SIGTERM')
  const outcome = await fleet.engine('probe', 'n4')
  t.match(outcome.stderr, /ENGINE_ERR_NODE_LOST/)
  t.not(outcome.code, 0)
})
