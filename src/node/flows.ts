import type { Cancel, Clock } from '../base/clock.js'
import { FLOWS_LOOK_MS, FLOWS_MAX } from '../base/transfer-limits.js'
import type { Flows } from '../control/schema/channel.js'
import { type Flow, hasBrokenDown } from '../model/flow.js'
import { FlowMeter } from '../native/flow-meter.js'
import type { SessionStatus } from '../native/relay.js'

export interface FlowTellerOptions {
  readonly clock: Clock
  /** How the relay's sessions stand; none where it does not say. */
  readonly poll: () => readonly SessionStatus[]
  readonly send: (flows: Flows) => unknown
}

/**
 * Tells whom a node sends to, four times a second while there is more than links take, and once that is over. In
 * between it tells in a hurry of a link that has broken down.
 */
export class FlowTeller {
  readonly #options: FlowTellerOptions
  readonly #meter = new FlowMeter()
  readonly #glancing = new FlowMeter()
  readonly #stop: Cancel
  #told: ReadonlyMap<string, Flow> = new Map()
  #isGlance = true

  constructor(options: FlowTellerOptions) {
    this.#options = options
    this.#stop = options.clock.setInterval(FLOWS_LOOK_MS, () => this.#look())
  }

  close(): void {
    this.#stop()
  }

  #look(): void {
    const { poll, send } = this.#options
    const statuses = poll()
    const glance = this.#glancing.look(statuses)
    const isBroken = glance.some((flow) => hasBrokenDown(this.#told.get(flow.to), flow))
    if (isBroken) send({ type: 'flows', flows: glance.slice(0, FLOWS_MAX), hurried: true })
    this.#isGlance = !this.#isGlance
    if (this.#isGlance) this.#tell(this.#meter.look(statuses))
  }

  #tell(measured: readonly Flow[]): void {
    const flows = measured.some(({ busyRatio }) => busyRatio > 0) ? measured.slice(0, FLOWS_MAX) : []
    if (flows.length === 0 && this.#told.size === 0) return
    this.#told = new Map(flows.map((flow) => [flow.to, flow]))
    this.#options.send({ type: 'flows', flows, hurried: false })
  }
}
