import { type Flow, isHeldUp, SLOW_FLOW_RATIO, sumOf } from '../model/flow.js'

/** What was said longer ago says nothing of now. */
const FRESH_MS = 250

/** When something was said first, and last, without having been taken back. */
interface Said {
  readonly sinceMs: number
  readonly lastMs: number
}

/**
 * What those around a node say of it, before it can: of one whose uplink is slow the own word comes late. Those whom it
 * serves have nothing to give, or who serves it is held up by it. Pure.
 */
export class Signs {
  /** By node, that it has nothing to give. */
  readonly #dry = new Map<string, Said>()
  /** By node, that it takes little of what there is for it. */
  readonly #takesLittle = new Map<string, Said>()

  /** @param evenBps what all got when their links became known. Who serves nobody says nothing. */
  hear(nowMs: number, from: string, flows: readonly Flow[], evenBps: number): void {
    if (flows.length === 0) return
    const isLittle = (rateBps: number): boolean => rateBps < evenBps * SLOW_FLOW_RATIO
    note(this.#dry, from, nowMs, isLittle(sumOf(flows)) && !flows.some(isHeldUp))
    for (const flow of flows) note(this.#takesLittle, flow.to, nowMs, isHeldUp(flow) && isLittle(flow.rateBps))
  }

  /** Whether they said so of it, and again after that time. @param served whom it serves. */
  speakAgainst(nowMs: number, nodeId: string, served: readonly string[], spanMs: number): boolean {
    const lasts = (said: Said | undefined): boolean => said !== undefined && said.lastMs - said.sinceMs >= spanMs
    const areDry = served.length > 0 && served.every((each) => lasts(fresh(this.#dry.get(each), nowMs)))
    return areDry || lasts(fresh(this.#takesLittle.get(nodeId), nowMs))
  }
}

const fresh = (said: Said | undefined, nowMs: number): Said | undefined =>
  said !== undefined && nowMs - said.lastMs <= FRESH_MS ? said : undefined

function note(all: Map<string, Said>, nodeId: string, nowMs: number, isSo: boolean): void {
  if (isSo) all.set(nodeId, { sinceMs: fresh(all.get(nodeId), nowMs)?.sinceMs ?? nowMs, lastMs: nowMs })
  else all.delete(nodeId)
}
