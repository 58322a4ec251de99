import type { PeerRef } from '../model/node.js'
import { isHanded, isWaiting, type Planning, type PlanPart, type StrategyName } from '../model/plan.js'
import { FlowMeter } from '../native/flow-meter.js'
import { Rehearsal, type RehearsalStatus } from '../native/rehearsal.js'
import { Attending, type MemberStanding } from '../plan/attending.js'
import { startPlanning } from '../plan/index.js'
import { Weighing } from '../plan/weighing.js'
import { DECAY_RATIO, type Faults, SLOW_RATIO } from './faults.js'
import { chunkCountOf, type Network, segmentOf, wayOf } from './network.js'

/** As often as a coordinator looks at what senders say of their links. */
const LOOK_US = 250_000
/** From such a look until nodes have their new parts of the plan. */
const TELL_US = 20_000

export interface SpreadingOptions {
  readonly network: Network
  readonly faults: Faults
  readonly strategy: StrategyName
  /** Servers at once of those that approach nodes one by one; null: as many as an uplink bears. */
  readonly fanout: number | null
  readonly seed: number
  /** What times of faults are shares of. */
  readonly boundSeconds: number
}

/** What is still to happen. */
interface Coming {
  readonly atUs: number
  act(): void
}

/** How far it is. */
export interface Standing {
  readonly seconds: number
  /** All who live have everything. */
  readonly isOver: boolean
  /** Without the source. */
  readonly nodes: readonly RehearsalStatus[]
  readonly source: RehearsalStatus
}

/**
 * One session, as a coordinator runs it: it plans, looks at how links and nodes do, gives those their turn who wait for
 * it, and plans anew around one that is slow or gone.
 */
export class Spreading {
  readonly #options: SpreadingOptions
  readonly #rehearsal: Rehearsal
  readonly #source: string
  /** By place. */
  readonly #nodes: readonly string[]
  readonly #gates: readonly number[]
  readonly #segments = new Map<string, number>()
  readonly #planning: Planning
  readonly #attending: Attending
  /** When each of the dead died. */
  readonly #diedMs = new Map<string, number>()
  readonly #weighing = new Weighing()
  readonly #meters = new Map<string, FlowMeter>()
  /** By time. */
  readonly #coming: Coming[]
  #reweighed = 0

