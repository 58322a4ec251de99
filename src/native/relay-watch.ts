import type { Clock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { RELAY_FAULTS_TELL_MS } from '../base/transfer-limits.js'
import type { SessionStatus } from './relay.js'

/** What peers of a relay did wrong. */
export interface RelayFaults {
  /** Chunks that are not what was promised; none of them was kept. */
  readonly corruptChunks: number
  /** Links closed because of what came over them, corrupt chunks among it. */
  readonly faultyLinks: number
}

export interface RelayWatchOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Told what is new. @returns false: nobody heard it, and it is told again. */
  readonly tell: (faults: RelayFaults) => boolean
  /** False once the system has taken the relay's socket away. */
  readonly isListening: () => boolean
}

type Counted = Pick<SessionStatus, 'session' | 'corruptChunks' | 'faultyLinks' | 'lastFault'>

const none: RelayFaults = { corruptChunks: 0, faultyLinks: 0 }

/** Tells of what peers do wrong, at most once in RELAY_FAULTS_TELL_MS, and of a relay that nobody can reach. */
export class RelayWatch {
  readonly #options: RelayWatchOptions
  /** By session, at the last look. */
  #counted: ReadonlyMap<number, RelayFaults> = new Map()
  #untold = none
  #unlogged = none
  #lastFault: string | null = null
  #toldMs = Number.NEGATIVE_INFINITY
  #wasListening = true

  constructor(options: RelayWatchOptions) {
    this.#options = options
  }

  /** Called at an even pace. */
  look(statuses: readonly Counted[]): void {
    this.#lookAtListener()
    const grown = this.#count(statuses)
    this.#untold = sum(this.#untold, grown)
    this.#unlogged = sum(this.#unlogged, grown)
    const { clock, log, tell } = this.#options
    const nowMs = clock.monotonicMs()
    if (isNone(this.#untold) || nowMs - this.#toldMs < RELAY_FAULTS_TELL_MS) return
    this.#toldMs = nowMs
    if (!isNone(this.#unlogged)) {
      const facts = { ...this.#unlogged, lastFault: this.#lastFault }
      log.warn(facts, 'peers sent what cannot be right, and none of it was kept: look at their logs, disks and memory')
    }
    this.#unlogged = none
    if (tell(this.#untold)) this.#untold = none
  }

  #lookAtListener(): void {
    const isListening = this.#options.isListening()
    if (!isListening && this.#wasListening) {
      const message = 'the relay listens no longer: nobody can begin to fetch from here; what is open goes on'
      const hint = 'restart this process'
      this.#options.log.error({ err: new EngineError('ENGINE_ERR_LISTEN', {}, { message, hint }) }, message)
    }
    this.#wasListening = isListening
  }

  /** What came since the last look. */
  #count(statuses: readonly Counted[]): RelayFaults {
    let grown = none
    for (const { session, corruptChunks, faultyLinks, lastFault } of statuses) {
      const before = this.#counted.get(session) ?? none
      if (faultyLinks > before.faultyLinks) this.#lastFault = lastFault
      const since = {
        corruptChunks: Math.max(0, corruptChunks - before.corruptChunks),
        faultyLinks: Math.max(0, faultyLinks - before.faultyLinks),
      }
      grown = sum(grown, since)
    }
    this.#counted = new Map(statuses.map((status) => [status.session, status]))
    return grown
  }
}

const sum = (a: RelayFaults, b: RelayFaults): RelayFaults => ({
  corruptChunks: a.corruptChunks + b.corruptChunks,
  faultyLinks: a.faultyLinks + b.faultyLinks,
})

const isNone = ({ corruptChunks, faultyLinks }: RelayFaults): boolean => corruptChunks === 0 && faultyLinks === 0
