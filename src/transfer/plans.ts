import { assert } from '../base/assert.js'
import type { PeerRef } from '../model/node.js'
import type { NodePlan, PlanEvent, Planning, PlanNode, PlanPart } from '../model/plan.js'

/** A node that an assignment goes to. */
export type TransferNode = PlanNode

/** Starts plans; the coordinator puts the planner in. */
export type Planner = (source: PeerRef, nodes: readonly TransferNode[]) => Planning

/** What a node's uplink counts now, and how many it bears, as of `PlanNode`. */
export type CountOf = (nodeId: string) => Pick<PlanNode, 'weight' | 'bears'>

/** The plan of one assignment, at work. */
export class Plans {
  readonly #planning: Planning

  constructor(planner: Planner, source: PeerRef, nodes: readonly TransferNode[]) {
    this.#planning = planner(source, nodes)
  }

  /** What the source's own session is opened with. */
  get ofSource(): NodePlan {
    const { strandCount } = this.#planning
    return { strandCount, parents: Array.from({ length: strandCount }, () => []), peers: [] }
  }

  get givesTurns(): boolean {
    return this.#planning.givesTurns
  }

  get members(): Iterable<PlanNode> {
    return this.#planning.members
  }

  /** Null: it is no member. */
  find(nodeId: string): PlanPart | null {
    return this.#planning.partOf(nodeId)
  }

  /**
   * The part of a node, which joins if it is new.
   * @returns its part, and the parts of others that are not what they were.
   */
  partOf(node: TransferNode): { readonly part: PlanPart; readonly changed: readonly PlanPart[] } {
    const changed = this.#planning.take([{ type: 'joined', node }])
    const part = this.#planning.partOf(node.nodeId)
    assert(part !== null, 'who joins a plan has a part in it', { nodeId: node.nodeId })
    return { part, changed: changed.filter(({ nodeId }) => nodeId !== node.nodeId) }
  }

  /** What has befallen nodes. @returns the parts that have to be told. */
  take(events: readonly PlanEvent[]): readonly PlanPart[] {
    return this.#planning.take(events)
  }

  /** Uplinks count differently now, or are known or not. @returns the parts that have to be told. */
  reweigh(countOf: CountOf, isKnown: boolean): readonly PlanPart[] {
    const weighed = [...this.#planning.members].flatMap(({ nodeId, ...before }): PlanEvent[] => {
      const now = countOf(nodeId)
      const isSame = now.weight === before.weight && now.bears === before.bears
      return isSame ? [] : [{ type: 'weighed', nodeId, ...now }]
    })
    return this.take([...weighed, { type: 'compared', isKnown }])
  }
}
