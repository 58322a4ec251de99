import { PEERS_MAX } from '../base/limits.js'
import type { PeerRef } from '../model/node.js'
import type { NodePlan, PlanEvent, Planning, PlanNode, PlanPart } from '../model/plan.js'
import { cutToLength } from './lines.js'
import { seedOf, toPeer } from './order.js'
import { Course, type CourseRule, type CourseStep } from './strategies/course.js'

/** Waits for its turn, and asks nobody until then. */
const waiting: NodePlan = { strandCount: 1, parents: [[]], peers: [] }

/** A plan that is made while content is on its way: each part is one line of servers, or an order to wait. */
export class Handed implements Planning {
  readonly strandCount = 1
  readonly givesTurns = true
  readonly #source: PeerRef
  readonly #rule: CourseRule
  readonly #course: Course
  readonly #parts = new Map<string, PlanPart>()
  /** In the order in which they were approached. */
  #approached: string[] = []

  constructor(rule: CourseRule, source: PlanNode, nodes: readonly PlanNode[], fanout: number | null) {
    this.#source = toPeer(source)
    this.#rule = rule
    this.#course = new Course(rule, source, nodes, fanout)
    this.#noteSteps(this.#course.begin())
    this.#refresh(nodes.map(({ nodeId }) => nodeId))
  }

  get members(): Iterable<PlanNode> {
    return this.#course.members
  }

  partOf(nodeId: string): PlanPart | null {
    return this.#parts.get(nodeId) ?? null
  }

  take(events: readonly PlanEvent[]): readonly PlanPart[] {
    const others = new Set<string>()
    for (const event of events) for (const nodeId of this.#takeOne(event)) others.add(nodeId)
    const touched = [...this.#course.takeTouched(), ...others]
    return this.#refresh(this.#withBelow(touched))
  }

  /** @returns those whose parts change beside those who get another server. */
  #takeOne(event: PlanEvent): readonly string[] {
    const course = this.#course
    switch (event.type) {
      case 'joined':
        return this.#join(event.node)
      case 'weighed': {
        const node = course.node(event.nodeId)
        if (node !== undefined) this.#noteSteps(course.joined(weighed(node, event)))
        return []
      }
      case 'ready':
        this.#noteSteps(course.ready(event.nodeId))
        return []
      case 'finished':
        this.#noteSteps(course.finished(event.nodeId))
        return []
      case 'left':
        this.#parts.delete(event.nodeId)
        this.#approached = this.#approached.filter((other) => other !== event.nodeId)
        this.#noteSteps(course.failed(event.nodeId))
        return []
      // Each server is approached by one way, known or not.
      case 'compared':
        return []
    }
  }

  #join(node: PlanNode): readonly string[] {
    const before = this.#course.node(node.nodeId)
    this.#noteSteps(this.#course.joined(node))
    const isElsewhere = before !== undefined && (before.host !== node.host || before.port !== node.port)
    return isElsewhere ? [...this.#parts.keys()] : []
  }

  #noteSteps(steps: readonly CourseStep[]): void {
    for (const { type, target } of steps) if (type === 'approach') this.#approached.push(target)
  }

  /** All whose way to the source leads by one of these. */
  #withBelow(nodeIds: readonly string[]): readonly string[] {
    const all = new Set(nodeIds)
    for (const nodeId of all) for (const below of this.#course.below(nodeId)) all.add(below)
    return [...all]
  }

  #refresh(nodeIds: readonly string[]): readonly PlanPart[] {
    const changed: PlanPart[] = []
    for (const nodeId of nodeIds) {
      if (this.#course.node(nodeId) === undefined) continue
      const part = this.#makePart(nodeId)
      if (JSON.stringify(part) === JSON.stringify(this.#parts.get(nodeId))) continue
      this.#parts.set(nodeId, part)
      changed.push(part)
    }
    return changed
  }

  #makePart(nodeId: string): PlanPart {
    const server = this.#course.serverOf(nodeId)
    if (server !== null) return { nodeId, plan: this.#servedBy(nodeId, server), reserve: null }
    const holder = this.#course.holderOf(nodeId)
    const mayGoOn = this.#rule.deals && holder !== null
    return { nodeId, plan: waiting, reserve: mayGoOn ? this.#servedBy(nodeId, holder) : null }
  }

  #servedBy(nodeId: string, server: string): NodePlan {
    const line: string[] = []
    for (let at: string | null = server; at !== null; at = this.#course.serverOf(at)) line.push(at)
    return {
      strandCount: 1,
      parents: [cutToLength(line).map((each) => this.#peer(each))],
      peers: this.#peersOf(nodeId),
    }
  }

  /** Others that have been approached: from a place on that its id decides, so that not all ask the same. */
  #peersOf(nodeId: string): readonly PeerRef[] {
    const all = this.#approached
    const from = seedOf(nodeId)
    const count = Math.min(all.length, PEERS_MAX + 1)
    const drawn = Array.from({ length: count }, (_, step) => all[(from + step) % all.length] as string)
    return drawn
      .filter((other) => other !== nodeId)
      .slice(0, PEERS_MAX)
      .map((other) => this.#peer(other))
  }

  #peer(nodeId: string): PeerRef {
    return nodeId === this.#source.nodeId ? this.#source : toPeer(this.#course.node(nodeId) as PlanNode)
  }
}

/** Without a word of what it bears, it bears what its new weight says. */
function weighed(node: PlanNode, { weight, bears }: Pick<PlanNode, 'weight' | 'bears'>): PlanNode {
  const { bears: _, ...rest } = node
  return { ...rest, weight, ...(bears === undefined ? {} : { bears }) }
}
