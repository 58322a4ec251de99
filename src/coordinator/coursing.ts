import { isWaiting } from '../model/plan.js'
import { Attending, type MemberStanding } from '../plan/attending.js'
import type { Transfer } from '../transfer/index.js'
import { serves } from './audience.js'
import type { KnownNode } from './roster.js'
import { tellPlans } from './sending.js'
import { activeJob, type World } from './world.js'

/** Has plans hear what became of their nodes, and nodes what becomes of their parts. */
export class Coursing {
  readonly #world: World
  readonly #attending = new Map<string, Attending>()

  constructor(world: World) {
    this.#world = world
  }

  /**
   * Called at an even pace.
   * @param isWhole also those plans in which nobody waits for a turn.
   */
  look(isWhole: boolean): void {
    const { transfers, clock } = this.#world
    for (const id of this.#attending.keys()) if (transfers.get(id) === undefined) this.#attending.delete(id)
    for (const transfer of transfers.all) {
      if (!transfer.givesTurns && !isWhole) continue
      const { assignmentId } = transfer
      const attending = this.#attending.get(assignmentId) ?? new Attending(transfer)
      this.#attending.set(assignmentId, attending)
      const events = attending.look(clock.monotonicMs(), this.#standings(transfer))
      if (events.length > 0) tellPlans(this.#world, assignmentId, transfer.take(events))
    }
  }

  *#standings(transfer: Transfer): Generator<readonly [string, MemberStanding | null]> {
    const isHeldUp = this.#isHeldUp(transfer)
    for (const { nodeId } of transfer.members) {
      const known = this.#world.roster.get(nodeId)
      const isOut = known === undefined || !serves(this.#world, known, transfer.about.site)
      yield [nodeId, isOut ? null : this.#standingOf(transfer, known, isHeldUp)]
    }
  }

  #standingOf(transfer: Transfer, known: KnownNode, isHeldUp: boolean): MemberStanding {
    const { site, release } = transfer.about
    const { bytesHave, failure } = known.task(site)
    const part = transfer.find(known.identity.id)
    const isFetching = known.assignmentsUnderWay.includes(transfer.assignmentId)
    return {
      state: stateOf(transfer, known, isFetching),
      bytesHave,
      isFetching,
      mayMove: part !== null && !isWaiting(part.plan) && !isHeldUp,
      hasFailed: failure?.release.release === release && !isFetching,
      goneSinceMs: known.link === null ? Math.max(known.lastHeardMs ?? 0, this.#world.openedAtMs) : null,
    }
  }

  /** It is paused, or not packed to its end: who gets nowhere may have all there is. */
  #isHeldUp({ assignmentId, about }: Transfer): boolean {
    const job = activeJob(this.#world, about.site)
    const isGrowing = job?.assignment?.id === assignmentId && job.assignment.packed === null
    return isGrowing || job?.record.paused === true
  }
}

function stateOf({ about }: Transfer, known: KnownNode, isFetching: boolean): MemberStanding['state'] {
  const { site, release } = about
  const { live, held } = known.holdings(site)
  if (live?.release === release || held.some((each) => each.release === release)) return 'finished'
  if (!isFetching) return null
  const { bytesHave, hasAll } = known.task(site)
  return hasAll ? 'finished' : bytesHave > 0 ? 'ready' : null
}
