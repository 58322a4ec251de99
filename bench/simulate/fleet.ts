// How a plan does in a fleet that no lab has, and what it takes to find out: the planner and the spreading core on a
// network in virtual time.
//
//   npm run bench:simulate -- [--nodes 10000] [--size 32] [--chunk 64] [--failing 0.01] [--rounds 3] [--seed 1]
//
// Size in MiB, chunk in KiB. Figures are virtual and the same in each round; how long a round takes is not: the machine
// may be shared, so the best of the rounds is told, and what it took of the processor beside it.
import { parseArgs } from 'node:util'
import type * as BaseClock from '../../src/base/clock.js'
import type * as Simulate from '../../src/bench/simulate.js'
import { keepResult, machineBusy } from '../machine.js'

/** A module as it was built into dist/: what is measured is what is shipped. */
const built = <T>(name: string): Promise<T> =>
  import(new URL(`../../dist/src/${name}.js`, import.meta.url).href) as Promise<T>

const { systemClock } = await built<typeof BaseClock>('base/clock')
const { simulate } = await built<typeof Simulate>('bench/simulate')

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10000' },
    size: { type: 'string', default: '32' },
    chunk: { type: 'string', default: '64' },
    failing: { type: 'string', default: '0.01' },
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const [KIB, MIB, MEGABIT] = [1024, 1024 * 1024, 1_000_000]
const seed = Number(values.seed)
const network = {
  nodeCount: Number(values.nodes),
  sizeBytes: Number(values.size) * MIB,
  chunkBytes: Number(values.chunk) * KIB,
  rateBps: 100 * MEGABIT,
  segmentCount: 1,
  wanRateBps: 40 * MEGABIT,
  wanDelayMs: 20,
}
const say = (line: string): void => void process.stdout.write(`${line}\n`)

interface Took {
  readonly seconds: number
  readonly cpuSeconds: number
}

/** Runs one scenario in each round. @returns its figures, which are the same each time, and what each round took. */
function measure(name: string, failing: number) {
  const took: Took[] = []
  let result: Simulate.Simulated | null = null
  for (let round = 0; round < Number(values.rounds); round++) {
    const before = process.cpuUsage()
    const faults = { failing, slow: 0, decaying: 0 }
    result = simulate({ network, faults, strategy: 'braid', seed }, systemClock, () => {})
    const { user, system } = process.cpuUsage(before)
    took.push({ seconds: result.figures.tookMs / 1000, cpuSeconds: Math.round((user + system) / 1000) / 1000 })
    const { lastRatio, medianRatio } = result.figures
    say(`${name}: last ${lastRatio}, median ${medianRatio} of the bound; ${JSON.stringify(took.at(-1))}`)
  }
  if (result === null) throw new Error('there was no round')
  const { tookMs: _, ...figures } = result.figures
  const best = took.reduce((least, each) => (each.seconds < least.seconds ? each : least))
  return { failing, bound: result.bound, figures, best, took }
}

const before = machineBusy()
const scenarios = { healthy: measure('healthy', 0), failing: measure('failing', Number(values.failing)) }
const after = machineBusy()
const machineBusyRatio = Math.round(((after.busyS - before.busyS) / (after.totalS - before.totalS)) * 100) / 100
const result = { parameters: { network, seed, rounds: Number(values.rounds) }, machineBusyRatio, scenarios }
say(JSON.stringify(result))
if (values.keep) say(`kept in ${keepResult('simulate', result)}`)
