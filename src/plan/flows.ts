import { type Flow, isHeldUp, SLOW_FLOW_RATIO, sumOf } from '../model/flow.js'

/** What a node could give is told by what it gave, when it had something to give for this part of the time. */
const MEASURED_RATIO = 0.1
/** Who gets this part of what the source can give may take no more. */
const FULL_RATIO = 0.7

/** What a node says of its links at one look. */
export interface FlowsOf {
  readonly from: string
  /** Only to nodes of its own segment: between segments it is not the node that is slow. */
  readonly flows: readonly Flow[]
  /** An earlier look has counted it. */
  readonly isOld?: boolean
}

/** What all say at one look, from both ends. */
export interface Look {
  readonly nowMs: number
  readonly reports: readonly FlowsOf[]
  /** By receiver, what comes to it. */
  readonly into: ReadonlyMap<string, readonly Flow[]>
  /** By flow, who sends it, and all that this one sends. */
  readonly by: ReadonlyMap<Flow, FlowsOf>
  /** Its own links are held up as often as not: it is not weighed. */
  readonly source: string
  readonly ofSource: readonly Flow[]
  /** What all got when links were last found to be even; null: they are not known to be. */
  readonly evenBps: number | null
  /** Who says nothing, and may be gone. */
  readonly quiet: ReadonlySet<string>
  readonly probed: ReadonlyMap<string, Probed>
}

/** What a node's links were measured to carry lately, for their own sake; null: nobody has measured it. */
export interface Probed {
  readonly sendsBps: number | null
  readonly takesBps: number | null
}

/** A node with a link that is slow. */
export interface SlowLink {
  readonly nodeId: string
  readonly why: 'uplink' | 'downlink' | 'silent'
  readonly rateBps: number
  /** Whom it serves, where either may be slow: that their links were known speaks against it alone. */
  readonly starved?: readonly string[]
}

export function makeLook({ reports, source, ...known }: Omit<Look, 'into' | 'by' | 'ofSource'>): Look {
  const into = new Map<string, Flow[]>()
  const by = new Map<Flow, FlowsOf>()
  for (const report of reports) {
    for (const flow of report.flows) {
      by.set(flow, report)
      const known = into.get(flow.to)
      if (known === undefined) into.set(flow.to, [flow])
      else known.push(flow)
    }
  }
  const ofSource = reports.find(({ from }) => from === source)?.flows ?? []
  return { ...known, reports: reports.filter(({ from }) => from !== source), into, by, source, ofSource }
}

/**
 * What a node could give, by what it gave while it had something to give: all together, or the best of them alone,
 * where others are held up by who receives.
 * @returns null: it had too little.
 */
export function ableOf(flows: readonly Flow[]): number | null {
  const measured = flows.filter(({ busyRatio }) => busyRatio >= MEASURED_RATIO)
  if (measured.length === 0) return null
  const together = sumOf(flows) / Math.max(...measured.map(({ busyRatio }) => busyRatio))
  return Math.round(Math.max(together, ...measured.map(({ rateBps, busyRatio }) => rateBps / busyRatio)))
}

/**
 * The same where it is the node itself that limits what it gives, not those who take it: else null. One that is not
 * held up could give more: what it has sent waits for the other end's word for up to 40 ms, and counts as busy so long.
 */
export function ownAbleOf(flows: readonly Flow[], look: Look): number | null {
  const isItself = flows.some((flow) => isHeldUp(flow) && !mayBeFull(flow.to, look))
  return isItself ? ableOf(flows) : null
}

/**
 * What a node could give at least: what it gave, and as much more as it had time for, up to what the source could give.
 * A link that is hardly busy looks faster than any is.
 */
export function atLeastOf(flows: readonly Flow[], { ofSource }: Look): number {
  const sourceBps = ableOf(ofSource) ?? Number.POSITIVE_INFINITY
  return Math.max(sumOf(flows), Math.min(ableOf(flows) ?? 0, sourceBps))
}

/** What is known of nodes from looks before. */
export interface Known {
  readonly usualBps: number
  /** It is known to take little: what it takes of one says nothing of that one. */
  readonly isSlowReceiver: (nodeId: string) => boolean
  /** The most that a node could send lately; null: nobody knows. */
  readonly ableBpsOf: (nodeId: string) => number | null
}

/** By node, whose link is slow beside what is usual. */
export function findSlow(look: Look, known: Known): ReadonlyMap<string, SlowLink> {
  return new Map([...slowUplinks(look, known), ...slowDownlinks(look, known)])
}

/** All of them are held up, and give little together. */
const areSlow = (flows: readonly Flow[], usualBps: number): boolean =>
  flows.length > 0 && flows.every(isHeldUp) && sumOf(flows) < usualBps * SLOW_FLOW_RATIO

