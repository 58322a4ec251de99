import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { FANOUT_NODES_MAX, FANOUT_REPETITIONS_MAX } from '../../base/bench-limits.js'
import { EngineError } from '../../base/errors.js'
import { BANDWIDTH_BPS_MIN } from '../../base/policy-limits.js'
import { formatBytes, formatCount, parseBytes } from '../../base/quantities.js'
import { systemRandom } from '../../base/random.js'
import { MIB, TIB } from '../../base/units.js'
import {
  boundSecondsOf,
  fanoutCurve,
  fanoutFaults,
  type FanoutAsked,
  type FanoutCase,
  type FanoutRow,
  type FanoutRun,
  groupsOf,
  type LeftOut,
  rowsOf,
  runsOf,
} from '../../bench/fanout.js'
import { type Plot, plotOf } from '../../bench/plot.js'
import { strategyNames } from '../../model/plan.js'
import type { Context } from '../context.js'
import { type Output, table } from '../output.js'
import { stoppable } from '../stopping.js'
import { type Grounds, inLab, labGrounds, loopback } from './bench-fanout-grounds.js'
import { type Content, runFanout } from './bench-fanout-run.js'
import { mbit, openPlot, rateFrom, ratio, readNames, several, tellerOn, whole, within } from './bench-flags.js'
import { flag, invalid } from './flag.js'

/** What was typed. */
export type FanoutFlags = Readonly<Record<'strategy' | 'nodes' | 'rate' | 'size' | 'fault' | 'repetitions', string>> & {
  readonly plot?: string
  readonly lab?: boolean
  /** The lab that this process is in. */
  readonly inLab?: string
}

/** More of the machine's processor than this in use, and times are no longer those of the links. */
const BUSY_RATIO_MAX = 0.85

const HEAD = ['STRATEGY', 'NODES', 'RATE', 'FAULT', 'LAST', 'MEDIAN', 'SENT', 'CPU-S/GIB', 'SPREAD', '']

/** `engine bench fanout`: real processes on this machine, and nothing of them left when it ends. */
export async function fanoutBench(context: Context, flags: FanoutFlags): Promise<number> {
  const asked = readFlags(flags)
  if (flags.lab === true && flags.inLab === undefined) {
    return inLab(context, Math.max(...asked.nodeCounts) + 1, argumentsOf(context.output, flags))
  }
  const grounds = flags.inLab === undefined ? loopback : labGrounds(flags.inLab)
  const { runs, leftOut } = runsOf(asked, grounds.hasPacer)
  await refuseWithoutSpace(asked, flags.size)
  const picture = flags.plot === undefined ? null : await openPlot(flags.plot)
  const outcome = await stoppable(context, (stop) => runAll(context, { asked, grounds, runs, stop }))
  if ('exitCode' in outcome) return outcome.exitCode
  context.output.redraw([])
  const done = outcome.value
  await picture?.write(plotOfAll(done, asked.sizeBytes))
  const rows = rowsOf(done, asked.sizeBytes)
  const isGood = rows.every(({ failed }) => failed.length === 0)
  report(context.output, { asked, grounds, rows, runs: done, leftOut, isGood })
  return isGood ? 0 : 1
}

function readFlags(flags: FanoutFlags): FanoutAsked {
  const counts = several(within(1, FANOUT_NODES_MAX, whole))
  return {
    strategies: flag('--strategy', flags.strategy, readNames(strategyNames)),
    nodeCounts: flag('--nodes', flags.nodes, counts),
    ratesBps: flag('--rate', flags.rate, several(rateFrom(BANDWIDTH_BPS_MIN))),
    faults: flag('--fault', flags.fault, readNames(fanoutFaults)),
    sizeBytes: flag('--size', flags.size, within(1, TIB, parseBytes)),
    repetitions: flag('--repetitions', flags.repetitions, within(1, FANOUT_REPETITIONS_MAX, whole)),
  }
}

/** The same command once more, for who runs it elsewhere. */
function argumentsOf(output: Output, flags: FanoutFlags): readonly string[] {
  const { strategy, nodes, rate, size, fault, repetitions, plot } = flags
  const values = Object.entries({ strategy, nodes, rate, size, fault, repetitions, plot })
  const said = values.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))
  const told = [output.json ? '--json' : '', output.quiet ? '--quiet' : '', output.animated ? '' : '--no-progress']
  return ['bench', 'fanout', ...said, ...told.filter((each) => each !== '')]
}

/** The coordinator has the content, its own copy and what it packs; a node what it receives and what comes of it. */
async function refuseWithoutSpace({ nodeCounts, sizeBytes }: FanoutAsked, asked: string): Promise<void> {
  const needed = sizeBytes * (3 + 2 * Math.max(...nodeCounts))
  const { bavail, bsize } = await statfs(tmpdir())
  if (needed <= bavail * bsize) return
  const free = `${tmpdir()} has ${formatBytes(bavail * bsize)} left; TMPDIR names another place`
  throw invalid(`--size "${asked}"`, `that takes ${formatBytes(needed)}, and ${free}`)
}

interface Work {
  readonly asked: FanoutAsked
  readonly grounds: Grounds
  readonly runs: readonly (readonly FanoutCase[])[]
  readonly stop: AbortSignal
}

