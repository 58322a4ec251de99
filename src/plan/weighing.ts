import type { Flow } from '../model/flow.js'

/** A flow is held up when there was more to send for this part of the time. */
const BUSY_RATIO = 0.75
/** Who gives or takes less than this part of what is usual is slow. */
const SLOW_RATIO = 0.4
/** Looks in a row at which a node must be slow before it counts as slow. */
const LOOKS_SLOW = 2
/** What a node could give is told by what it gave, when it had something to give for this part of the time. */
const MEASURED_RATIO = 0.1
/** A node that was slow and is not seen to be is trusted again after this time, each time twice as long. */
const REST_MS = 60_000
const REST_MS_MAX = 640_000

/** What a node says of its links at one look. */
export interface FlowsOf {
  readonly from: string
  /** Only to nodes of its own segment: between segments it is not the node that is slow. */
  readonly flows: readonly Flow[]
}

/** By receiver, what comes to it. */
type Into = ReadonlyMap<string, readonly Flow[]>

interface Standing {
  /** What it could send, by what it last sent; 0: nobody knows. */
  ableBps: number
  slowLooks: number
  /** Its weight while it is slow; null: the full one. */
  weight: number | null
  sinceMs: number
  restMs: number
}

/** A node whose weight has changed, and why: what it gave or took, beside what is usual. */
export interface WeightChange {
  readonly nodeId: string
  readonly weight: number
  readonly why: 'uplink' | 'downlink' | 'rested'
  readonly rateBps: number
  readonly usualBps: number
}

type Found = Omit<WeightChange, 'weight' | 'usualBps'>

/**
 * Finds nodes whose links are slow beside the others', from what senders say of their links. A node's uplink is slow
 * when all its links are held up, give little together, and a receiver could take more; its downlink, when all links
 * towards it are held up and give little together. Pure.
 */
export class Weighing {
  readonly #standings = new Map<string, Standing>()

  /** What a node's uplink counts beside the others'; 1 is usual. */
  weightOf(nodeId: string): number {
    return this.#standings.get(nodeId)?.weight ?? 1
  }

  /** @param source is no node: its own links are held up as often as not. */
  look(nowMs: number, reports: readonly FlowsOf[], source: string): readonly WeightChange[] {
    const into = intoEach(reports)
    for (const { from, flows } of reports) {
      const ableBps = ableOf(flows)
      if (from !== source && ableBps !== null) this.#standing(from).ableBps = ableBps
    }
    const usualBps = this.#usualBps()
    if (usualBps === 0) return []
    const slow = findSlow(reports, into, { usualBps, source })
    return [...this.#noteSlow(slow, usualBps, nowMs), ...this.#trustAgain(nowMs)]
  }

  #noteSlow(slow: ReadonlyMap<string, Found>, usualBps: number, nowMs: number): readonly WeightChange[] {
    const changes: WeightChange[] = []
    for (const nodeId of slow.keys()) this.#standing(nodeId)
    for (const [nodeId, standing] of this.#standings) {
      const found = slow.get(nodeId)
      standing.slowLooks = found === undefined ? 0 : standing.slowLooks + 1
      if (found !== undefined && standing.weight !== null) standing.sinceMs = nowMs
      if (found === undefined || standing.weight !== null || standing.slowLooks < LOOKS_SLOW) continue
      standing.weight = Math.max(found.rateBps / usualBps, Number.EPSILON)
      standing.sinceMs = nowMs
      changes.push({ ...found, weight: standing.weight, usualBps })
    }
    return changes
  }

  #trustAgain(nowMs: number): readonly WeightChange[] {
    const changes: WeightChange[] = []
    for (const [nodeId, standing] of this.#standings) {
      if (standing.weight === null || nowMs - standing.sinceMs < standing.restMs) continue
      changes.push({ nodeId, weight: 1, why: 'rested', rateBps: standing.ableBps, usualBps: this.#usualBps() })
      standing.weight = null
      standing.slowLooks = 0
      standing.restMs = Math.min(standing.restMs * 2, REST_MS_MAX)
    }
    return changes
  }

  #standing(nodeId: string): Standing {
    const known = this.#standings.get(nodeId)
    if (known !== undefined) return known
    const standing = { ableBps: 0, slowLooks: 0, weight: null, sinceMs: 0, restMs: REST_MS }
    this.#standings.set(nodeId, standing)
    return standing
  }

  /** The median of what those could give who have served anybody. */
  #usualBps(): number {
    const all = [...this.#standings.values()].map(({ ableBps }) => ableBps).filter((ableBps) => ableBps > 0)
    return all.sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0
  }
}

/** What a node could give at once, by what it gave while it had something to give; null: it had too little. */
function ableOf(flows: readonly Flow[]): number | null {
  const busyRatio = Math.max(0, ...flows.map((flow) => flow.busyRatio))
  return busyRatio < MEASURED_RATIO ? null : Math.round(sumOf(flows) / busyRatio)
}

const isHeldUp = ({ busyRatio }: Flow): boolean => busyRatio >= BUSY_RATIO

/** By node, what is slow of it. */
function findSlow(
  reports: readonly FlowsOf[],
  into: Into,
  { usualBps, source }: { readonly usualBps: number; readonly source: string },
): ReadonlyMap<string, Found> {
  const slow = new Map<string, Found>()
  const isSlow = (flows: readonly Flow[]): boolean =>
    flows.length > 0 && flows.every(isHeldUp) && sumOf(flows) < usualBps * SLOW_RATIO
  for (const { from, flows } of reports) {
    if (from === source || !isSlow(flows)) continue
    const isOurs =
      flows.some((flow) => isOutdone(flow, into)) || flows.filter((flow) => couldBeMore(flow, into)).length > 1
    if (isOurs) slow.set(from, { nodeId: from, why: 'uplink', rateBps: sumOf(flows) })
  }
  for (const [to, flows] of into) {
    if (flows.length > 1 && isSlow(flows)) slow.set(to, { nodeId: to, why: 'downlink', rateBps: sumOf(flows) })
  }
  return slow
}

const othersInto = (flow: Flow, into: Into): readonly Flow[] =>
  (into.get(flow.to) ?? []).filter((other) => other !== flow)

/** Another gives the receiver much more: it is not the receiver. */
const isOutdone = (flow: Flow, into: Into): boolean =>
  othersInto(flow, into).some((other) => other.rateBps * SLOW_RATIO > flow.rateBps)

/** Nobody else is held up by the receiver. Of one receiver alone that says little: others may have no more for it. */
const couldBeMore = (flow: Flow, into: Into): boolean => {
  const others = othersInto(flow, into)
  return others.length === 0 || others.some((other) => !isHeldUp(other))
}

const sumOf = (flows: readonly Flow[]): number => flows.reduce((sum, { rateBps }) => sum + rateBps, 0)

function intoEach(reports: readonly FlowsOf[]): Into {
  const into = new Map<string, Flow[]>()
  for (const { flows } of reports) {
    for (const flow of flows) {
      const known = into.get(flow.to)
      if (known === undefined) into.set(flow.to, [flow])
      else known.push(flow)
    }
  }
  return into
}
