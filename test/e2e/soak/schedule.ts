// What a schedule of the soak does, drawn from its number: the same number gives the same. Pure.
import { type Random, seededRandom, shuffled } from '../../../src/base/random.js'
import type { StrategyName } from '../../../src/model/plan.js'
import { strategyNames } from '../../../src/model/plan.js'

const MIB = 1024 * 1024
/** What every sender of the soak is limited to: transfers last, and loopback is no bottleneck. */
export const RATE_MIB_PER_S = 2
/** How long a transfer takes where nothing happens. */
const TRANSFER_MS = 1500
/** Nodes of which this is a divisor reach the coordinator by a way that can be cut. */
const CUTTABLE_EVERY = 3

const faultKinds = ['kill', 'stop', 'cut', 'slow', 'join', 'coordinator'] as const
export type FaultKind = (typeof faultKinds)[number]

/** `late`: when all who are well hold the release, `over`: when the job is. */
export type Until = number | 'late' | 'over'

/** Something that befalls a node (or the coordinator: 0) so long after its job began to send. */
export interface Fault {
  readonly kind: FaultKind
  readonly node: number
  readonly atMs: number
  /** Until it is mended; milliseconds, or what has to come first. */
  readonly until: Until
}

export interface Schedule {
  readonly number: number
  readonly nodes: number
  readonly strategy: StrategyName
  readonly fanout: number | null
  readonly commit: 'together' | 'each'
  readonly sizeBytes: number
  readonly faults: readonly Fault[]
}

export interface Series {
  readonly seed: number
  readonly nodesMin: number
  readonly nodesMax: number
}

/** Whether a node's way to the coordinator can be cut. */
export const isCuttable = (node: number): boolean => node % CUTTABLE_EVERY === 0

/** How many times a node's share of the rate a transfer needs, where nothing happens. */
const effort: Readonly<Record<StrategyName, (nodes: number) => number>> = {
  braid: () => 1,
  chain: () => 1,
  tree: () => 2,
  star: (nodes) => nodes,
  handout: (nodes) => 1 + nodes / 3,
  cascade: () => 2,
}

const pick = <T>(items: readonly T[], random: Random): T => items[random.below(items.length)] as T

function untilOf(kind: FaultKind, random: Random): Until {
  const chance = random.next()
  const soon = 100 + random.below(2400)
  if (kind === 'kill' || kind === 'stop' || kind === 'cut') {
    // Who is away when all others are ready has the job wait for it: seldom, since it takes long.
    if (chance < 0.04) return 'over'
    if (chance < 0.3) return 'late'
  }
  return soon
}

/** Draws the faults: each node is hit by one at most, and half of them are not hit. */
function faultsOf(nodes: number, random: Random): readonly Fault[] {
  const targets = shuffled(
    Array.from({ length: nodes }, (_, at) => at + 1),
    random,
  ).slice(0, Math.ceil(nodes / 2))
  const used = new Set<FaultKind>()
  const faults: Fault[] = []
  const wanted = 1 + random.below(4)
  for (let drawn = 0; drawn < wanted; drawn++) {
    const kind = pick(faultKinds, random)
    const atMs = random.below(TRANSFER_MS)
    const until = untilOf(kind, random)
    if (kind === 'coordinator' || kind === 'join') {
      if (!used.has(kind)) faults.push({ kind, node: kind === 'join' ? nodes + 1 : 0, atMs, until })
    } else {
      const at = targets.findIndex((node) => kind !== 'cut' || isCuttable(node))
      const [node] = at < 0 ? [] : targets.splice(at, 1)
      if (node !== undefined) faults.push({ kind, node, atMs, until })
    }
    used.add(kind)
  }
  return faults.toSorted((a, b) => a.atMs - b.atMs)
}

export function drawSchedule(series: Series, number: number): Schedule {
  const random = seededRandom(series.seed * 1_000_003 + number)
  const nodes = series.nodesMin + random.below(series.nodesMax - series.nodesMin + 1)
  const strategy = pick(strategyNames, random)
  const isApproaching = strategy === 'handout' || strategy === 'cascade'
  const fanout = isApproaching && random.next() < 0.5 ? 1 + random.below(3) : null
  const commit = random.next() < 0.3 ? 'each' : 'together'
  const sizeBytes = Math.round((RATE_MIB_PER_S * MIB * TRANSFER_MS) / 1000 / effort[strategy](nodes))
  return { number, nodes, strategy, fanout, commit, sizeBytes, faults: faultsOf(nodes, random) }
}

const nameOf = (node: number): string => (node === 0 ? 'coordinator' : `n${node}`)

/** One line for people. */
export function describe({ number, nodes, strategy, fanout, commit, sizeBytes, faults }: Schedule): string {
  const way = `${strategy}${fanout === null ? '' : ` --fanout ${fanout}`}, ${commit}`
  const what = faults.map(({ kind, node, atMs, until }) => {
    const ending = typeof until === 'number' ? `for ${until} ms` : `until ${until}`
    return `${kind === 'coordinator' ? 'kill' : kind} ${nameOf(node)} at ${atMs} ms ${ending}`
  })
  return `${number}: ${nodes} nodes, ${way}, ${Math.round(sizeBytes / 1024)} KiB; ${what.join('; ')}`
}
