import type { PeerRef } from '../model/node.js'
import type { NodePlan, Plan } from '../model/plan.js'

/** A node that an assignment goes to. */
export interface TransferNode extends PeerRef {
  readonly segment: string
  /** Its uplink beside the others'; 1 is usual. */
  readonly weight: number
}

/** Makes plans; the coordinator puts the planner in. */
export interface Planner {
  make(source: PeerRef, nodes: readonly TransferNode[]): Plan
  /** The part of a node that comes when the plan is at work. */
  join(plan: Plan, source: PeerRef, members: readonly TransferNode[], node: TransferNode): NodePlan
}

/** One node's part, as it has to be told. */
export interface PlanPart {
  readonly nodeId: string
  readonly plan: NodePlan
}

/**
 * The plan of one assignment: woven once for the nodes that are there when it starts, who keep their
 * places; later ones join as leaves.
 */
export class Plans {
  readonly #planner: Planner
  readonly #source: PeerRef
  readonly #members: Map<string, TransferNode>
  readonly #joined = new Map<string, TransferNode>()
  #woven: Plan

  constructor(planner: Planner, source: PeerRef, nodes: readonly TransferNode[]) {
    this.#planner = planner
    this.#source = source
    this.#members = new Map(nodes.map((node) => [node.nodeId, node]))
    this.#woven = planner.make(source, nodes)
  }

  /** What the source's own session is opened with. */
  get ofSource(): NodePlan {
    return { strandCount: this.#woven.strandCount, parents: this.#strands(() => []), peers: [] }
  }

  /**
   * The part of a node, which joins if it is new.
   * @returns its part, and the parts of others that name it and have to be told its new address.
   */
  partOf(node: TransferNode): { readonly plan: NodePlan; readonly changed: readonly PlanPart[] } {
    const changed = this.#move(node)
    if (!this.#members.has(node.nodeId)) this.#joined.set(node.nodeId, node)
    return { plan: this.#partOf(node), changed }
  }

  /**
   * Uplinks count differently now: who forwards and who does not changes. Who has joined since is a leaf anyway.
   * @returns the parts that have to be told.
   */
  reweigh(weightOf: (nodeId: string) => number): readonly PlanPart[] {
    const members = [...this.#members.values()]
    const changed = members.filter(({ nodeId, weight }) => weight !== weightOf(nodeId))
    if (changed.length === 0) return []
    return this.#reweave(changed.map((member) => ({ ...member, weight: weightOf(member.nodeId) })))
  }

  #partOf(node: TransferNode): NodePlan {
    const place = this.#woven.nodes.get(node.nodeId)
    return place ?? this.#planner.join(this.#woven, this.#source, [...this.#members.values()], node)
  }

  /** A member that listens elsewhere now keeps its place; whoever has it as a parent or peer must know. */
  #move(node: TransferNode): readonly PlanPart[] {
    const known = this.#members.get(node.nodeId)
    if (known === undefined || (known.host === node.host && known.port === node.port)) return []
    return this.#reweave([node]).filter(({ nodeId }) => nodeId !== node.nodeId)
  }

  /** Weaves anew with members as they are now. @returns the parts that are not what they were. */
  #reweave(moved: readonly TransferNode[]): readonly PlanPart[] {
    const all = [...this.#members.values(), ...this.#joined.values()]
    const before = new Map(all.map((each) => [each.nodeId, JSON.stringify(this.#partOf(each))]))
    for (const node of moved) this.#members.set(node.nodeId, node)
    this.#woven = this.#planner.make(this.#source, [...this.#members.values()])
    return all
      .map((each) => ({ nodeId: each.nodeId, plan: this.#partOf(each) }))
      .filter(({ nodeId, plan }) => JSON.stringify(plan) !== before.get(nodeId))
  }

  #strands<T>(each: () => T): readonly T[] {
    return Array.from({ length: this.#woven.strandCount }, each)
  }
}