  constructor(options: SpreadingOptions) {
    const { network, faults, strategy, seed } = options
    const { chunkBytes, rateBps, segmentCount, isTcp } = network
    this.#options = options
    this.#rehearsal = new Rehearsal({ chunkCount: chunkCountOf(network), chunkBytes, madePer10Ms: 0, seed, isTcp })
    const way = wayOf(network)
    this.#gates = segmentCount < 2 ? [] : Array.from({ length: segmentCount }, () => this.#rehearsal.addGate(way))
    this.#source = this.#add(rateBps, 0, 0)
    // Who waits for its turn opens nothing.
    const opensUs = isHanded(strategy) ? null : 0
    this.#nodes = Array.from({ length: network.nodeCount }, (_, place) => {
      const isSlow = faults.slow.has(place)
      return this.#add(isSlow ? Math.round(rateBps * SLOW_RATIO) : rateBps, segmentOf(network, place), opensUs)
    })
    this.#coming = this.#comingOf(faults)
    this.#planning = this.#plan()
    this.#attending = new Attending(this.#planning)
    this.#tell(this.#nodes.flatMap((nodeId) => this.#planning.partOf(nodeId) ?? []))
  }

  /** How often a node was found to be slow, or trusted again. */
  get reweighed(): number {
    return this.#reweighed
  }

  /** Bytes that came into each segment from others; empty where there is one segment. */
  get bytesInto(): readonly number[] {
    return this.#gates.map((gate) => this.#rehearsal.gateBytes(gate).into)
  }

  /** Lets time pass until the next look, and does what a coordinator does then. */
  look(): Standing {
    const isOver = this.#advance(this.#rehearsal.nowUs + LOOK_US)
    const statuses = this.#rehearsal.poll()
    const [source, ...nodes] = statuses
    const changed = isOver ? [] : [...this.#weigh(statuses), ...this.#attend(nodes)]
    if (changed.length > 0) {
      this.#advance(this.#rehearsal.nowUs + TELL_US)
      this.#tell(changed)
    }
    return { seconds: this.#rehearsal.nowUs / MICROSECONDS, isOver, nodes, source: source as RehearsalStatus }
  }

  get #isKnown(): boolean {
    return this.#options.network.isKnown === true && !this.#weighing.isDoubted(this.#rehearsal.nowUs / 1000)
  }

  #add(bps: number, segment: number, opensUs: number | null): string {
    const id = this.#rehearsal.add({ upBps: bps, downBps: bps }, this.#gates[segment] ?? null, opensUs)
    this.#segments.set(id, segment)
    this.#meters.set(id, new FlowMeter())
    return id
  }

  #comingOf({ deaths, decays }: Faults): Coming[] {
    const { network, boundSeconds } = this.#options
    const at = (share: number): number => Math.round(share * boundSeconds * MICROSECONDS)
    const idOf = (place: number): string => this.#nodes[place] as string
    const worn = { upBps: Math.round(network.rateBps * DECAY_RATIO), downBps: network.rateBps }
    const all = [
      ...deaths.map(({ place, at: share }) => ({ atUs: at(share), act: () => this.#kill(idOf(place)) })),
      ...decays.map(({ place, at: share }) => ({
        atUs: at(share),
        act: () => this.#rehearsal.setRates(idOf(place), worn),
      })),
    ]
    return all.sort((a, b) => a.atUs - b.atUs)
  }

  #kill(nodeId: string): void {
    this.#rehearsal.kill(nodeId, 'reset')
    this.#diedMs.set(nodeId, this.#rehearsal.nowUs / 1000)
  }

  /** @returns whether all who live have everything. */
  #advance(untilUs: number): boolean {
    for (let next = this.#coming[0]; next !== undefined && next.atUs <= untilUs; next = this.#coming[0]) {
      if (this.#rehearsal.run(next.atUs)) return true
      next.act()
      this.#coming.shift()
    }
    return this.#rehearsal.run(untilUs)
  }

  #plan(): Planning {
    const { strategy, fanout, seed } = this.#options
    const nodes = this.#nodes.map((nodeId) => ({ ...refOf(nodeId), segment: this.#segmentOf(nodeId), weight: 1 }))
    const home = this.#segmentOf(this.#source)
    const about = { home, strategy, fanout, seed, isKnown: this.#isKnown }
    return startPlanning({ ...about, source: refOf(this.#source), nodes })
  }

  #tell(parts: readonly PlanPart[]): void {
    const { strandCount } = this.#planning
    for (const { nodeId, plan } of parts) this.#rehearsal.setPlan(nodeId, plan)
    this.#rehearsal.setPlan(this.#source, { strandCount, parents: [], peers: [] })
  }

  /** @returns the parts of the plan that have to be told, because links count differently now. */
  #weigh(statuses: readonly RehearsalStatus[]): readonly PlanPart[] {
    const nowMs = this.#rehearsal.nowUs / 1000
    const reports = statuses.map(({ nodeId, children }) => {
      const meter = this.#meters.get(nodeId) as FlowMeter
      const isOld = !meter.look([{ session: 1, children }])
      // Between segments it is not a node's own link that is slow.
      const flows = meter.flows.filter(({ to }) => this.#segments.get(to) === this.#segments.get(nodeId))
      return { from: nodeId, flows, isOld }
    })
    const wasKnown = this.#isKnown
    const changes = this.#weighing.look(nowMs, reports, this.#source)
    const isKnown = this.#isKnown
    this.#reweighed += changes.length
    if (changes.length === 0 && wasKnown === isKnown) return []
    // One change may say that all count differently.
    const weights = [...this.#planning.members].map(({ nodeId, weight: before }) => {
      return { nodeId, before, weight: this.#weighing.weightOf(nodeId) }
    })
    const other = weights.filter(({ before, weight }) => before !== weight)
    const weighed = other.map(({ nodeId, weight }) => ({ type: 'weighed' as const, nodeId, weight }))
    return this.#planning.take([...weighed, { type: 'compared', isKnown }])
  }

  /** @returns the parts of the plan that have to be told, because of what has become of nodes. */
  #attend(living: readonly RehearsalStatus[]): readonly PlanPart[] {
    const nowMs = this.#rehearsal.nowUs / 1000
    const byId = new Map(living.map((status) => [status.nodeId, status]))
    const standings = [...this.#planning.members].map(({ nodeId }) => {
      return [nodeId, this.#standingOf(nodeId, byId.get(nodeId))] as const
    })
    const events = this.#attending.look(nowMs, standings)
    return events.length === 0 ? [] : this.#planning.take(events)
  }

  /** @param status absent: it is dead, and its connection is gone. */
  #standingOf(nodeId: string, status: RehearsalStatus | undefined): MemberStanding {
    const part = this.#planning.partOf(nodeId)
    const { chunksHave, completedUs } = status ?? { chunksHave: 0, completedUs: null }
    return {
      state: completedUs !== null ? 'finished' : chunksHave > 0 ? 'ready' : null,
      bytesHave: chunksHave * this.#options.network.chunkBytes,
      isFetching: completedUs === null,
      mayMove: part !== null && !isWaiting(part.plan),
      hasFailed: false,
      goneSinceMs: status === undefined ? (this.#diedMs.get(nodeId) ?? 0) : null,
    }
  }

  #segmentOf(nodeId: string): string {
    return segmentName(this.#segments.get(nodeId) ?? 0)
  }
}

const MICROSECONDS = 1_000_000

/** A segment as results name it. */
export const segmentName = (segment: number): string => `segment-${segment + 1}`

const refOf = (nodeId: string): PeerRef => ({ nodeId, host: '127.0.0.1', port: 1 })
