// How long content takes to the last of many hosts when links differ, break down or die, beside what links allow.
//
//   npm run bench:trouble -- [--only flat-8,mixed-8,…] [--repetitions 3] [--scale 1] [--strategy braid]
//                            [--dir /dev/shm]
//
// --scale 0.25 takes a quarter of every rate and of the content, for machines that are busy with other things.
//
// As root, in the lab. × is the time from the order until a node says that it has every byte, over size ÷ rate. Where a
// node is in trouble itself, the others are told apart from it. Every copy is compared with the source afterwards.
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Receipt } from '../../src/model/job.js'
import { carriedBytes, cut, LabFleet, labDown, labUp, shape } from '../../test/support/lab.js'
import { until } from '../../test/support/until.js'
import { keepResult, machineBusy, median } from '../machine.js'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    repetitions: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    strategy: { type: 'string', default: 'braid' },
    dir: { type: 'string', default: '/dev/shm' },
    keep: { type: 'boolean', default: true },
    log: { type: 'boolean', default: false },
  },
  allowNegative: true,
})
const scale = Number(values.scale)
const sizeBytes = Math.round(128 * 2 ** 20 * scale)
const mbit = (rate: number): string => `${Math.round(rate * scale * 1000)}kbit`

interface Scenario {
  readonly nodes: number
  readonly rateMbit: number
  readonly wan?: { readonly segments: number; readonly delay: string; readonly rateMbit: number }
  /** Links that are not like the others, from the start, in Mbit/s. */
  readonly rates?: Readonly<Record<number, number>>
  /** What happens, `half` seconds after the order: half of what the transfer takes where all is well. */
  readonly event?: (fleet: LabFleet, half: number) => Promise<void>
  /** Nodes that are told apart, and what the time of each is measured by, in Mbit/s. */
  readonly apart?: Readonly<Record<number, number>>
  /** Nodes that need not get there. */
  readonly lost?: readonly number[]
}

const atHalf =
  (act: (fleet: LabFleet) => Promise<unknown>) =>
  async (fleet: LabFleet, half: number): Promise<void> => {
    await sleep(half * 1000)
    await act(fleet)
  }

/** The node that serves most is most likely to be the second root; which one is found by what it has sent. */
const busiest = async (nodes: number): Promise<number> => {
  const sent = await Promise.all(Array.from({ length: nodes }, (_, at) => carriedBytes(at + 1)))
  return sent.map(({ sent: bytes }, at) => ({ bytes, host: at + 1 })).sort((a, b) => b.bytes - a.bytes)[0]?.host ?? 1
}

const scenarios: Readonly<Record<string, Scenario>> = {
  'flat-8': { nodes: 8, rateMbit: 100 },
  'flat-16': { nodes: 16, rateMbit: 50 },
  'mixed-8': { nodes: 8, rateMbit: 100, rates: { 1: 20, 2: 500 }, apart: { 1: 20 } },
  'decay-8': {
    nodes: 8,
    rateMbit: 100,
    apart: { 3: 100 },
    event: atHalf(() => shape(3, { up: mbit(5) })),
  },
  'decay-16': {
    nodes: 16,
    rateMbit: 50,
    apart: { 3: 50 },
    event: atHalf(() => shape(3, { up: mbit(2.5) })),
  },
  'relay-killed-8': {
    nodes: 8,
    rateMbit: 100,
    lost: [1, 2, 3, 4, 5, 6, 7, 8],
    event: atHalf(async (fleet) => fleet.kill(await busiest(8))),
  },
  'relay-killed-16': {
    nodes: 16,
    rateMbit: 50,
    lost: Array.from({ length: 16 }, (_, at) => at + 1),
    event: atHalf(async (fleet) => fleet.kill(await busiest(16))),
  },
  'machine-gone-8': { nodes: 8, rateMbit: 100, lost: [3], event: atHalf(() => cut(3, true)) },
  'wan-4x4': {
    nodes: 15,
    rateMbit: 200,
    wan: { segments: 4, delay: '20ms', rateMbit: 40 },
  },
  // The source sends its copy as fast as its link allows; those at half the rate have half of their work left then.
  'source-killed-8': {
    nodes: 8,
    rateMbit: 100,
    rates: { 5: 50, 6: 50, 7: 50, 8: 50 },
    apart: { 5: 50, 6: 50, 7: 50, 8: 50 },
    event: async (fleet, half) => {
      await sleep(half * 2 * 1080)
      await fleet.kill(0)
      await sleep(half * 2 * 1000 + 3000)
      fleet.start(0)
    },
  },
}

