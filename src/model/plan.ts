import type { PeerRef } from './node.js'

/** Woven once for all who are there: `star chain tree` are one strand each, `braid` weaves several. */
export const wovenNames = ['star', 'chain', 'tree', 'braid'] as const
export type WovenName = (typeof wovenNames)[number]

/** Decided while content is on its way: who is served by whom, and when. */
export const handedNames = ['handout', 'cascade'] as const
export type HandedName = (typeof handedNames)[number]

/** Who sends to whom. */
export const strategyNames = [...wovenNames, ...handedNames] as const
export type StrategyName = (typeof strategyNames)[number]

/** Pure. */
export const isHanded = (strategy: StrategyName): strategy is HandedName =>
  handedNames.some((name) => name === strategy)

/** What an uplink can give, as it was measured. */
export interface Uplink {
  readonly rateBps: number
  /** Lately, by a measurement for its own sake; else it is what transfers showed, or long ago. */
  readonly isFresh: boolean
}

/** A node to be planned for. */
export interface PlanNode extends PeerRef {
  readonly segment: string
  /** Its uplink beside the others' of the same plan: what counts is its part of the middle one. Positive. */
  readonly weight: number
  /** What its downlink takes, in the measure of `weight`; absent: nobody has measured it. Positive. */
  readonly takes?: number
  /** Its place in the order that an administrator wants, the first 0; absent: it has none there. */
  readonly rank?: number
  /** What its uplink was measured to give; absent: nobody has measured it. */
  readonly uplink?: Uplink
  /** Servers at once that its uplink and its CPU bear, at least 1; absent: as its weight says. */
  readonly bears?: number
}

/**
 * One node's part of a plan. `parents[s]` is whom it turns to in strand `s`, in order: who serves it,
 * who takes its place when it is gone, the further ancestors; the source is among them. Nobody of them is below the
 * node in that strand of the plan, so that turning to the next because one is gone closes no circle.
 * `peers` are further nodes that may be asked for exact ranges when all of those are gone.
 */
export interface NodePlan {
  readonly strandCount: number
  readonly parents: readonly (readonly PeerRef[])[]
  readonly peers: readonly PeerRef[]
  /**
   * Its own link is slow, so that it forwards nothing, as long as others of its segment can, and no strand waits for
   * it; absent: it is not.
   */
  readonly isSlow?: boolean | undefined
}

/** A whole plan: the source's strand count and a part for every node by id. */
export interface Plan {
  readonly strategy: StrategyName
  readonly strandCount: number
  readonly nodes: ReadonlyMap<string, NodePlan>
}

/** One node's part, as it has to be told. */
export interface PlanPart {
  readonly nodeId: string
  readonly plan: NodePlan
  /** What it goes by, while it waits for its turn, when there is no coordinator to give it one; null: it waits on. */
  readonly reserve: NodePlan | null
}

/** What befalls a node while a plan is at work. Told twice, it changes nothing. */
export type PlanEvent =
  /** It takes part from now on, or again, or is another than it was: its address, its weight. */
  | { readonly type: 'joined'; readonly node: PlanNode }
  /** `bears` as of `PlanNode`. */
  | { readonly type: 'weighed'; readonly nodeId: string; readonly weight: number; readonly bears?: number }
  /** All links have been compared: weights say what there is to say of them, or do not any longer. */
  | { readonly type: 'compared'; readonly isKnown: boolean }
  /** It receives, and can pass on what it has. */
  | { readonly type: 'ready'; readonly nodeId: string }
  /** It has everything. */
  | { readonly type: 'finished'; readonly nodeId: string }
  /** It is gone, or counts as gone. */
  | { readonly type: 'left'; readonly nodeId: string }

/**
 * A plan at work, whatever its strategy. After every event each member has a way to the source by first parents, none
 * of which is a circle, or waits for its turn, which comes when those before it have finished or left.
 */
export interface Planning {
  /** It may be another after uplinks have counted differently. */
  readonly strandCount: number
  /** Nodes wait for their turn, which comes by what is told of others. */
  readonly givesTurns: boolean
  readonly members: Iterable<PlanNode>
  /** Null: it is no member. */
  partOf(nodeId: string): PlanPart | null
  /** @returns the parts of members that are not what they were. */
  take(events: readonly PlanEvent[]): readonly PlanPart[]
}

/** Nobody is to serve it yet: its turn has not come. Pure. */
export const isWaiting = ({ parents }: NodePlan): boolean => parents.every((strand) => strand.length === 0)
