import { NODE_SILENT_MS, NODE_STALLED_MS } from '../base/limits.js'
import { ALONE_MS } from '../base/word-limits.js'
import type { PlanEvent } from '../model/plan.js'
import { isWaiting } from '../model/plan.js'
import type { Transfer } from '../transfer/index.js'
import { serves } from './audience.js'
import type { KnownNode } from './roster.js'
import { tellPlans } from './sending.js'
import { activeJob, type World } from './world.js'

/** Of a plan, what a member was last seen to be. */
interface Seen {
  state: 'ready' | 'finished' | null
  bytesHave: number
  /** By the clock that never goes back: since when it is there, or has had so much. */
  sinceMs: number
}

/** Has plans hear what became of their nodes, and nodes what becomes of their parts. */
export class Coursing {
  readonly #world: World
  readonly #seen = new Map<string, Map<string, Seen>>()

  constructor(world: World) {
    this.#world = world
  }

  /**
   * Called at an even pace. What is told depends on nothing but how nodes stand, so that no message can be missed.
   * @param isWhole also those plans in which nobody waits for a turn.
   */
  look(isWhole: boolean): void {
    const { transfers } = this.#world
    for (const id of this.#seen.keys()) if (transfers.get(id) === undefined) this.#seen.delete(id)
    for (const transfer of transfers.all) {
      if (!transfer.givesTurns && !isWhole) continue
      const seen = this.#seen.get(transfer.assignmentId) ?? new Map<string, Seen>()
      this.#seen.set(transfer.assignmentId, seen)
      const events = [...transfer.members].flatMap(({ nodeId }) => this.#eventOf(transfer, nodeId, seen) ?? [])
      if (events.length > 0) tellPlans(this.#world, transfer.assignmentId, transfer.take(events))
    }
  }

  #eventOf(transfer: Transfer, nodeId: string, all: Map<string, Seen>): PlanEvent | null {
    const known = this.#world.roster.get(nodeId)
    const nowMs = this.#world.clock.monotonicMs()
    const seen = all.get(nodeId) ?? { state: null, bytesHave: 0, sinceMs: nowMs }
    all.set(nodeId, seen)
    if (known === undefined || this.#isLost(transfer, known, seen)) {
      all.delete(nodeId)
      return { type: 'left', nodeId }
    }
    const state = transfer.givesTurns ? stateOf(transfer, known) : null
    if (state === null || state === seen.state || seen.state === 'finished') return null
    seen.state = state
    return { type: state, nodeId }
  }

  /** It serves nobody any more, for a while or for ever: it is away, has failed, or gets nowhere. */
  #isLost(transfer: Transfer, known: KnownNode, seen: Seen): boolean {
    const { site, release } = transfer.about
    const { clock, openedAtMs } = this.#world
    if (!serves(this.#world, known, site)) return true
    if (known.link === null) {
      // As long as nodes wait before they go on without a coordinator; of what is woven, relays know by themselves.
      const limitMs = transfer.givesTurns ? ALONE_MS : NODE_SILENT_MS
      return clock.monotonicMs() - Math.max(known.lastHeardMs ?? 0, openedAtMs) > limitMs
    }
    if (!transfer.givesTurns || seen.state === 'finished') return false
    const hasFailed = known.task(site).failure?.release.release === release && !fetches(transfer, known)
    return hasFailed || this.#isStalled(transfer, known, seen)
  }

  /** Its turn has come, there is more for it, and it gets nothing. */
  #isStalled(transfer: Transfer, known: KnownNode, seen: Seen): boolean {
    const nowMs = this.#world.clock.monotonicMs()
    const { bytesHave } = known.task(transfer.about.site)
    const part = transfer.find(known.identity.id)
    const mayMove = part !== null && !isWaiting(part.plan) && !this.#isHeldUp(transfer)
    if (!mayMove || (fetches(transfer, known) && bytesHave !== seen.bytesHave)) {
      seen.bytesHave = bytesHave
      seen.sinceMs = nowMs
    }
    return nowMs - seen.sinceMs > NODE_STALLED_MS
  }

  /** It is paused, or not packed to its end: who gets nowhere may have all there is. */
  #isHeldUp({ assignmentId, about }: Transfer): boolean {
    const job = activeJob(this.#world, about.site)
    const isGrowing = job?.assignment?.id === assignmentId && job.assignment.packed === null
    return isGrowing || job?.record.paused === true
  }
}

function fetches({ assignmentId }: Transfer, known: KnownNode): boolean {
  return known.assignmentsUnderWay.includes(assignmentId)
}

function stateOf(transfer: Transfer, known: KnownNode): 'ready' | 'finished' | null {
  const { site, release } = transfer.about
  const { live, held } = known.holdings(site)
  if (live?.release === release || held.some((each) => each.release === release)) return 'finished'
  if (!fetches(transfer, known)) return null
  const { bytesHave, hasAll } = known.task(site)
  return hasAll ? 'finished' : bytesHave > 0 ? 'ready' : null
}
