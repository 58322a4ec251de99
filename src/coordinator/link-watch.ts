import { FlowMeter } from '../native/flow-meter.js'
import type { Flows } from '../control/schema/channel.js'
import { type Flow, isHeldUp } from '../model/flow.js'
import type { SessionStatus } from '../native/relay.js'
import { formatRate } from '../base/quantities.js'
import type { AccountEvent } from '../model/account.js'
import { ableOf } from '../plan/flows.js'
import type { Heard } from '../plan/silences.js'
import type { FlowsOf, WeightChange } from '../plan/weighing.js'
import type { KnownNode } from './roster.js'
import { reweigh } from './uplinks.js'
import { activeJob, inBackground, type World } from './world.js'

const messages: Readonly<Record<WeightChange['why'], string>> = {
  uplink: 'its uplink is slow: it serves no others for a while',
  silent: 'it says nothing, and may be gone: it serves no others for a while',
  downlink: 'its downlink is slow: it serves no others for a while, and nobody waits for it',
  uneven: 'uplinks differ: those that are asked for too much count by what they could give',
  rested: 'it was slow or silent, and is trusted to serve others again',
}

/** Words of nodes that have nothing to give are looked at so often at most; what they say counts at the next look. */
const DRY_REST_MS = 20

/** Looks at what senders say of their links, and has whoever is slow serve nobody until that is over. */
export class LinkWatch {
  readonly #world: () => World
  readonly #meter = new FlowMeter()
  /** By node, what was last counted of what it says. */
  readonly #counted = new Map<string, readonly Flow[]>()
  #heardDryMs = Number.NEGATIVE_INFINITY

  constructor(world: () => World) {
    this.#world = world
  }

  /** A node says how its links are. What it says in a hurry counts at once where links are known, else not at all. */
  hear(known: KnownNode, { flows, hurried, quietMs }: Flows): void {
    const { weighing, coordinatorId, clock } = this.#world()
    const { id } = known.identity
    known.quietMs = quietMs
    if (flows === null || (hurried && !weighing.knows(id))) return
    known.flows = flows
    const [within] = this.#withinSegments([{ from: id, flows }])
    weighing.hear(clock.monotonicMs(), id, within?.flows ?? [])
    if (!hurried || !this.#isTimeFor(flows)) return
    // What others have said since the last look is left to the next one.
    const reports = this.#reports().map((report) => ({ ...report, isOld: report.from !== id }))
    this.#counted.set(id, flows)
    this.#heed(weighing.glance(clock.monotonicMs(), this.#withinSegments(reports), coordinatorId))
  }

  /** Where a source has nothing for a moment all say at once that they have nothing: the first of them is heard. */
  #isTimeFor(flows: readonly Flow[]): boolean {
    if (flows.some(isHeldUp)) return true
    const nowMs = this.#world().clock.monotonicMs()
    if (nowMs - this.#heardDryMs < DRY_REST_MS) return false
    this.#heardDryMs = nowMs
    return true
  }

  /** Called at an even pace. @param own how the coordinator's own sessions stand. */
  look(own: readonly SessionStatus[]): void {
    const { weighing, uplinks, clock, coordinatorId } = this.#world()
    const nowMs = clock.monotonicMs()
    this.#meter.look(own)
    const reports = this.#reports()
    this.#counted.clear()
    for (const { from, flows } of reports) this.#counted.set(from, flows)
    const wasDoubted = weighing.isDoubted(nowMs)
    const concerned = new Set(reports.flatMap(({ from, flows }) => [from, ...flows.map(({ to }) => to)]))
    const around = { heard: this.#heard(), probed: uplinks.probedOf([...concerned]) }
    const changes = weighing.look(nowMs, this.#withinSegments(reports), coordinatorId, around)
    for (const { from, flows } of reports) {
      const ableBps = from === coordinatorId ? ableOf(flows) : weighing.ableBpsOf(from)
      if (ableBps !== null) uplinks.seen(from, ableBps)
    }
    this.#heed(changes)
    if (changes.length === 0 && !wasDoubted && weighing.isDoubted(nowMs)) reweigh(this.#world())
  }

  #heed(changes: readonly WeightChange[]): void {
    if (changes.length === 0) return
    for (const change of changes) this.#note(change)
    this.#account(changes)
    reweigh(this.#world())
  }

  /** What all say of their links, the coordinator first. */
  #reports(): readonly FlowsOf[] {
    const { roster, coordinatorId } = this.#world()
    const told = roster.all.map(({ identity, flows }) => ({ from: identity.id, flows }))
    const all = [{ from: coordinatorId, flows: this.#meter.flows }, ...told.filter(({ flows }) => flows.length > 0)]
    return all.map(({ from, flows }) => ({ from, flows, isOld: this.#counted.get(from) === flows }))
  }

  /** When each was heard, who is there. */
  #heard(): ReadonlyMap<string, Heard> {
    const there = this.#world().roster.all.filter(({ link }) => link !== null)
    return new Map(
      there.map(({ identity, lastHeardMs, flows, quietMs }) => [
        identity.id,
        { heardMs: lastHeardMs ?? 0, quietMs, serves: flows.length > 0 },
      ]),
    )
  }

  /** Between segments it is not a node's own link that is slow. */
  #withinSegments(reports: readonly FlowsOf[]): readonly FlowsOf[] {
    const { roster, coordinatorId, segment } = this.#world()
    const segmentOf = (nodeId: string): string | undefined =>
      nodeId === coordinatorId ? segment : roster.get(nodeId)?.identity.segment
    return reports.map(({ from, flows, isOld = false }) => {
      const own = segmentOf(from)
      return { from, isOld, flows: flows.filter(({ to }) => segmentOf(to) === own) }
    })
  }

  #note({ nodeId, why, rateBps, usualBps }: WeightChange): void {
    const { log, metrics, roster } = this.#world()
    metrics.add('engine_weight_changes_total', { why }, 1)
    const node = roster.get(nodeId)?.identity.name
    const facts = { nodeId, node, why, rate: formatRate(rateBps), usual: formatRate(usualBps) }
    if (why !== 'uneven' && why !== 'rested') log.warn(facts, messages[why])
    else log.info(facts, messages[why])
  }

  /** Jobs whose content is under way tell of it: their plans are made anew. */
  #account(changes: readonly WeightChange[]): void {
    const world = this.#world()
    const atMs = world.clock.nowMs()
    const events = changes.map(({ nodeId, why, rateBps, usualBps }): AccountEvent => {
      const reason = `${messages[why]} (${why}: ${formatRate(rateBps)}, where ${formatRate(usualBps)} is usual)`
      return { atMs, kind: 'weighed', node: world.roster.get(nodeId)?.identity.name ?? null, reason, rung: null }
    })
    const jobs = new Set(world.transfers.all.flatMap(({ about }) => activeJob(world, about.site) ?? []))
    for (const { record } of jobs) {
      inBackground(world, 'an account of links', () =>
        world.store.transaction((tables) => tables.accounts.add(record.id, events)),
      )
    }
  }
}
