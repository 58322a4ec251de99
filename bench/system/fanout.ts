// How long one source takes to bring content to the last of many hosts, ours beside peers, in one run.
//
//   npm run bench:fanout -- [--scenario file|tree] [--nodes 8] [--rate 100mbit] [--size 128] [--repetitions 3]
//                           [--only NAME,NAME] [--plot FILE.svg] [--dir /dev/shm] [--no-keep]
//
// file: one file of random bytes; × is seconds over size ÷ rate, where packet headers alone make 1.045.
// tree: a real package of more than 5,000 files, its first publish and then its next version.
// Contenders take turns within each repetition; every copy is compared with the source afterwards. A peer that is not
// installed is left out, and the table says why. Size in MiB.
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { plotOf } from '../../src/bench/plot.js'
import { labDown, labUp, namespaceOf } from '../../test/support/lab.js'
import { run } from '../../test/support/process.js'
import { plotOfArrivals } from '../arrivals.js'
import { keepResult, machineBusy, median } from '../machine.js'
import { type Contender, contenders, type Field, type Prepared } from './contenders.js'

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'file' },
    nodes: { type: 'string', default: '8' },
    rate: { type: 'string', default: '100mbit' },
    size: { type: 'string', default: '128' },
    repetitions: { type: 'string', default: '3' },
    only: { type: 'string' },
    plot: { type: 'string' },
    keep: { type: 'boolean', default: true },
    dir: { type: 'string', default: '/dev/shm' },
  },
  allowNegative: true,
})

const nodeCount = Number(values.nodes)
const sizeBytes = Number(values.size) * 1024 * 1024
const rateBps = Number.parseFloat(values.rate) * 1e6

interface Figure {
  readonly contender: string
  readonly scenario: string
  /** From the order until the last host had everything; of ours, until it was live there. */
  readonly seconds: number
  /** When each host had everything, in seconds after the order, ascending. */
  readonly arrivals: readonly number[]
  readonly sourceSentBytes: number
  readonly busyRatio: number
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** Bytes that left the source's interface since the lab is up. */
const sourceSentBytes = async (): Promise<number> =>
  Number(await run('cat', ['/sys/class/net/eth0/statistics/tx_bytes'], { netns: namespaceOf(0) }))

const fillFile = (content: string): void => {
  mkdirSync(content, { recursive: true })
  writeFileSync(`${content}/content.bin`, randomBytes(sizeBytes))
}

/** Packages of npm all carry one constant time; rivals that trust times would skip what changed. */
const touchAll = (directory: string): void => {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) utimesSync(`${entry.parentPath}/${entry.name}`, new Date(), new Date())
  }
}

const fillTree = (content: string, version: 'lab-old' | 'lab-new'): void => {
  rmSync(content, { recursive: true, force: true })
  cpSync(fileURLToPath(new URL(`../../node_modules/${version}`, import.meta.url)), content, { recursive: true })
  if (version === 'lab-new') touchAll(content)
}

const compare = async (content: string, copy: string): Promise<void> => {
  const difference = await run('rsync', ['-rlnci', '--delete', `${content}/`, `${copy}/`])
  if (difference !== '') throw new Error(`${copy} differs:\n${difference.slice(0, 2000)}`)
}

const measure = async (name: string, scenario: string, prepared: Prepared): Promise<Figure> => {
  const [sentBefore, busyBefore, begin, beganMs] = [
    await sourceSentBytes(),
    machineBusy(),
    performance.now(),
    Date.now(),
  ]
  await prepared.run()
  const seconds = (performance.now() - begin) / 1000
  const [sentAfter, busyAfter] = [await sourceSentBytes(), machineBusy()]
  const busyRatio = (busyAfter.busyS - busyBefore.busyS) / (busyAfter.totalS - busyBefore.totalS)
  const arrivals = [...(await prepared.arrivals()).values()]
    .map((atMs) => (atMs - beganMs) / 1000)
    .toSorted((a, b) => a - b)
  const sent = sentAfter - sentBefore
  say(`  ${name.padEnd(16)} ${scenario.padEnd(7)} ${seconds.toFixed(2).padStart(8)} s   busy ${busyRatio.toFixed(2)}`)
  return { contender: name, scenario, seconds, arrivals, sourceSentBytes: sent, busyRatio }
}