interface Figure {
  readonly scenario: string
  readonly others: number
  readonly apart: Readonly<Record<string, number>>
  readonly medianNode: number
  readonly sourceCopies: number
  readonly busyRatio: number
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** When each node said that it had every byte, in seconds after the order. */
async function arrivals(fleet: LabFleet, jobId: string): Promise<ReadonlyMap<number, number>> {
  const job = JSON.parse((await fleet.engine(['job', 'show', jobId, '--json'])).stdout) as { createdAt: string }
  const { stdout } = await fleet.engine(['receipts', jobId, '--json'])
  const { items } = JSON.parse(stdout) as { items: readonly (Receipt & { at: string })[] }
  const receipts = items.filter(({ kind, command }) => kind === 'receipt' && command === 'publish')
  const begunMs = Date.parse(job.createdAt)
  return new Map(receipts.map(({ nodeName, at }) => [Number(nodeName.slice(1)), (Date.parse(at) - begunMs) / 1000]))
}

const boundS = (rateMbit: number): number => (sizeBytes * 8) / (rateMbit * scale * 1e6)

/** The nodes with their engines, as the scenario has them, and the content. */
async function prepare({ nodes, rates = {} }: Scenario, directory: string): Promise<LabFleet> {
  mkdirSync(`${directory}/content`)
  writeFileSync(`${directory}/content/content.bin`, randomBytes(sizeBytes))
  const fleet = new LabFleet(directory)
  for (let host = 0; host <= nodes; host++) fleet.start(host)
  await fleet.nodesOnline(nodes)
  for (const [host, rate] of Object.entries(rates)) await shape(Number(host), { up: mbit(rate), down: mbit(rate) })
  return fleet
}

/** Publishes, lets happen what happens, and gives when each node had it all. */
async function carry(scenario: Scenario, fleet: LabFleet, directory: string): Promise<ReadonlyMap<number, number>> {
  const { nodes, event, lost = [], wan, rateMbit } = scenario
  const quorum = lost.length > 0 ? '50%' : '100%'
  const options = ['--strategy', values.strategy, '--stage-only', '--quorum', quorum]
  const publish = fleet.publish(`${directory}/content`, ...options)
  const [outcome] = await Promise.all([publish.exited, event?.(fleet, boundS(wan?.rateMbit ?? rateMbit) / 2)])
  const last = outcome.stdout.trim().split('\n').at(-1) ?? '{}'
  const { job } = JSON.parse(last) as { job?: { id: string } }
  if (job === undefined) throw new Error(`${last}\n${outcome.stderr}${fleet.story()}`)
  let times = await arrivals(fleet, job.id)
  const isEnough = async (): Promise<boolean> => {
    times = await arrivals(fleet, job.id)
    return times.size >= nodes - (lost.length > 0 ? 1 : 0)
  }
  await until('the others have it', isEnough, () => `${[...times.keys()].join(' ')} ${fleet.story()}`)
  if (values.log) say([...times].map(([host, seconds]) => `n${host} ${seconds.toFixed(2)}`).join('  ') + fleet.story())
  return times
}

async function play(name: string, scenario: Scenario): Promise<Figure> {
  const { nodes, rateMbit, wan, apart = {} } = scenario
  const between = wan === undefined ? wan : { segments: wan.segments, link: `${mbit(wan.rateMbit)},${wan.delay}` }
  await labUp(nodes + 1, mbit(rateMbit), between)
  const directory = mkdtempSync(`${values.dir}/trouble-`)
  let fleet: LabFleet | null = null
  try {
    fleet = await prepare(scenario, directory)
    const [sentBefore, busyBefore] = [(await carriedBytes(0)).sent, machineBusy()]
    const times = await carry(scenario, fleet, directory)
    const [sentAfter, busyAfter] = [(await carriedBytes(0)).sent, machineBusy()]
    const allS = boundS(wan?.rateMbit ?? rateMbit)
    const own = Object.entries(apart).map(([host, rate]) => [
      `n${host}`,
      round((times.get(Number(host)) ?? Number.NaN) / boundS(rate)),
    ])
    const others = [...times].filter(([host]) => apart[host] === undefined).map(([, seconds]) => seconds)
    const figure = {
      scenario: name,
      others: round(Math.max(...others) / allS),
      apart: Object.fromEntries(own) as Figure['apart'],
      medianNode: round(median(others) / allS),
      sourceCopies: round((sentAfter - sentBefore) / sizeBytes),
      busyRatio: round((busyAfter.busyS - busyBefore.busyS) / (busyAfter.totalS - busyBefore.totalS)),
    }
    say(JSON.stringify(figure))
    return figure
  } finally {
    await fleet?.stopAll()
    rmSync(directory, { recursive: true, force: true })
    await labDown()
  }
}

const round = (value: number): number => Math.round(value * 1000) / 1000

const names = values.only?.split(',') ?? Object.keys(scenarios)
const figures: Figure[] = []
for (let repetition = 0; repetition < Number(values.repetitions); repetition++) {
  for (const name of names) {
    const scenario = scenarios[name]
    if (scenario === undefined) throw new Error(`${name} is none of ${Object.keys(scenarios).join(', ')}`)
    figures.push(await play(name, scenario))
  }
}
const rows = names.map((scenario) => {
  const own = figures.filter((figure) => figure.scenario === scenario)
  const keys = Object.keys(own[0]?.apart ?? {})
  return {
    scenario,
    runs: own.length,
    others: median(own.map(({ others }) => others)),
    worst: Math.max(...own.map(({ others }) => others)),
    ...Object.fromEntries(keys.map((key) => [key, median(own.map(({ apart }) => apart[key] ?? Number.NaN))])),
    sourceCopies: median(own.map(({ sourceCopies }) => sourceCopies)),
    busyRatio: median(own.map(({ busyRatio }) => busyRatio)),
  }
})
console.table(rows)
if (values.keep)
  say(
    `kept in ${keepResult('trouble', { parameters: { sizeBytes, scale, strategy: values.strategy }, rows, figures })}`,
  )
