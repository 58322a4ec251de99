import type { Clock } from '../base/clock.js'
import { FLOWS_LOOK_MS, FLOWS_MAX, FLOWS_QUIET_MS, FLOWS_SLOW_LOOK_MS, FLOWS_TELL_MS } from '../base/transfer-limits.js'
import type { Flows } from '../control/schema/channel.js'
import { areAlike, type Flow, hasBrokenDown, hasRunDry } from '../model/flow.js'
import { FlowMeter } from '../native/flow-meter.js'
import type { SessionStatus } from '../native/relay.js'

/** What goes on as it was is told so often before it is told seldom: who looks wants to see it more than once. */
const ALIKE_TOLD = 4

export interface FlowTellerOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly send: (flows: Flows) => unknown
}

/**
 * Tells whom a node sends to, four times a second while there is more than links take, and once that is over; on slow
 * links, of which there is something to tell more seldom, now and then that it is there, and what goes on as before. It
 * tells in a hurry of a link that has broken down, and of one that it has nothing more for.
 */
export class FlowTeller {
  readonly #options: FlowTellerOptions
  readonly #meter = new FlowMeter()
  readonly #glancing = new FlowMeter()
  #told: ReadonlyMap<string, Flow> = new Map()
  #toldMs = 0
  /** Looks in a row at which all was as it had been told. */
  #alikeLooks = 0
  /** What was last measured, where it was not told. */
  #untold: Flow[] | null = null
  #lookedMs = Number.NEGATIVE_INFINITY
  /** A span has begun anew since all was last told as ever. */
  #hasBegunAnew = false

  constructor(options: FlowTellerOptions) {
    this.#options = options
  }

  /** @param statuses how the relay's sessions stand. @returns when to look again, in ms. */
  look(statuses: readonly Pick<SessionStatus, 'session' | 'children' | 'complete'>[]): number {
    const nowMs = this.#options.clock.monotonicMs()
    const isNews = this.#glancing.look(statuses)
    const { flows } = this.#glancing
    const isUrgent = isNews && flows.some((flow) => this.#isUrgent(flow, statuses))
    if (isUrgent) this.#send(nowMs, flows.slice(0, FLOWS_MAX), true)
    // A span that began before would tell of more than there is, and take back what was told in a hurry.
    if (isUrgent && !this.#hasBegunAnew) this.#beginAnew(nowMs, statuses)
    // Timers are a little early, or late.
    if (nowMs - this.#lookedMs > FLOWS_TELL_MS - FLOWS_LOOK_MS / 2) this.#lookAsEver(nowMs, statuses)
    const isIdle = statuses.every(({ children }) => children.length === 0)
    return isIdle || (this.#told.size > 0 && this.#isSlow) ? FLOWS_SLOW_LOOK_MS : FLOWS_LOOK_MS
  }

  /** A link has broken down, or has nothing more to give of what the node itself has not all of: another's has. */
  #isUrgent(flow: Flow, statuses: readonly Pick<SessionStatus, 'children' | 'complete'>[]): boolean {
    const before = this.#told.get(flow.to)
    const serves = ({ children }: Pick<SessionStatus, 'children'>) => children.some(({ nodeId }) => nodeId === flow.to)
    return (
      hasBrokenDown(before, flow) || (statuses.some((own) => !own.complete && serves(own)) && hasRunDry(before, flow))
    )
  }

  get #isSlow(): boolean {
    return this.#meter.spanMs > FLOWS_TELL_MS
  }

  #beginAnew(nowMs: number, statuses: readonly Pick<SessionStatus, 'session' | 'children'>[]): void {
    this.#hasBegunAnew = true
    this.#lookedMs = nowMs
    this.#meter.look(statuses)
    this.#meter.restart()
  }

  #lookAsEver(nowMs: number, statuses: readonly Pick<SessionStatus, 'session' | 'children'>[]): void {
    this.#lookedMs = nowMs
    if (this.#meter.look(statuses)) {
      this.#hasBegunAnew = false
      this.#tell(nowMs, this.#meter.flows)
    }
    // Who serves others and says nothing would be taken for gone.
    else if (this.#told.size > 0 && this.#isTime(nowMs)) this.#send(nowMs, this.#untold, false)
  }

  #tell(nowMs: number, measured: readonly Flow[]): void {
    const flows = measured.some(({ busyRatio }) => busyRatio > 0) ? measured.slice(0, FLOWS_MAX) : []
    if (flows.length === 0 && this.#told.size === 0) return
    this.#alikeLooks = areAlike(this.#told, flows) ? this.#alikeLooks + 1 : 0
    if (this.#isSlow && this.#alikeLooks > ALIKE_TOLD && !this.#isTime(nowMs)) {
      this.#untold = flows
      return
    }
    this.#told = new Map(flows.map((flow) => [flow.to, flow]))
    this.#send(nowMs, flows, false)
  }

  /** It has said nothing for about as long as it may. */
  #isTime(nowMs: number): boolean {
    return nowMs - this.#toldMs >= FLOWS_QUIET_MS - FLOWS_SLOW_LOOK_MS
  }

  #send(nowMs: number, flows: Flow[] | null, hurried: boolean): void {
    this.#toldMs = nowMs
    this.#untold = null
    this.#options.send({ type: 'flows', flows, hurried, quietMs: this.#isSlow ? FLOWS_QUIET_MS : 0 })
  }
}
