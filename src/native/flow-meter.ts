import { BITS_PER_BYTE, SECOND_MS } from '../base/units.js'
import { type Flow, sumOf } from '../model/flow.js'
import type { ChildLink, SessionStatus } from './relay.js'

/** Chunks come and go whole: a rate is that of four of the usual size, or eight on slow links, by each link. */
const MEASURED_BYTES = 128 * 1024
/** But that of so long at most. */
const SPAN_MS_MAX = 4 * SECOND_MS
/** Links that carry much less than before are told of after so many times what they took for as much. */
const PATIENCE = 2
/** And once more after as long: who looks then is a little early, or late. */
const AS_LONG_RATIO = 0.75

/** What is known of a child's link in one session. */
interface Reading {
  /** Where the span began for it. */
  readonly begun: ChildLink
  readonly now: ChildLink
}

/** Makes rates of what sessions have counted, one look after the other, of spans that are long enough for each. */
export class FlowMeter {
  /** By session and child. */
  #readings = new Map<string, Reading>()
  /** When the span ends, however little has gone. */
  #spanMs = SPAN_MS_MAX
  /** Less went in the span before than was to be expected. */
  #hasFallen = false
  /** Nothing did. */
  #wasEmpty = false
  #flows: readonly Flow[] = []

  /** By receiver, over all sessions; nobody twice, and who has just begun to be served is not there yet. */
  get flows(): readonly Flow[] {
    return this.#flows
  }

  /** After so long at the latest there is something new. */
  get spanMs(): number {
    return this.#spanMs
  }

  /** @returns whether flows are new: while too little has gone they are as before. */
  look(statuses: readonly Pick<SessionStatus, 'session' | 'children'>[]): boolean {
    const children = statuses.flatMap(({ session, children: own }) =>
      own.map((child) => ({ key: `${session} ${child.nodeId}`, child })),
    )
    this.#readings = new Map(children.map(({ key, child }) => [key, readingOf(this.#readings.get(key), child)]))
    const spanMs = Math.max(0, ...[...this.#readings.values()].map(spanOf))
    const isEnough = this.#isEnough()
    if (children.length > 0 && (spanMs === 0 || (!isEnough && spanMs < this.#spanMs))) return false
    this.#end(spanMs)
    this.#pace(spanMs, isEnough)
    return true
  }

  /** What went until now belongs to no span any more. */
  restart(): void {
    for (const [key, { now }] of this.#readings) this.#readings.set(key, { begun: now, now })
  }

  #isEnough(): boolean {
    const busy = [...this.#readings.values()].filter(({ begun, now }) => now.busyMs > begun.busyMs)
    const bytes = busy.reduce((sum, { begun, now }) => sum + now.sentBytes - begun.sentBytes, 0)
    return bytes >= MEASURED_BYTES * busy.length
  }

  #end(spanMs: number): void {
    const flows = new Map<string, Flow>()
    for (const [key, { begun, now }] of this.#readings) {
      const ownMs = spanOf({ begun, now })
      // Who came late in the span is told of after the next.
      if (ownMs <= 0 || ownMs < spanMs / 2) continue
      add(flows, flowOf(begun, now, ownMs))
      this.#readings.set(key, { begun: now, now })
    }
    this.#flows = [...flows.values()]
  }

  /**
   * A second span as short as the one in which links have fallen shows whether they have; then spans grow. The first
   * in which nothing went shows nothing.
   */
  #pace(spanMs: number, isEnough: boolean): void {
    const busy = this.#flows.filter(({ busyRatio }) => busyRatio > 0)
    const usualMs = (MEASURED_BYTES * BITS_PER_BYTE * SECOND_MS * busy.length) / sumOf(busy)
    const nextMs = isEnough ? usualMs * PATIENCE : spanMs * (this.#hasFallen ? PATIENCE : AS_LONG_RATIO)
    // Where nothing goes there is less and less to tell.
    this.#spanMs = Math.min(busy.length === 0 ? this.#spanMs * PATIENCE : nextMs, SPAN_MS_MAX)
    const isEmpty = sumOf(busy) === 0
    this.#hasFallen = !isEnough && (!isEmpty || this.#wasEmpty)
    this.#wasEmpty = isEmpty
  }
}

/** Each session has a clock of its own. */
const spanOf = ({ begun, now }: Reading): number => now.askedMs - begun.askedMs

/** A child that has connected anew begins anew. */
function readingOf(before: Reading | undefined, now: ChildLink): Reading {
  const isAnew = before === undefined || now.sentBytes < before.now.sentBytes || now.busyMs < before.now.busyMs
  return { begun: isAnew ? now : before.begun, now }
}

const flowOf = (begun: ChildLink, now: ChildLink, spanMs: number): Flow => ({
  to: now.nodeId,
  rateBps: Math.round(((now.sentBytes - begun.sentBytes) * BITS_PER_BYTE * SECOND_MS) / spanMs),
  busyRatio: Math.min(1, (now.busyMs - begun.busyMs) / spanMs),
})

function add(flows: Map<string, Flow>, flow: Flow): void {
  const known = flows.get(flow.to)
  const rateBps = flow.rateBps + (known?.rateBps ?? 0)
  flows.set(flow.to, { to: flow.to, rateBps, busyRatio: Math.max(flow.busyRatio, known?.busyRatio ?? 0) })
}
