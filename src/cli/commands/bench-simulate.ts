import { SIMULATED_COPIES_MAX, SIMULATED_NODES_MAX } from '../../base/bench-limits.js'
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN } from '../../base/limits.js'
import { FANOUT_MAX } from '../../base/policy-limits.js'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatRatio,
  parseBytes,
  parseDurationMs,
  parseRatio,
} from '../../base/quantities.js'
import {
  type FaultShares,
  type Network,
  plotOf,
  type SimulationProgress,
  type SimulationFigures,
  type Simulated,
  simulate,
} from '../../bench/simulate.js'
import { isHanded, type StrategyName, strategyNames } from '../../model/plan.js'
import type { Context } from '../context.js'
import { type Output, table } from '../output.js'
import { mbit, openPlot, rateFrom, ratio, readNames, tellerOn, whole, within } from './bench-flags.js'
import { flag, invalid } from './flag.js'

/** What was typed. */
export type SimulateFlags = Readonly<
  Record<
    | 'nodes'
    | 'size'
    | 'chunk'
    | 'rate'
    | 'strategy'
    | 'segments'
    | 'wanRate'
    | 'wanDelay'
    | 'failing'
    | 'slow'
    | 'decay'
    | 'seed',
    string
  >
> & { readonly fanout?: string; readonly plot?: string; readonly tcp?: boolean; readonly known?: boolean }

interface Asked {
  readonly network: Network
  readonly faults: FaultShares
  readonly strategies: readonly StrategyName[]
  readonly fanout: number | undefined
  readonly seed: number
}

const RATE_MIN_BPS = 1000
const DELAY_MAX_MS = 10_000
const SEED_MAX = 2 ** 31

const HEAD = ['STRATEGY', 'LAST', 'MEDIAN', 'P99', 'SENT', 'DUPLICATES', 'INTO SEGMENTS', 'TOOK', '']

/** `engine bench simulate`: no coordinator, no socket, no root; what it tells follows from its flags. */
export async function simulateBench({ output, clock }: Context, flags: SimulateFlags): Promise<number> {
  const { network, faults, strategies, fanout, seed } = readFlags(flags)
  const picture = flags.plot === undefined ? null : await openPlot(flags.plot)
  const results: Simulated[] = []
  for (const strategy of strategies) {
    const tell = progressOn(output, strategy, () => clock.monotonicMs())
    results.push(simulate({ network, faults, strategy, fanout, seed }, clock, tell))
  }
  output.redraw([])
  await picture?.write(plotOfAll(network, results))
  if (output.json) {
    const [bound] = results.map((result) => result.bound)
    const own = results.map(({ figures }) => figures)
    output.data({ type: 'result', status: 'success', network, faults, fanout, seed, bound, strategies: own })
    return 0
  }
  for (const line of reportOf(network, faults, results)) output.print(line)
  const rows = results.map(({ figures }) => rowOf(figures, network))
  for (const line of table(HEAD, rows, output.dataColumns)) output.print(line)
  return 0
}

function readFlags(flags: SimulateFlags): Asked {
  const nodeCount = flag('--nodes', flags.nodes, within(1, SIMULATED_NODES_MAX, whole))
  const chunkBytes = flag('--chunk', flags.chunk, within(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX, parseBytes))
  const chunksMax = Math.floor(SIMULATED_COPIES_MAX / nodeCount)
  const rate = rateFrom(RATE_MIN_BPS)
  const network = {
    nodeCount,
    chunkBytes,
    sizeBytes: flag('--size', flags.size, within(1, chunksMax * chunkBytes, parseBytes)),
    rateBps: flag('--rate', flags.rate, rate),
    segmentCount: flag('--segments', flags.segments, within(1, nodeCount, whole)),
    wanRateBps: flag('--wan-rate', flags.wanRate, rate),
    wanDelayMs: flag('--wan-delay', flags.wanDelay, within(0, DELAY_MAX_MS, parseDurationMs)),
    isTcp: flags.tcp === true,
    isKnown: flags.known === true,
  }
  const faults = {
    failing: flag('--failing', flags.failing, parseRatio),
    slow: flag('--slow', flags.slow, parseRatio),
    decaying: flag('--decay', flags.decay, parseRatio),
  }
  if (faults.failing + faults.slow + faults.decaying >= 1) {
    throw invalid('--failing, --slow and --decay', 'they are different nodes, and some must be left')
  }
  const strategies = flag('--strategy', flags.strategy, readNames(strategyNames))
  const fanout = flags.fanout === undefined ? undefined : flag('--fanout', flags.fanout, within(1, FANOUT_MAX, whole))
  if (fanout !== undefined && !strategies.some(isHanded)) {
    throw invalid('--fanout', 'it is of the strategies handout and cascade')
  }
  return { network, faults, strategies, fanout, seed: flag('--seed', flags.seed, within(0, SEED_MAX, whole)) }
}

