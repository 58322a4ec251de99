// In: a network and what is spread over it, every node's part of a plan, what befalls nodes. Out: who was complete
// when, in virtual time, and what each one sent; the same for the same seed.
// Never: a socket, a clock, a decision about who sends to whom.
import { guarded } from './fault.js'
import type { RawRehearsal } from './load.js'
import { engine } from './load.js'
import type { ChildLink } from './relay.js'
import type { NodePlan } from '../model/plan.js'

export interface RehearsalOptions {
  readonly chunkCount: number
  readonly chunkBytes: number
  /** Chunks that the source makes each 10 ms; 0: all are there at once. */
  readonly madePer10Ms: number
  readonly seed: number
  /** In packets with headers, acknowledged, by windows that grow; else links carry content and nothing else. */
  readonly isTcp?: boolean | undefined
}

/** What a port carries each way. */
export interface Rates {
  readonly upBps: number
  readonly downBps: number
}

/** What all nodes of a segment share towards those of others. */
export interface Way extends Rates {
  /** Added to a delay, one way. */
  readonly delayUs: number
  /** What a connection through it has under way at most. */
  readonly windowBytes: number
}

/** How a living node stands. */
export interface RehearsalStatus {
  readonly nodeId: string
  readonly chunksHave: number
  readonly completedUs: number | null
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly duplicateChunks: number
  readonly pulledChunks: number
  readonly children: readonly ChildLink[]
  /** Who serves it, by strand; fewer than there are strands while one is sought. */
  readonly parents: readonly string[]
}

/** One session of spreading in virtual time. Calls that let time pass take the thread for as long as they need. */
export class Rehearsal {
  readonly #raw: RawRehearsal

  constructor(options: RehearsalOptions) {
    this.#raw = guarded(() => new (engine().Rehearsal)(options))
  }

  /** @returns the number of the gate. */
  addGate(way: Way): number {
    return guarded(() => this.#raw.addGate(way))
  }

  /**
   * Adds a node, the first of all is the source, with no plan yet.
   * @param opensUs when it begins; null: when it is first given a parent. @returns its id, 32 hexadecimal digits.
   */
  add(rates: Rates, gate: number | null = null, opensUs: number | null = 0): string {
    return guarded(() => this.#raw.add(rates, gate, opensUs))
  }

  /** Its part of the plan, now; peers are known by their ids alone. A dead node hears nothing. */
  setPlan(nodeId: string, plan: NodePlan): void {
    guarded(() => this.#raw.setPlan(nodeId, plan))
  }

  setRates(nodeId: string, rates: Rates): void {
    guarded(() => this.#raw.setRates(nodeId, rates))
  }

  /** @returns false when it was dead already. */
  kill(nodeId: string, how: 'reset' | 'silent'): boolean {
    return guarded(() => this.#raw.kill(nodeId, how === 'silent'))
  }

  /** Starts a dead node again with what it had. */
  restart(nodeId: string, plan: NodePlan): void {
    guarded(() => this.#raw.restart(nodeId, plan))
  }

  /** Lets time pass until `untilUs`, or until every living receiver is complete. @returns whether they are. */
  run(untilUs: number): boolean {
    return guarded(() => this.#raw.run(untilUs))
  }

  get nowUs(): number {
    return this.#raw.nowUs
  }

  /** Bytes that left a gate, and those that came in by it. */
  gateBytes(gate: number): { readonly out: number; readonly into: number } {
    const [out = 0, into = 0] = guarded(() => this.#raw.gateBytes(gate))
    return { out, into }
  }

  /** All living nodes, the source first. */
  poll(): readonly RehearsalStatus[] {
    return guarded(() => this.#raw.poll())
  }
}
