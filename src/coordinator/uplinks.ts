import type { Clock } from '../base/clock.js'
import { PROGRESS_INTERVAL_MS } from '../base/limits.js'
import { SECOND_MS } from '../base/units.js'
import type { PlanNode, Uplink } from '../model/plan.js'
import type { Measured, MeasureKind, RateView } from '../model/rate.js'
import { medianOf } from '../plan/strategies/slots.js'
import { chunkBytesFor, fanoutOf, limitedWeight, measuredWeight, usualUplink } from '../plan/uplinks.js'
import type { Probed, Weighing } from '../plan/weighing.js'
import type { Transfer } from '../transfer/index.js'
import { RateBook } from './rate-book.js'
import type { KnownNode, Roster } from './roster.js'
import { tellPlans } from './sending.js'
import type { World } from './world.js'

/** What was measured so near to a sender's limit tells of the limit, not of who received. */
const AT_LIMIT_RATIO = 0.8
/** Measurements are good for minutes: whether they still count is looked at this often. */
const PROBES_LOOK_MS = 10 * SECOND_MS
/** What is woven for more nodes than this is the same whether their links are known or not. */
const KNOWN_NODES_MAX = 64

export interface UplinksOptions {
  readonly roster: Roster
  readonly weighing: Weighing
  readonly clock: Clock
  /** The coordinator itself, which has uplink, limit and load as nodes do. */
  readonly own: {
    readonly nodeId: string
    readonly limitBps: () => number | null
    /** As `machineLoad` tells it; absent: it does not matter. */
    readonly load?: () => number
  }
}

/** The nodes of a plan, beside whom each of them counts. */
export interface Beside {
  readonly members: Iterable<Pick<PlanNode, 'nodeId'>>
}

/** What is known of a plan's links beside one another, looked up for all of its nodes at once. */
interface Usual {
  readonly uplinkBps: number
  /** Of those uplinks that were measured lately for their own sake; null: too few were. */
  readonly measuredBps: number | null
  /** What one receiver takes; null: nobody has measured it. */
  readonly takesBps: number | null
  readonly atMs: number
}

/** What is known of nodes' links: what was measured, what transfers showed, and what nodes are allowed to send. */
export class Uplinks {
  readonly #options: UplinksOptions
  readonly #sent: RateBook
  readonly #received: RateBook
  #usual = new WeakMap<Beside, Usual>()
  /** By node, what is known from probes, as of a while ago. */
  readonly #probes = new Map<string, Probed & { readonly atMs: number }>()

  constructor(options: UplinksOptions) {
    this.#options = options
    this.#sent = new RateBook(options.clock)
    this.#received = new RateBook(options.clock)
  }

  /**
   * What a node's uplink counts beside the others'; 1 is usual: what transfers showed of it, else what was measured.
   * Never more than its own limit lets it give.
   */
  weightOf(nodeId: string, plan: Beside): number {
    const limitBps = this.#limitOf(nodeId)
    const shown = this.#shownWeightOf(nodeId)
    const known = shown ?? this.#measuredWeightOf(nodeId, plan)
    return limitBps === null ? known : limitedWeight(known, limitBps, this.#lookAround(plan).uplinkBps)
  }

  /** What transfers showed of its uplink; null: nothing that was not usual. */
  #shownWeightOf(nodeId: string): number | null {
    const weight = this.#options.weighing.weightOf(nodeId)
    return weight === 1 ? null : weight
  }

