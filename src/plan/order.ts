import type { PeerRef } from '../model/node.js'
import type { PlanNode } from '../model/plan.js'
import { isSlow, usualWeight } from './strategies/slots.js'

/**
 * Puts nodes in the order they are planned in: segments together, the largest first; within one,
 * fast uplinks first, then by identity, so that the same nodes always give the same plan. Pure.
 */
export function orderNodes(nodes: readonly PlanNode[]): readonly PlanNode[] {
  const sizes = new Map<string, number>()
  for (const node of nodes) sizes.set(node.segment, (sizes.get(node.segment) ?? 0) + 1)
  const sizeOf = (node: PlanNode): number => sizes.get(node.segment) ?? 0
  return [...nodes].sort(
    (a, b) =>
      sizeOf(b) - sizeOf(a) ||
      compareText(a.segment, b.segment) ||
      b.weight - a.weight ||
      compareText(a.nodeId, b.nodeId),
  )
}

/**
 * The order of a plan at work where some have become slow: each has changed places with the last of its segment that is
 * not. Who is slow no more stays where it is.
 * @returns null: weights have changed otherwise. Pure.
 */
export function withSlowLast(before: readonly PlanNode[], after: readonly PlanNode[]): readonly PlanNode[] | null {
  const wasSlow = slownessOf(before)
  const areSlow = slownessOf(after)
  const isOther = after.some((node, at) => !wasSlow[at] && !areSlow[at] && node.weight !== before[at]?.weight)
  if (isOther) return null
  const places = after.map((node, at) => ({ node, isSlow: areSlow[at] === true }))
  for (const [at, place] of places.entries()) {
    if (!place.isSlow) continue
    const isHeir = (other: typeof place): boolean => !other.isSlow && other.node.segment === place.node.segment
    const heir = places.findLastIndex(isHeir)
    if (heir <= at) continue
    places[at] = places[heir] as typeof place
    places[heir] = place
  }
  return places.map(({ node }) => node)
}

function slownessOf(nodes: readonly PlanNode[]): readonly boolean[] {
  const usual = usualWeight(nodes)
  return nodes.map(({ weight }) => isSlow(weight, usual))
}

/** What decides when a server's turn comes. */
export type Approached = Pick<PlanNode, 'rank' | 'weight' | 'uplink'>

/**
 * The order in which servers are approached: as the administrator wants it, then the fastest uplink first. What was
 * measured lately goes before what was seen at some time, and that before what nobody knows: who goes first serves
 * most of the others, and a surprise costs least where it comes last. Who is known to be slow and serves nobody comes
 * behind all of these, however lately that was measured. Others stay as they are given.
 * @param usual the middle weight of the plan.
 * @returns less than 0: `a` goes first; 0: who was there first does. Pure.
 */
export function compareApproach(a: Approached, b: Approached, usual: number): number {
  const standing = standingOf(a, usual) - standingOf(b, usual)
  return rankOf(a) - rankOf(b) || standing || rateOf(b) - rateOf(a) || b.weight - a.weight
}

const rankOf = ({ rank = Number.MAX_SAFE_INTEGER }: Approached): number => rank

function standingOf({ weight, uplink }: Approached, usual: number): number {
  if (isSlow(weight, usual)) return 3
  if (uplink === undefined) return 2
  return uplink.isFresh ? 0 : 1
}

const rateOf = ({ uplink }: Approached): number => uplink?.rateBps ?? 0

/** A 32-bit number that depends on every character of `text`: FNV-1a. Pure. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193)
  return hash >>> 0
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** A node as others reach it. Pure. */
export function toPeer({ nodeId, host, port }: PeerRef): PeerRef {
  return { nodeId, host, port }
}
