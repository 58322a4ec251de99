import { BITS_PER_BYTE, SECOND_MS } from '../base/units.js'
import type { Flow } from '../model/flow.js'
import type { ChildLink, SessionStatus } from './relay.js'

interface Reading extends ChildLink {
  readonly atMs: number
}

/** Makes rates of what sessions have counted, one look after the other. */
export class FlowMeter {
  /** By session and child, the last look. */
  #readings = new Map<string, Reading>()

  /**
   * Call it at an even pace. What was not served at the last look is not told yet.
   * @returns by receiver, over all sessions; nobody twice.
   */
  look(nowMs: number, statuses: readonly Pick<SessionStatus, 'session' | 'children'>[]): readonly Flow[] {
    const readings = new Map<string, Reading>()
    const flows = new Map<string, Flow>()
    for (const { session, children } of statuses) {
      for (const child of children) {
        const key = `${session} ${child.nodeId}`
        const before = this.#readings.get(key)
        readings.set(key, { ...child, atMs: nowMs })
        if (before !== undefined && !isAnew(before, child)) add(flows, flowOf(before, nowMs, child))
      }
    }
    this.#readings = readings
    return [...flows.values()]
  }
}

/** The child has connected again: its counters began again. */
const isAnew = (before: Reading, child: ChildLink): boolean =>
  child.sentBytes < before.sentBytes || child.busyMs < before.busyMs

function flowOf(before: Reading, nowMs: number, child: ChildLink): Flow {
  const spanMs = Math.max(1, nowMs - before.atMs)
  return {
    to: child.nodeId,
    rateBps: Math.round(((child.sentBytes - before.sentBytes) * BITS_PER_BYTE * SECOND_MS) / spanMs),
    busyRatio: Math.min(1, (child.busyMs - before.busyMs) / spanMs),
  }
}

function add(flows: Map<string, Flow>, flow: Flow): void {
  const known = flows.get(flow.to)
  const rateBps = flow.rateBps + (known?.rateBps ?? 0)
  flows.set(flow.to, { to: flow.to, rateBps, busyRatio: Math.max(flow.busyRatio, known?.busyRatio ?? 0) })
}