  /** The links of all these were compared, in what they carried or by measuring them: weights say all of them. */
  areKnown(nodeIds: readonly string[]): boolean {
    const { weighing, clock } = this.#options
    if (nodeIds.length > KNOWN_NODES_MAX || weighing.isDoubted(clock.monotonicMs())) return false
    return nodeIds.every((nodeId) => weighing.knows(nodeId) || this.#uplinkOf(nodeId)?.isFresh === true)
  }

  /** What plans of the strategies that approach nodes one by one are told of a node beside its weight. */
  factsOf(nodeId: string, plan: Beside): Pick<PlanNode, 'uplink' | 'bears'> {
    const uplink = this.#uplinkOf(nodeId)
    return { ...(uplink === null ? {} : { uplink }), bears: this.bearsOf(nodeId, plan) }
  }

  /** What a node's downlink takes beside what uplinks give, as its other ends showed; null: nobody measured it. */
  takesOf(nodeId: string, plan: Beside): number | null {
    const { measuredBps } = this.#lookAround(plan)
    const { takesBps } = this.#probed(nodeId)
    return measuredBps === null || takesBps === null ? null : measuredWeight(takesBps, measuredBps)
  }

  /** Servers at once that a node, or the coordinator, can feed: by what transfers showed, else by what was measured. */
  bearsOf(nodeId: string, plan: Beside): number {
    const isFresh = this.rateOf(nodeId)?.isStale === false && this.#shownWeightOf(nodeId) === null
    const uplinkBps = isFresh ? (this.#uplinkOf(nodeId)?.rateBps ?? null) : null
    const { takesBps } = this.#lookAround(plan)
    return fanoutOf({ weight: this.weightOf(nodeId, plan), uplinkBps, takesBps, load: this.#loadOf(nodeId) })
  }

  /** What a node was measured to be able to send; null: nothing was. */
  rateOf(nodeId: string): RateView | null {
    const known = this.#sent.estimate(nodeId)
    if (known === null) return null
    const { rateBps, how, ageMs, isStale } = known
    return { rateBps, how, measuredAtMs: this.#options.clock.nowMs() - ageMs, ageMs, isStale }
  }

  /** How large the chunks of what these nodes get are; 0: as the size of the content has it. */
  chunkBytesFor(plan: Beside): number {
    return chunkBytesFor(this.#lookAround(plan).uplinkBps)
  }

  /** A link was measured for its own sake. */
  measured(from: string, to: string, how: MeasureKind, { rateBps, spanMs }: Measured): void {
    this.#sent.note(from, { how, rateBps, spanMs, peer: to })
    const limitBps = this.#limitOf(from)
    if (limitBps === null || rateBps < limitBps * AT_LIMIT_RATIO) {
      this.#received.note(to, { how, rateBps, spanMs, peer: from })
    }
    this.changed()
  }

  /** What these nodes' links were measured to carry lately, of whom it is known. */
  probedOf(nodeIds: readonly string[]): ReadonlyMap<string, Probed> {
    const known = nodeIds.map((nodeId): [string, Probed] => [nodeId, this.#probed(nodeId)])
    return new Map(known.filter(([, { sendsBps, takesBps }]) => sendsBps !== null || takesBps !== null))
  }

  /** Transfers showed that a node can send so much. */
  seen(nodeId: string, rateBps: number): void {
    this.#sent.note(nodeId, { how: 'passive', rateBps, spanMs: SECOND_MS, peer: null })
  }

  /** A limit, or something that was measured, has changed: it counts at the next question. */
  changed(): void {
    this.#usual = new WeakMap()
    this.#probes.clear()
  }

  #measuredWeightOf(nodeId: string, plan: Beside): number {
    const { measuredBps } = this.#lookAround(plan)
    const uplink = measuredBps === null ? null : this.#uplinkOf(nodeId)
    return measuredBps === null || uplink?.isFresh !== true ? 1 : measuredWeight(uplink.rateBps, measuredBps)
  }

  #uplinkOf(nodeId: string): Uplink | null {
    const known = this.#sent.estimate(nodeId)
    if (known === null) return null
    const rateBps = Math.min(known.rateBps, this.#limitOf(nodeId) ?? known.rateBps)
    return { rateBps, isFresh: this.#probed(nodeId).sendsBps !== null }
  }

  #probed(nodeId: string): Probed {
    const nowMs = this.#options.clock.monotonicMs()
    const known = this.#probes.get(nodeId)
    if (known !== undefined && nowMs - known.atMs < PROBES_LOOK_MS) return known
    const looked = { sendsBps: this.#sent.probed(nodeId), takesBps: this.#received.probed(nodeId), atMs: nowMs }
    this.#probes.set(nodeId, looked)
    return looked
  }

  #limitOf(nodeId: string): number | null {
    const { own, roster } = this.#options
    return nodeId === own.nodeId ? own.limitBps() : (roster.get(nodeId)?.limit?.rateBps ?? null)
  }

  #loadOf(nodeId: string): number {
    const { own, roster } = this.#options
    return nodeId === own.nodeId ? (own.load?.() ?? 0) : (roster.get(nodeId)?.load ?? 0)
  }

  /** It is asked for node by node, and takes a look at all of them. */
  #lookAround(plan: Beside): Usual {
    const { weighing, clock } = this.#options
    const nowMs = clock.monotonicMs()
    const known = this.#usual.get(plan)
    if (known !== undefined && nowMs - known.atMs < PROGRESS_INTERVAL_MS) return known
    const there = this.#thereOf(plan)
    const limits = there.map(({ limit }) => limit?.rateBps ?? null)
    const taken = this.#received.freshRates(there.map(({ identity }) => identity.id))
    const takesBps = taken.length === 0 ? null : medianOf(taken)
    const uplinks = there.flatMap(({ identity }) => this.#uplinkOf(identity.id) ?? [])
    const measured = uplinks.filter(({ isFresh }) => isFresh).map(({ rateBps }) => rateBps)
    // Of a few it says nothing: they may be measured because they are slow.
    const measuredBps = measured.length > there.length / 2 ? medianOf(measured) : null
    const uplinkBps = usualUplink(measuredBps ?? weighing.usualBps, limits)
    const usual = { uplinkBps, measuredBps, takesBps, atMs: nowMs }
    this.#usual.set(plan, usual)
    return usual
  }

  #thereOf({ members }: Beside): readonly KnownNode[] {
    return [...members].flatMap(({ nodeId }) => {
      const known = this.#options.roster.get(nodeId)
      return known === undefined || known.link === null ? [] : [known]
    })
  }
}

/** What a plan is told of an uplink that may count differently now. */
function countOf(uplinks: Uplinks, nodeId: string, plan: Transfer): Pick<PlanNode, 'weight' | 'bears'> {
  const weight = uplinks.weightOf(nodeId, plan)
  return plan.givesTurns ? { weight, bears: uplinks.bearsOf(nodeId, plan) } : { weight }
}

/** Has all plans at work go by what uplinks count now, and tells nodes whose part is another. */
export function reweigh(world: World): void {
  for (const transfer of world.transfers.all) {
    const isKnown = world.uplinks.areKnown([...transfer.members].map(({ nodeId }) => nodeId))
    const parts = transfer.reweigh((nodeId) => countOf(world.uplinks, nodeId, transfer), isKnown)
    tellPlans(world, transfer.assignmentId, parts)
  }
}
