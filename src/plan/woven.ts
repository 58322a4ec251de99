import type { PeerRef } from '../model/node.js'
import type { NodePlan, PlanEvent, Planning, PlanNode, PlanPart } from '../model/plan.js'
import { addLoads, joinPlan, type Loads, loadsOf } from './joining.js'
import { withoutNodes } from './mending.js'
import { type Ground, partsOf, weave, weaveAnew } from './weaving.js'
import type { Strand } from './grow.js'
import { isSlow, usualWeight } from './strategies/slots.js'
import type { Strategy } from './strategies/strategy.js'

/** What a plan is woven with, and by. */
export interface Loom extends Pick<Ground, 'home' | 'seed'> {
  readonly strategy: Strategy
  readonly source: PeerRef
}

/**
 * A plan that is woven once for the nodes that are there when it starts, who keep their places; later ones join as
 * leaves. Where somebody leaves, those that it served turn to whom their relays turn to anyway. It is woven anew when
 * uplinks count differently: who forwards and who does not changes.
 */
export class Woven implements Planning {
  readonly givesTurns = false
  readonly #loom: Loom
  #isKnown: boolean
  /** In planning order. */
  #nodes: readonly PlanNode[]
  #strands: readonly Strand[]
  readonly #leaves = new Map<string, PlanNode>()
  #woven: ReadonlyMap<string, NodePlan> = new Map()
  #parts: Map<string, PlanPart>
  /** The middle weight of those the plan is woven for; null: there are none. */
  #usual: number | null = null

  constructor({ isKnown, ...loom }: Loom & Pick<Ground, 'isKnown'>, nodes: readonly PlanNode[]) {
    this.#loom = loom
    this.#isKnown = isKnown
    const woven = weave(loom.strategy, { ...loom, nodes, isKnown })
    this.#nodes = woven.nodes
    this.#strands = woven.strands
    this.#parts = this.#makeParts()
  }

  get strandCount(): number {
    return this.#strands.length
  }

  get members(): Iterable<PlanNode> {
    return [...this.#nodes, ...this.#leaves.values()]
  }

  partOf(nodeId: string): PlanPart | null {
    return this.#parts.get(nodeId) ?? null
  }

  take(events: readonly PlanEvent[]): readonly PlanPart[] {
    const joined = events.flatMap((event) => (event.type === 'joined' ? [event.node] : []))
    const fresh = joined.filter((node) => !this.#parts.has(node.nodeId))
    const moved = joined.filter((node) => this.#move(node))
    const isOther = [moved.length > 0, this.#leave(events), this.#weigh(events)].includes(true)
    for (const node of fresh) this.#leaves.set(node.nodeId, node)
    if (isOther) return this.#retell(moved.length > 0)
    const loads = loadsOf([...this.#parts.values()].map(({ plan }) => plan))
    const parts = fresh.map((leaf) => this.#partOfLeaf(leaf, loads))
    for (const part of parts) this.#parts.set(part.nodeId, part)
    return parts
  }

  /**
   * @param hasMoved peers listen elsewhere; else one that is gone need not be told of to all who might ask it.
   * @returns the parts that are not what they were.
   */
  #retell(hasMoved: boolean): readonly PlanPart[] {
    const before = this.#parts
    this.#parts = this.#makeParts()
    const textOf = ({ plan }: PlanPart): string => JSON.stringify(hasMoved ? plan : [plan.parents, plan.isSlow])
    return [...this.#parts.values()].filter((part) => {
      const known = before.get(part.nodeId)
      return known === undefined || textOf(known) !== textOf(part)
    })
  }

  /** A member keeps its place, wherever it listens now. @returns whether it listens elsewhere. */
  #move({ nodeId, host, port }: PlanNode): boolean {
    const leaf = this.#leaves.get(nodeId)
    const known = leaf ?? this.#nodes.find((each) => each.nodeId === nodeId)
    if (known === undefined || (known.host === host && known.port === port)) return false
    const node = { ...known, host, port }
    if (leaf !== undefined) this.#leaves.set(nodeId, node)
    else this.#nodes = this.#nodes.map((each) => (each === known ? node : each))
    return true
  }

  /** Who has joined since served nobody: that it is gone changes nobody's part. @returns whether a member is gone. */
  #leave(events: readonly PlanEvent[]): boolean {
    const left = new Set(events.flatMap((event) => (event.type === 'left' ? [event.nodeId] : [])))
    for (const nodeId of left) if (this.#leaves.delete(nodeId)) this.#parts.delete(nodeId)
    const gone = this.#nodes.map(({ nodeId }) => left.has(nodeId))
    if (!gone.includes(true)) return false
    this.#strands = withoutNodes(this.#strands, gone)
    this.#nodes = this.#nodes.filter((_, at) => gone[at] !== true)
    return true
  }

  /** Who has joined since is a leaf anyway, but one that nobody waits for when it is slow. */
  #weigh(events: readonly PlanEvent[]): boolean {
    const weights = new Map(events.flatMap((each) => (each.type === 'weighed' ? [[each.nodeId, each.weight]] : [])))
    const weightOf = ({ nodeId, weight }: PlanNode): number => weights.get(nodeId) ?? weight
    const turned = [...this.#leaves.values()].filter((leaf) => this.#weighLeaf(leaf, weightOf(leaf)))
    // What becomes known later serves the next plan: a pipeline that is woven anew loses what a path would gain.
    const isKnown = this.#isKnown && (events.findLast((event) => event.type === 'compared')?.isKnown ?? true)
    if (isKnown === this.#isKnown && this.#nodes.every((node) => weightOf(node) === node.weight)) {
      return turned.length > 0
    }
    this.#isKnown = isKnown
    const nodes = this.#nodes.map((node) => ({ ...node, weight: weightOf(node) }))
    const before = { nodes: this.#nodes, strands: this.#strands }
    const woven = weaveAnew(this.#loom.strategy, { ...this.#loom, nodes, isKnown }, before)
    this.#nodes = woven.nodes
    this.#strands = woven.strands
    return true
  }

  /** @returns whether it is slow now and was not, or the other way round. */
  #weighLeaf(leaf: PlanNode, weight: number): boolean {
    const wasSlow = this.#isSlowLeaf(leaf)
    const weighed = { ...leaf, weight }
    this.#leaves.set(leaf.nodeId, weighed)
    return this.#isSlowLeaf(weighed) !== wasSlow
  }

  #isSlowLeaf({ weight }: PlanNode): boolean {
    return this.#usual !== null && isSlow(weight, this.#usual)
  }

  #makeParts(): Map<string, PlanPart> {
    const { source, seed } = this.#loom
    this.#usual = this.#nodes.length === 0 ? null : usualWeight(this.#nodes)
    this.#woven = partsOf({ source, seed, nodes: this.#nodes, strands: this.#strands })
    const parts = [...this.#woven].map(([nodeId, plan]): PlanPart => ({ nodeId, plan, reserve: null }))
    const loads = loadsOf(this.#woven.values())
    const joined = [...this.#leaves.values()].map((leaf) => this.#partOfLeaf(leaf, loads))
    return new Map([...parts, ...joined].map((part) => [part.nodeId, part]))
  }

  #partOfLeaf(leaf: PlanNode, loads: Loads): PlanPart {
    const at = { strandCount: this.strandCount, nodes: this.#woven }
    const plan = joinPlan(at, this.#loom.source, this.#nodes, leaf, loads)
    addLoads(loads, plan)
    return { nodeId: leaf.nodeId, plan: this.#isSlowLeaf(leaf) ? { ...plan, isSlow: true } : plan, reserve: null }
  }
}
