import { BITS_PER_BYTE, SECOND_MS } from '../base/units.js'
import type { Flow } from '../model/flow.js'
import type { ChildLink, SessionStatus } from './relay.js'

interface Reading {
  readonly counted: ChildLink
  /** Since the reading before; null: it is the first. */
  readonly flow: Flow | null
}

/** Makes rates of what sessions have counted, one look after the other. */
export class FlowMeter {
  /** By session and child, the last look. */
  #readings = new Map<string, Reading>()

  /**
   * What was not served at the last look is not told yet.
   * @returns by receiver, over all sessions; nobody twice.
   */
  look(statuses: readonly Pick<SessionStatus, 'session' | 'children'>[]): readonly Flow[] {
    const readings = new Map<string, Reading>()
    const flows = new Map<string, Flow>()
    for (const { session, children } of statuses) {
      for (const child of children) {
        const key = `${session} ${child.nodeId}`
        const reading = read(this.#readings.get(key), child)
        readings.set(key, reading)
        if (reading.flow !== null) add(flows, reading.flow)
      }
    }
    this.#readings = readings
    return [...flows.values()]
  }
}

function read(before: Reading | undefined, child: ChildLink): Reading {
  if (before === undefined || isAnew(before.counted, child)) return { counted: child, flow: null }
  const spanMs = child.askedMs - before.counted.askedMs
  if (spanMs <= 0) return before
  const sentBytes = child.sentBytes - before.counted.sentBytes
  const flow = {
    to: child.nodeId,
    rateBps: Math.round((sentBytes * BITS_PER_BYTE * SECOND_MS) / spanMs),
    busyRatio: Math.min(1, (child.busyMs - before.counted.busyMs) / spanMs),
  }
  return { counted: child, flow }
}

/** The child has connected again: its counters began again. */
const isAnew = (before: ChildLink, child: ChildLink): boolean =>
  child.sentBytes < before.sentBytes || child.busyMs < before.busyMs

function add(flows: Map<string, Flow>, flow: Flow): void {
  const known = flows.get(flow.to)
  const rateBps = flow.rateBps + (known?.rateBps ?? 0)
  flows.set(flow.to, { to: flow.to, rateBps, busyRatio: Math.max(flow.busyRatio, known?.busyRatio ?? 0) })
}
