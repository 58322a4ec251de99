import type { Cancel, Clock } from '../base/clock.js'
import { FLOWS_LOOK_MS, FLOWS_MAX, FLOWS_QUIET_MS } from '../base/transfer-limits.js'
import type { Flows } from '../control/schema/channel.js'
import { type Flow, hasBrokenDown } from '../model/flow.js'
import { FlowMeter } from '../native/flow-meter.js'
import type { SessionStatus } from '../native/relay.js'

/** Between two looks in between of which there is a glance. */
const TELL_MS = 2 * FLOWS_LOOK_MS

export interface FlowTellerOptions {
  readonly clock: Clock
  /** How the relay's sessions stand; none where it does not say. */
  readonly poll: () => readonly SessionStatus[]
  readonly send: (flows: Flows) => unknown
}

/**
 * Tells whom a node sends to, four times a second while there is more than links take, and once that is over; on slow
 * links, of which there is something to tell more seldom, each second that it is there. It tells in a hurry of a link
 * that has broken down.
 */
export class FlowTeller {
  readonly #options: FlowTellerOptions
  readonly #meter = new FlowMeter()
  readonly #glancing = new FlowMeter()
  readonly #stop: Cancel
  #told: ReadonlyMap<string, Flow> = new Map()
  #toldMs = 0
  #isGlance = true

  constructor(options: FlowTellerOptions) {
    this.#options = options
    this.#stop = options.clock.setInterval(FLOWS_LOOK_MS, () => this.#look())
  }

  close(): void {
    this.#stop()
  }

  #look(): void {
    const statuses = this.#options.poll()
    const isNews = this.#glancing.look(statuses)
    const { flows } = this.#glancing
    const isBroken = isNews && flows.some((flow) => hasBrokenDown(this.#told.get(flow.to), flow))
    if (isBroken) this.#send(flows.slice(0, FLOWS_MAX), true)
    this.#isGlance = !this.#isGlance
    if (!this.#isGlance) return
    if (this.#meter.look(statuses)) this.#tell(this.#meter.flows)
    else if (this.#told.size > 0) this.#saySo()
  }

  #tell(measured: readonly Flow[]): void {
    const flows = measured.some(({ busyRatio }) => busyRatio > 0) ? measured.slice(0, FLOWS_MAX) : []
    if (flows.length === 0 && this.#told.size === 0) return
    this.#told = new Map(flows.map((flow) => [flow.to, flow]))
    this.#send(flows, false)
  }

  /** Who serves others and says nothing would be taken for gone. */
  #saySo(): void {
    if (this.#options.clock.monotonicMs() - this.#toldMs >= FLOWS_QUIET_MS) this.#send(null, false)
  }

  #send(flows: Flow[] | null, hurried: boolean): void {
    this.#toldMs = this.#options.clock.monotonicMs()
    const quietMs = this.#meter.spanMs > TELL_MS ? FLOWS_QUIET_MS : 0
    this.#options.send({ type: 'flows', flows, hurried, quietMs })
  }
}