const runOnce = async (contender: Contender): Promise<readonly Figure[]> => {
  const directory = mkdtempSync(`${values.dir}/fanout-`)
  const field: Field = { directory, content: `${directory}/content`, nodeCount }
  const figures: Figure[] = []
  const rounds = values.scenario === 'file' ? (['file'] as const) : (['first', 'update'] as const)
  if (values.scenario === 'file') fillFile(field.content)
  else fillTree(field.content, 'lab-old')
  const prepared = await contender.prepare(field)
  try {
    for (const round of rounds) {
      if (round === 'update') fillTree(field.content, 'lab-new')
      figures.push(await measure(contender.name, round, prepared))
      for (let host = 1; host <= nodeCount; host++) await compare(field.content, prepared.copyOf(host))
    }
  } finally {
    await prepared.close()
    rmSync(directory, { recursive: true, force: true })
  }
  return figures
}

const summarise = (figures: readonly Figure[]): readonly object[] => {
  const floorS = sizeBytes / (rateBps / 8)
  const keys = [...new Set(figures.map((figure) => `${figure.contender}|${figure.scenario}`))]
  return keys.map((key) => {
    const [contender, scenario] = key.split('|')
    const own = figures.filter((figure) => `${figure.contender}|${figure.scenario}` === key)
    const seconds = own.map((figure) => figure.seconds)
    const typical = median(seconds)
    return {
      contender,
      scenario,
      runs: own.length,
      medianS: Number(typical.toFixed(3)),
      minS: Number(Math.min(...seconds).toFixed(3)),
      maxS: Number(Math.max(...seconds).toFixed(3)),
      medianNodeS: Number(median(own.map(({ arrivals }) => median(arrivals))).toFixed(3)),
      ...(scenario === 'file' ? { timesFloor: Number((typical / floorS).toFixed(3)) } : {}),
      sentMiB: Number((median(own.map((figure) => figure.sourceSentBytes)) / 2 ** 20).toFixed(1)),
      busyRatio: Number(median(own.map((figure) => figure.busyRatio)).toFixed(2)),
    }
  })
}

/** A plot for each round, with a curve for each contender over all of its repetitions. */
const plotOfAll = (figures: readonly Figure[]): string => {
  const [first, ...others] = [...new Set(figures.map(({ scenario }) => scenario))].map((scenario) => {
    const own = figures.filter((figure) => figure.scenario === scenario)
    const title = `Nodes that have everything: ${nodeCount} nodes, ${values.rate}, ${scenario}`
    // Of a tree nobody knows how little could travel: the quickest of all stands for it.
    const quickestS = Math.min(...own.map(({ seconds }) => seconds))
    return plotOfArrivals(title, scenario === 'file' ? sizeBytes / (rateBps / 8) : quickestS, own)
  })
  return first === undefined ? '' : plotOf(first, ...others)
}

const names = contenders.map(({ name }) => name)
const only = values.only?.split(',') ?? names
const unknown = only.find((name) => !names.includes(name))
if (unknown !== undefined) throw new Error(`${unknown} is none of ${names.join(', ')}`)
const scenario = values.scenario === 'file' ? 'file' : 'first'
const asked = contenders.filter(({ name, scenarios }) => scenarios.includes(scenario) && only.includes(name))
const judged = await Promise.all(asked.map(async (contender) => ({ contender, lacks: await contender.lacks() })))
const skipped = judged.flatMap(({ contender: { name }, lacks }) => (lacks === null ? [] : [{ name, lacks }]))
for (const { name, lacks } of skipped) say(`${name} is left out: ${lacks}`)
const field = judged.flatMap(({ contender, lacks }) => (lacks === null ? [contender] : []))
await labUp(nodeCount + 1, values.rate)
const figures: Figure[] = []
try {
  for (let repetition = 1; repetition <= Number(values.repetitions); repetition++) {
    say(`repetition ${repetition}`)
    for (const contender of field) figures.push(...(await runOnce(contender)))
  }
} finally {
  await labDown()
}
const rows = summarise(figures)
console.table([...rows, ...skipped.map(({ name, lacks }) => ({ contender: name, scenario: `left out: ${lacks}` }))])
if (values.plot !== undefined) writeFileSync(values.plot, plotOfAll(figures))
const parameters = { nodeCount, rateBps, sizeBytes: values.scenario === 'file' ? sizeBytes : null }
const result = { parameters, rows, skipped, figures }
if (values.keep) say(`kept in ${keepResult(`fanout-${values.scenario}`, result)}`)