async function runAll({ output, clock }: Context, { asked, grounds, runs, stop }: Work): Promise<FanoutRun[]> {
  const directory = await mkdtemp(`${tmpdir()}/distributary-fanout-`)
  const tell = tellerOn(output, () => clock.monotonicMs())
  try {
    tell('making the content')
    const content = await makeContent(`${directory}/content`, asked.sizeBytes, stop)
    const done: FanoutRun[] = []
    const total = runs.reduce((sum, round) => sum + round.length, 0)
    for (const [round, cases] of runs.entries()) {
      for (const what of cases) {
        const name = `run ${done.length + 1}/${total}  ${nameOfCase(what)}`
        const parts = { clock, grounds, directory, content, stop, tell: (said: string) => tell(`${name}: ${said}`) }
        const run = await runFanout(what, round + 1, parts)
        done.push(run)
        if (!output.json) output.note(`${name}: ${outcomeOf(run, asked.sizeBytes)}`)
      }
    }
    return done
  } catch (error) {
    if (!stop.aborted) throw error
    throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the bench' }, { cause: error })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const nameOfCase = ({ strategy, nodeCount, rateBps, fault }: FanoutCase): string =>
  `${strategy}, ${formatCount(nodeCount, 'node')}, ${mbit(rateBps)}${fault === 'none' ? '' : `, one ${fault}`}`

function outcomeOf({ case: what, arrivals, failure }: FanoutRun, sizeBytes: number): string {
  if (failure !== null) return failure
  const last = arrivals.at(-1) ?? 0
  return `last node after ${last.toFixed(2)} s, ${(last / boundSecondsOf(sizeBytes, what)).toFixed(3)} of the bound`
}

/** A directory with one file of random bytes: nothing can be compressed away. */
async function makeContent(directory: string, sizeBytes: number, stop: AbortSignal): Promise<Content> {
  const [hash, name] = [createHash('sha256'), 'content.bin']
  await mkdir(directory)
  const file = await open(`${directory}/${name}`, 'w')
  try {
    for (let left = sizeBytes; left > 0; left -= MIB) {
      stop.throwIfAborted()
      const part = systemRandom.bytes(Math.min(left, MIB))
      hash.update(part)
      await file.write(part)
    }
  } finally {
    await file.close()
  }
  return { directory, file: name, sizeBytes, digest: hash.digest('hex') }
}

interface Told {
  readonly asked: FanoutAsked
  readonly grounds: Grounds
  readonly rows: readonly FanoutRow[]
  readonly runs: readonly FanoutRun[]
  readonly leftOut: readonly LeftOut[]
  readonly isGood: boolean
}

function report(output: Output, { asked, grounds, rows, runs, leftOut, isGood }: Told): void {
  const { sizeBytes, repetitions } = asked
  if (output.json) {
    const status = isGood ? 'success' : 'partial'
    output.data({ type: 'result', status, grounds: grounds.name, sizeBytes, repetitions, rows, leftOut, runs })
    return
  }
  const links = grounds.hasPacer ? 'relays held to the rate, on loopback' : 'links of the lab'
  output.print(`${formatBytes(sizeBytes)}, ${formatCount(repetitions, 'repetition')}, ${links}`)
  for (const rateBps of asked.ratesBps) {
    const seconds = boundSecondsOf(sizeBytes, { rateBps }).toFixed(2)
    output.print(`bound ${seconds} s: one copy at ${mbit(rateBps)}; times are over the bound`)
  }
  for (const line of table(HEAD, rows.map(cellsOf), output.dataColumns)) output.print(line)
  for (const { nodeCount, rateBps, fault, why } of leftOut) {
    output.print(`left out: ${formatCount(nodeCount, 'node')}, ${mbit(rateBps)}, one ${fault}: ${why}`)
  }
}

function cellsOf(row: FanoutRow): readonly string[] {
  const busy = row.busyRatio ?? 0
  const notes = [
    row.failed.length === 0 ? '' : `${row.failed.length} of ${row.runs} failed: ${row.failed[0]}`,
    busy > BUSY_RATIO_MAX ? `the machine was ${Math.round(busy * 100)}% busy: slower than links alone` : '',
  ]
  return [
    row.strategy,
    String(row.nodeCount),
    mbit(row.rateBps),
    row.fault,
    ratio(row.lastRatio),
    ratio(row.medianRatio),
    row.sourceCopies?.toFixed(2) ?? '–',
    row.cpuSecondsPerGib?.toFixed(2) ?? '–',
    row.leastRatio === null ? '–' : `${ratio(row.leastRatio)}–${ratio(row.mostRatio)}`,
    notes.filter((note) => note !== '').join('; '),
  ]
}

/** A plot for each setting, with a curve for each strategy. */
function plotOfAll(runs: readonly FanoutRun[], sizeBytes: number): string {
  const settings = groupsOf(runs, ({ case: { nodeCount, rateBps, fault } }) => ({ nodeCount, rateBps, fault }))
  const [first, ...others] = settings.map((own): Plot => {
    const { nodeCount, rateBps, fault } = (own[0] as FanoutRun).case
    const happened = fault === 'none' ? '' : `, one ${fault} half-way`
    const setting = `${formatCount(nodeCount, 'node')}, ${formatBytes(sizeBytes)}, ${mbit(rateBps)}${happened}`
    const curves = groupsOf(own, ({ case: { strategy } }) => ({ strategy }))
    return {
      title: `Nodes that have everything: ${setting}`,
      boundSeconds: boundSecondsOf(sizeBytes, { rateBps }),
      curves: curves.map((each) => ({ name: each[0]?.case.strategy ?? '', points: fanoutCurve(each) })),
    }
  })
  return first === undefined ? '' : plotOf(first, ...others)
}
