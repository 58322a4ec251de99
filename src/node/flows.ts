import { FLOWS_MAX } from '../base/transfer-limits.js'
import type { Flows } from '../control/schema/channel.js'
import { FlowMeter } from '../native/flow-meter.js'
import type { SessionStatus } from '../native/relay.js'

/** Tells whom a node sends to, while there is more than links take, and once that is over. */
export class FlowTeller {
  readonly #meter = new FlowMeter()
  #hasTold = false

  /** Call it at an even pace. @returns what is to be told now; null: nothing. */
  look(statuses: readonly SessionStatus[]): Flows | null {
    const measured = this.#meter.look(statuses)
    const flows = measured.some(({ busyRatio }) => busyRatio > 0) ? measured.slice(0, FLOWS_MAX) : []
    if (flows.length === 0 && !this.#hasTold) return null
    this.#hasTold = flows.length > 0
    return { type: 'flows', flows }
  }
}
