import { type Flow, isHeldUp, SLOW_FLOW_RATIO, sumOf } from '../model/flow.js'

/** What was said longer ago says nothing of now: longer than from one usual word to the next. */
const FRESH_MS = 375

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
  /** By node, that it has nothing to give; the oldest first. */
  readonly #dry = new Map<string, Said>()
  /** By sender and receiver, that the sender is held up. */
  readonly #heldUp = new Map<string, Said>()

  /** @param evenBps what all got when their links became known. Who serves nobody says nothing. */
  hear(nowMs: number, from: string, flows: readonly Flow[], evenBps: number): void {
    if (flows.length === 0) return
    note(this.#dry, from, nowMs, sumOf(flows) < evenBps * SLOW_FLOW_RATIO && !flows.some(isHeldUp))
    for (const flow of flows) note(this.#heldUp, wayOf(from, flow.to), nowMs, isHeldUp(flow))
  }

  /** Whether all of them, of whom there are some, have said that they have nothing, and again after that time. */
  areDry(nowMs: number, nodeIds: readonly string[], spanMs: number): boolean {
    return nodeIds.length > 0 && nodeIds.every((nodeId) => lasts(this.#dry.get(nodeId), nowMs, spanMs))
  }

  /** Whether all who serve a node, of whom there are some, have said that it holds them up, and so again. */
  areHeldUp(nowMs: number, senders: readonly string[], nodeId: string, spanMs: number): boolean {
    return senders.length > 0 && senders.every((from) => lasts(this.#heldUp.get(wayOf(from, nodeId)), nowMs, spanMs))
  }

  /** Nothing was said. */
  clear(): void {
    this.#dry.clear()
    this.#heldUp.clear()
  }
}

const wayOf = (from: string, to: string): string => `${from} ${to}`

const isFresh = ({ lastMs }: Said, nowMs: number): boolean => nowMs - lastMs <= FRESH_MS

const lasts = (said: Said | undefined, nowMs: number, spanMs: number): boolean =>
  said !== undefined && isFresh(said, nowMs) && said.lastMs - said.sinceMs >= spanMs

function note(all: Map<string, Said>, key: string, nowMs: number, isSo: boolean): void {
  const before = all.get(key)
  all.delete(key)
  if (isSo) {
    const sinceMs = before !== undefined && isFresh(before, nowMs) ? before.sinceMs : nowMs
    all.set(key, { sinceMs, lastMs: nowMs })
  }
  for (const [oldest, said] of all) {
    if (isFresh(said, nowMs)) return
    all.delete(oldest)
  }
}
