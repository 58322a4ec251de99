import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { LOAD_TELL_MS } from '../base/probe-limits.js'
import { RELAY_FAULTS_LOOK_MS } from '../base/transfer-limits.js'
import type { FromNode, Hello } from '../control/schema/channel.js'
import type { BandwidthView } from '../model/bandwidth.js'
import type { PeerRef } from '../model/node.js'
import type { Measured } from '../model/rate.js'
import type { SessionStatus } from '../native/relay.js'
import { RelayWatch } from '../native/relay-watch.js'
import type { Order } from './channel.js'
import { FlowTeller } from './flows.js'

/** What a node's relay is kept to. */
interface Limit {
  readonly view: BandwidthView
  set(bandwidth: string): void
  onChange(tell: (view: BandwidthView) => void): void
}

/** What a node knows of what it can send. Each may be absent: then nothing is told of it, and nothing done. */
export interface LinksParts {
  /** How fast its relay may send. */
  readonly limit?: Limit
  /** Measures what can be sent to a peer. @throws {EngineError} ENGINE_ERR_PROBE_FAILED. */
  readonly probe?: (to: PeerRef, isBulk: boolean) => Promise<Measured>
  /** How busy the machine is, as `machineLoad` tells it. */
  readonly load?: () => number
  /** False once nobody can reach its relay any more. */
  readonly isListening?: () => boolean
}

export interface LinksOptions extends LinksParts {
  readonly clock: Clock
  readonly log: Logger
  /** How its relay's sessions stand. */
  readonly poll: () => readonly SessionStatus[]
  /** @returns false when no coordinator is there. */
  readonly send: (message: FromNode) => boolean
}

type LinkOrder = Extract<Order, { type: 'limit' | 'probe' }>

/** What a node can send: it is told, limited and measured. */
export class Links {
  readonly #options: LinksOptions
  readonly #flows: FlowTeller
  readonly #watch: RelayWatch
  readonly #stops: Cancel[] = []
  #stopLooking: Cancel = () => {}
  #watchedMs = Number.NEGATIVE_INFINITY

  constructor(options: LinksOptions) {
    this.#options = options
    const { clock, log, send, isListening = () => true } = options
    this.#flows = new FlowTeller({ clock, send })
    this.#watch = new RelayWatch({ clock, log, isListening, tell: (faults) => send({ type: 'faults', ...faults }) })
  }

  /** What a hello says of it. */
  get told(): Pick<Hello, 'limit' | 'load'> {
    const { limit, load } = this.#options
    return { ...(limit === undefined ? {} : { limit: limit.view }), ...(load === undefined ? {} : { load: load() }) }
  }

  start(): void {
    const { limit, load, clock, send } = this.#options
    limit?.onChange((view) => void send({ type: 'limited', limit: view }))
    if (load !== undefined)
      this.#stops.push(clock.setInterval(LOAD_TELL_MS, () => void send({ type: 'load', load: load() })))
    this.#look()
  }

  /** @returns false: the order is about something else. */
  take(order: Order): order is LinkOrder {
    if (order.type === 'limit') this.#limit(order.bandwidth)
    else if (order.type === 'probe') void this.#probe(order)
    else return false
    return true
  }

  /** What is being measured ends with the relay. */
  close(): void {
    for (const stop of this.#stops) stop()
    this.#stopLooking()
  }

  /** Asks the relay once for all who look. */
  #look(): void {
    const { clock } = this.#options
    const statuses = this.#statuses()
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#watchedMs >= RELAY_FAULTS_LOOK_MS) {
      this.#watchedMs = nowMs
      this.#watch.look(statuses)
    }
    this.#stopLooking = clock.setTimer(this.#flows.look(statuses), () => this.#look())
  }

  /** Who looks after the sessions tells of a relay that does not say how they stand. */
  #statuses(): readonly SessionStatus[] {
    try {
      return this.#options.poll()
    } catch {
      return []
    }
  }

  #limit(bandwidth: string): void {
    try {
      this.#options.limit?.set(bandwidth)
    } catch (error) {
      this.#options.log.warn({ err: toEngineError(error) }, 'an order was not carried out')
    }
  }

  async #probe({ probeId, to, isBulk }: Extract<LinkOrder, { type: 'probe' }>): Promise<void> {
    const { probe, send } = this.#options
    try {
      if (probe === undefined) throw new EngineError('ENGINE_ERR_PROBE_FAILED', { to: to.host, why: 'it has no relay' })
      send({ type: 'probed', probeId, measured: await probe(to, isBulk), error: null })
    } catch (error) {
      send({ type: 'probed', probeId, measured: null, error: toEngineError(error).toReport() })
    }
  }
}
