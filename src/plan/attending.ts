import { NODE_SILENT_MS, NODE_STALLED_MS } from '../base/limits.js'
import { ALONE_MS } from '../base/word-limits.js'
import type { PlanEvent, Planning } from '../model/plan.js'

/** How a member of a plan stands, as far as anybody knows. */
export interface MemberStanding {
  /** It has everything, or receives and can pass on what it has; null: neither. */
  readonly state: 'ready' | 'finished' | null
  readonly bytesHave: number
  /** It is at it now. */
  readonly isFetching: boolean
  /** There is more for it to get: its turn has come, and nothing holds up all. */
  readonly mayMove: boolean
  /** It has failed, and is not at it again. */
  readonly hasFailed: boolean
  /** Since when nobody has heard of it, whose connection is gone; null: it is connected. */
  readonly goneSinceMs: number | null
}

/** What a member was last seen to be. */
interface Seen {
  state: MemberStanding['state']
  bytesHave: number
  /** Since when it is there, or has had so much. */
  sinceMs: number
}

/**
 * Tells what has befallen the members of one plan, by how they stand at one look after the other. What it tells depends
 * on nothing but that, so that no message can be missed. All times are of one clock that never goes back. Pure.
 */
export class Attending {
  readonly #givesTurns: boolean
  /** After so long without a connection. */
  readonly #goneMs: number
  readonly #seen = new Map<string, Seen>()

  constructor({ givesTurns }: Pick<Planning, 'givesTurns'>) {
    this.#givesTurns = givesTurns
    // As long as nodes wait before they go on without a coordinator; of what is woven, relays know by themselves.
    this.#goneMs = givesTurns ? ALONE_MS : NODE_SILENT_MS
  }

  /** @param members by id: how each stands; null: it takes part no more. @returns what a plan has to be told. */
  look(nowMs: number, members: Iterable<readonly [string, MemberStanding | null]>): readonly PlanEvent[] {
    return [...members].flatMap(([nodeId, standing]) => this.#eventOf(nodeId, standing, nowMs) ?? [])
  }

  #eventOf(nodeId: string, standing: MemberStanding | null, nowMs: number): PlanEvent | null {
    const seen = this.#seen.get(nodeId) ?? { state: null, bytesHave: 0, sinceMs: nowMs }
    this.#seen.set(nodeId, seen)
    if (standing === null || this.#isLost(standing, seen, nowMs)) {
      this.#seen.delete(nodeId)
      return { type: 'left', nodeId }
    }
    const { state } = standing
    if (!this.#givesTurns || state === null || state === seen.state || seen.state === 'finished') return null
    seen.state = state
    return { type: state, nodeId }
  }

  /** It serves nobody any more, for a while or for ever: it is away, has failed, or gets nowhere. */
  #isLost(standing: MemberStanding, seen: Seen, nowMs: number): boolean {
    const { goneSinceMs, hasFailed } = standing
    if (goneSinceMs !== null) return nowMs - goneSinceMs > this.#goneMs
    if (!this.#givesTurns || seen.state === 'finished') return false
    return hasFailed || isStalled(standing, seen, nowMs)
  }
}

/** Its turn has come, there is more for it, and it gets nothing. */
function isStalled({ mayMove, isFetching, bytesHave }: MemberStanding, seen: Seen, nowMs: number): boolean {
  if (!mayMove || (isFetching && bytesHave !== seen.bytesHave)) {
    seen.bytesHave = bytesHave
    seen.sinceMs = nowMs
  }
  return nowMs - seen.sinceMs > NODE_STALLED_MS
}