function slowUplinks(look: Look, { usualBps, isSlowReceiver }: Known): ReadonlyMap<string, SlowLink> {
  const slow = new Map<string, SlowLink>()
  for (const { from, flows } of look.reports) {
    if (!areSlow(flows, usualBps)) continue
    const telling = flows.filter(({ to }) => !isSlowReceiver(to) && !look.quiet.has(to))
    const link: SlowLink = { nodeId: from, why: 'uplink', rateBps: sumOf(flows) }
    const isItself =
      telling.some((flow) => isOutdone(flow, look)) || telling.filter((flow) => couldBeMore(flow, look)).length > 1
    if (isItself) slow.set(from, link)
    else if (look.evenBps !== null && areSlow(telling, look.evenBps) && areStarved(telling, look, isSlowReceiver)) {
      slow.set(from, { ...link, starved: telling.map(({ to }) => to) })
    }
  }
  // Whose uplink is full acknowledges late: it seems slow to whoever serves it, too.
  for (const { from, flows } of look.reports) if (flows.some(({ to }) => slow.has(to))) slow.delete(from)
  return slow
}

/**
 * Whoever receives them passes on less than all get, where it serves others, and is held up by nobody who may take
 * more. Else its word is from before: that of one whose own uplink is full comes late, and until then its sender seems
 * to be the slow one. Or it is that one.
 */
function areStarved(flows: readonly Flow[], look: Look, isSlowReceiver: Known['isSlowReceiver']): boolean {
  const holdsUp = (flow: Flow): boolean => isHeldUp(flow) && !isSlowReceiver(flow.to) && !look.quiet.has(flow.to)
  return flows.every(({ to }) => {
    const own = look.reports.find(({ from }) => from === to)
    return own === undefined || (sumOf(own.flows) < (look.evenBps ?? 0) * FULL_RATIO && !own.flows.some(holdsUp))
  })
}

function slowDownlinks(look: Look, known: Known): ReadonlyMap<string, SlowLink> {
  const isItself = (flows: readonly Flow[]): boolean =>
    flows.length > 1 &&
    areSlow(flows, known.usualBps) &&
    (flows.some((flow) => hasRoom(flow, look)) || flows.every((flow) => couldGiveMore(flow, look, known)))
  const slow = [...look.into].filter(([, flows]) => isItself(flows))
  return new Map(slow.map(([to, flows]) => [to, { nodeId: to, why: 'downlink', rateBps: sumOf(flows) }]))
}

/** Others take all that its sender has for them: it is not the sender. */
const hasRoom = (flow: Flow, { by }: Look): boolean =>
  by.get(flow)?.flows.some((other) => other !== flow && !isHeldUp(other)) === true

/** Its sender gives less than it can, or gives another much more: it is not the sender who has no more for this one. */
function couldGiveMore(flow: Flow, { by }: Look, { usualBps, ableBpsOf }: Known): boolean {
  const { from, flows = [] } = by.get(flow) ?? { from: '' }
  const ableBps = Math.min(usualBps, ableBpsOf(from) ?? usualBps)
  const isOutdoneBy = (other: Flow): boolean => other.rateBps * SLOW_FLOW_RATIO > flow.rateBps
  return sumOf(flows) < ableBps * FULL_RATIO || flows.some(isOutdoneBy)
}

/** What each receiver gets, where that is about all that the source can give, and it gives it; null: it is not. */
export function evenRate({ into, ofSource }: Look): number | null {
  const least = [...into.values()].map(sumOf).reduce((few, sum) => Math.min(few, sum), Number.POSITIVE_INFINITY)
  return ofSource.some(isHeldUp) && least > sumOf(ofSource) * FULL_RATIO ? least : null
}

/** Somebody gets less of all who serve it than all got when links were even, although there is more for it. */
export const hasLaggard = ({ into, evenBps }: Look): boolean =>
  evenBps !== null && [...into.values()].some((flows) => flows.every(isHeldUp) && sumOf(flows) < evenBps * FULL_RATIO)

/** It gets most of what it takes or the source can give, or all who serve it are held up: it may take no more. */
function mayBeFull(receiver: string, { into, ofSource, probed }: Look): boolean {
  const flows = into.get(receiver) ?? []
  const takesBps = probed.get(receiver)?.takesBps ?? Number.POSITIVE_INFINITY
  const mostBps = Math.min(ableOf(ofSource) ?? takesBps, takesBps)
  return sumOf(flows) > mostBps * FULL_RATIO || (flows.length > 1 && flows.every(isHeldUp))
}

/** It gives about what it was measured to be able to send: its weight says so already. */
export const isAsProbed = (nodeId: string, ableBps: number, { probed }: Look): boolean =>
  ableBps > (probed.get(nodeId)?.sendsBps ?? Number.POSITIVE_INFINITY) * FULL_RATIO

const othersInto = (flow: Flow, { into }: Look): readonly Flow[] =>
  (into.get(flow.to) ?? []).filter((other) => other !== flow)

/** Another gives the receiver much more: it is not the receiver. */
const isOutdone = (flow: Flow, look: Look): boolean =>
  othersInto(flow, look).some((other) => other.rateBps * SLOW_FLOW_RATIO > flow.rateBps)

/** Nobody else is held up by the receiver. Of one receiver alone that says little: others may have no more for it. */
const couldBeMore = (flow: Flow, look: Look): boolean => {
  const others = othersInto(flow, look)
  return others.length === 0 || others.some((other) => !isHeldUp(other))
}
