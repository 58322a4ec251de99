import { FlowMeter } from '../native/flow-meter.js'
import type { SessionStatus } from '../native/relay.js'
import { formatRate } from '../base/quantities.js'
import type { FlowsOf, WeightChange } from '../plan/weighing.js'
import { reweigh } from './uplinks.js'
import type { World } from './world.js'

/** Looks at what senders say of their links, and has whoever is slow serve nobody until that is over. */
export class Pacing {
  readonly #world: World
  readonly #meter = new FlowMeter()

  constructor(world: World) {
    this.#world = world
  }

  /** Called at an even pace. @param own how the coordinator's own sessions stand. */
  look(own: readonly SessionStatus[]): void {
    const { weighing, roster, clock, coordinatorId } = this.#world
    const nowMs = clock.monotonicMs()
    const reports = [{ from: coordinatorId, flows: this.#meter.look(own) }]
    for (const { identity, flows } of roster.all) if (flows.length > 0) reports.push({ from: identity.id, flows })
    const changes = weighing.look(nowMs, this.#withinSegments(reports), coordinatorId)
    for (const change of changes) this.#note(change)
    if (changes.length > 0) reweigh(this.#world)
  }

  /** Between segments it is not a node's own link that is slow. */
  #withinSegments(reports: readonly FlowsOf[]): readonly FlowsOf[] {
    const { roster, coordinatorId, segment } = this.#world
    const segmentOf = (nodeId: string): string | undefined =>
      nodeId === coordinatorId ? segment : roster.get(nodeId)?.identity.segment
    return reports.map(({ from, flows }) => {
      const own = segmentOf(from)
      return { from, flows: flows.filter(({ to }) => segmentOf(to) === own) }
    })
  }

  #note({ nodeId, why, rateBps, usualBps }: WeightChange): void {
    const { log, metrics, roster } = this.#world
    metrics.add('engine_weight_changes_total', { why }, 1)
    const node = roster.get(nodeId)?.identity.name
    const facts = { nodeId, node, why, rate: formatRate(rateBps), usual: formatRate(usualBps) }
    if (why === 'rested') log.info(facts, 'a node whose link was slow is trusted to serve others again')
    else if (why === 'uneven') log.info(facts, 'uplinks differ: each counts by what it could give')
    else log.warn(facts, 'the link of a node is slow: it serves no others for a while')
  }
}