/** How far one strategy is. */
function progressOn(output: Output, strategy: StrategyName, nowMs: () => number) {
  const tell = tellerOn(output, nowMs)
  return ({ seconds, boundSeconds, broughtShare, completeCount, livingCount }: SimulationProgress): void => {
    const time = `${seconds.toFixed(2)} s (bound ${boundSeconds.toFixed(2)} s)`
    const nodes = `${formatCount(completeCount, 'node', livingCount)} complete`
    tell(`${strategy}  ${Math.floor(broughtShare * 100)}% brought in ${time}, ${nodes}`)
  }
}

function reportOf(network: Network, faults: FaultShares, [first]: readonly Simulated[]): readonly string[] {
  const { nodeCount, sizeBytes, chunkBytes, rateBps, segmentCount, wanRateBps, wanDelayMs, isTcp, isKnown } = network
  const content = `${formatBytes(sizeBytes)} in chunks of ${formatBytes(chunkBytes)}`
  const parts = [
    `${formatCount(nodeCount, 'node')}, ${content}, ${mbit(rateBps)}${isTcp === true ? ' over TCP' : ''}`,
    segmentCount > 1
      ? `${formatCount(segmentCount, 'segment')} with ${mbit(wanRateBps)} and ${wanDelayMs} ms between`
      : '',
    isKnown === true ? 'links known' : '',
    faults.failing > 0 ? `${formatRatio(faults.failing)} failing` : '',
    faults.slow > 0 ? `${formatRatio(faults.slow)} slow` : '',
    faults.decaying > 0 ? `${formatRatio(faults.decaying)} decaying` : '',
  ]
  const bound =
    first === undefined ? '' : `bound ${first.bound.seconds.toFixed(2)} s: ${first.bound.by}; times are over the bound`
  return [parts.filter((part) => part !== '').join('; '), bound]
}

function rowOf(result: SimulationFigures, { nodeCount }: Network): readonly string[] {
  const { completeCount, livingCount, segments, reweighed } = result
  const into = segments.slice(1).map(({ copiesInto }) => copiesInto)
  const dead = nodeCount - livingCount
  const notes = [
    result.isComplete ? '' : `only ${formatCount(completeCount, 'node', livingCount)} complete`,
    dead > 0 ? `${dead} killed` : '',
    reweighed > 0 ? `planned anew around ${formatCount(reweighed, 'link')}` : '',
    result.pulledChunks > 0 ? `${formatCount(result.pulledChunks, 'chunk')} pulled` : '',
  ]
  return [
    result.strategy,
    ratio(result.lastRatio),
    ratio(result.medianRatio),
    ratio(result.p99Ratio),
    `${result.sourceCopies.toFixed(3)}`,
    String(result.duplicateChunks),
    into.length === 0 ? '–' : `${Math.min(...into).toFixed(2)}–${Math.max(...into).toFixed(2)}`,
    formatDuration(result.tookMs),
    notes.filter((note) => note !== '').join(', '),
  ]
}

function plotOfAll(network: Network, results: readonly Simulated[]): string {
  const { nodeCount, sizeBytes, rateBps } = network
  const title = `Nodes that have everything: ${nodeCount} nodes, ${formatBytes(sizeBytes)}, ${mbit(rateBps)}`
  const curves = results.map(({ figures, curve }) => ({ name: figures.strategy, points: curve }))
  return plotOf({ title, boundSeconds: results[0]?.bound.seconds ?? 0, curves })
}
