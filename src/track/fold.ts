// In: what nodes reported, in any order, some of it twice. Out: each node's part in a job.
// Never: I/O or a clock; a state that a late or repeated report takes back.
import type { CommandType, JobError, JobNode, JobNodeState } from '../model/job.js'

/** One node's part in one job. */
export interface NodePart extends JobNode {
  /** How far it is: reports that are not ahead of it change nothing. */
  readonly rank: number
}

/** What is told of a node's part. */
export type PartEvent =
  | { readonly type: 'progress'; readonly bytesHave: number; readonly rateBps: number }
  | { readonly type: 'received' }
  | { readonly type: 'staged' }
  | { readonly type: 'live' }
  | { readonly type: 'failed'; readonly command: CommandType; readonly error: JobError }

/** A staged release makes a failed fetch good, a live one a failed switch; nothing takes `live` back. */
const ranks = {
  new: 0,
  receiving: 1,
  received: 2,
  failedToStage: 3,
  staged: 4,
  failedToSwitch: 5,
  live: 6,
  departed: 7,
}

/** Nobody waits for anything in these. */
export const settled: ReadonlySet<JobNodeState> = new Set(['live', 'behind', 'failed', 'departed'])

/** A node of a job before it said anything. Pure. */
export function newPart(node: { readonly id: string; readonly name: string; readonly segment: string }): NodePart {
  const { id: nodeId, name, segment } = node
  return { nodeId, name, segment, state: 'new', bytesHave: 0, rateBps: 0, reason: null, rank: ranks.new }
}

/**
 * A node's part after one more event. The furthest state stands, so neither the order in which
 * reports come nor how often decides. Pure.
 */
export function foldPart(part: NodePart, event: PartEvent): NodePart {
  const rank = rankOf(event)
  // What it still says is about a job that it is no part of.
  if (part.state === 'departed') return part
  const moved = event.type === 'progress' ? withProgress(part, event) : part
  if (rank <= part.rank) return moved
  switch (event.type) {
    case 'progress':
      return { ...moved, rank, state: 'receiving', reason: null }
    case 'failed':
      return { ...moved, rank, state: 'failed', rateBps: 0, reason: event.error.message }
    case 'received':
    case 'staged':
    case 'live':
      return { ...moved, rank, state: event.type, rateBps: 0, reason: null }
  }
}

/** A node's part when it answers again: it is waited for like one that never went away. Pure. */
export function markReturned(part: NodePart): NodePart {
  return part.state === 'behind' ? { ...part, state: 'new', reason: null } : part
}

/**
 * A node's part once nobody waits for it any longer. What it reports later counts from the start, so
 * that it can still catch up within the job. Pure.
 */
export function markBehind(part: NodePart, reason: string): NodePart {
  if (part.state === 'departed') return part
  return { ...part, state: 'behind', rateBps: 0, reason, rank: ranks.new }
}

/** A node's part once it is among the job's nodes no longer: nothing that it reports changes it. Pure. */
export function markDeparted(part: NodePart, reason: string): NodePart {
  return { ...part, state: 'departed', rateBps: 0, reason, rank: ranks.departed }
}

/** A node's part when it has switched back to what it served before the job: it still holds the job's release. Pure. */
export function markSwitchedBack(part: NodePart): NodePart {
  return part.state === 'live' ? { ...part, state: 'staged', rank: ranks.staged } : part
}

/**
 * A node's part when what it had is of no use and all of it is fetched again. Who is not waited for, or
 * is live, stays so. Pure.
 */
export function markAnew(part: NodePart): NodePart {
  if (settled.has(part.state)) return part
  return { ...part, state: 'new', bytesHave: 0, rateBps: 0, reason: null, rank: ranks.new }
}

/** A node's part as the job shows it. Pure. */
export function toJobNode(part: NodePart): JobNode {
  const { nodeId, name, segment, state, bytesHave, rateBps, reason } = part
  return { nodeId, name, segment, state, bytesHave, rateBps, reason }
}

/** The part that a stored row of a job stands for. Pure. */
export function toPart(node: JobNode): NodePart {
  const rank = node.state === 'behind' ? ranks.new : node.state === 'failed' ? ranks.failedToStage : ranks[node.state]
  return { ...node, rank }
}

function withProgress(part: NodePart, event: PartEvent & { type: 'progress' }): NodePart {
  const bytesHave = Math.max(part.bytesHave, event.bytesHave)
  return { ...part, bytesHave, rateBps: part.rank <= ranks.receiving ? event.rateBps : part.rateBps }
}

function rankOf(event: PartEvent): number {
  switch (event.type) {
    case 'progress':
      return ranks.receiving
    case 'failed':
      return event.command === 'publish' ? ranks.failedToStage : ranks.failedToSwitch
    case 'received':
    case 'staged':
    case 'live':
      return ranks[event.type]
  }
}
