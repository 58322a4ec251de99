import type { Stage } from '../control/schema/channel.js'
import type { JobPolicy } from '../model/job.js'
import { isHanded, isWaiting, type NodePlan, type PlanPart } from '../model/plan.js'
import { startPlanning } from '../plan/index.js'
import { seedOf } from '../plan/order.js'
import { foldPart } from '../track/fold.js'
import type { Planner, Transfer, TransferNode } from '../transfer/index.js'
import { paceAt } from './pausing.js'
import type { KnownNode } from './roster.js'
import type { Beside } from './uplinks.js'
import type { LiveJob } from './live-job.js'
import { activeJob, type SendableAssignment, type World } from './world.js'

/** What a policy says of who sends to whom. */
export type Way = Pick<JobPolicy, 'strategy' | 'fanout' | 'order'>

/** The way of whatever is at work for a site; of nothing, the usual one. */
export const wayOf = (world: World, site: string): Way => activeJob(world, site)?.record.policy ?? { strategy: 'braid' }

/** A node as plans name it. @param plan the one that it is for: beside whose nodes it counts. */
export function toTransferNode(
  { uplinks }: Pick<World, 'uplinks'>,
  { identity }: KnownNode,
  way: Way,
  plan: Beside,
): TransferNode {
  const { id: nodeId, name, dataAddress, segment } = identity
  const rank = way.order?.indexOf(name) ?? -1
  const facts = isHanded(way.strategy) ? uplinks.factsOf(nodeId, plan) : {}
  const takes = uplinks.takesOf(nodeId, plan)
  const shown = { weight: uplinks.weightOf(nodeId, plan), ...(takes === null ? {} : { takes }), ...facts }
  const node = { nodeId, ...dataAddress, segment, ...shown }
  return rank < 0 ? node : { ...node, rank }
}

/** Plans of a policy's strategy; the same assignment is always woven the same way. */
export function plannerOf({ uplinks, segment }: World, { strategy, fanout }: Way, assignmentId: string): Planner {
  const about = { strategy, home: segment, seed: seedOf(assignmentId), fanout: fanout ?? null }
  return (source, nodes) => {
    const isKnown = uplinks.areKnown(nodes.map(({ nodeId }) => nodeId))
    const sourceBears = uplinks.bearsOf(source.nodeId, { members: nodes })
    return startPlanning({ ...about, source, nodes, sourceBears, isKnown })
  }
}

/** Opens the transfer of an assignment for the nodes that are there now. */
export function openTransfer(
  world: World,
  record: SendableAssignment['record'],
  to: {
    readonly way: Way
    readonly nodes: readonly KnownNode[]
    /** The stream is in its file to the end; else vouches follow. */
    readonly whole: boolean
  },
): Transfer {
  const plan = { members: to.nodes.map(({ identity }) => ({ nodeId: identity.id })) }
  return world.transfers.open({
    assignmentId: record.id,
    path: world.content.paths.stream(record.serial),
    vouchPath: to.whole ? world.content.paths.vouches(record.serial) : null,
    chunkBytes: record.chunkBytes,
    about: { site: record.site, release: record.release },
    nodes: to.nodes.map((each) => toTransferNode(world, each, to.way, plan)),
    pace: paceAt(world, record.site),
    planner: plannerOf(world, to.way, record.id),
  })
}

/** A part of a plan as a message carries it. Pure. */
export function partToWire({ plan, reserve }: PlanPart): Pick<Stage, 'plan' | 'reserve'> {
  return { plan: planToWire(plan), ...(reserve === null ? {} : { reserve: planToWire(reserve) }) }
}

const planToWire = ({ strandCount, parents, peers, isSlow }: NodePlan): Stage['plan'] => ({
  strandCount,
  parents: parents.map((strand) => [...strand]),
  peers: [...peers],
  ...(isSlow === true ? { isSlow } : {}),
})

/** Tells nodes that are there their new parts; the others get theirs when they come. */
export function tellPlans(world: World, assignmentId: string, parts: readonly PlanPart[]): void {
  const about = world.transfers.get(assignmentId)?.about
  for (const part of parts) {
    const known = world.roster.get(part.nodeId)
    known?.link?.send({ type: 'plan', assignmentId, ...partToWire(part) })
    if (known !== undefined && about !== undefined && !isWaiting(part.plan)) noteTurn(world, about, known)
  }
}

/** A node's turn has come: from now on it counts when it gets nowhere. */
function noteTurn(world: World, { site, release }: Transfer['about'], known: KnownNode): void {
  const job = activeJob(world, site)
  const part = job?.part(known.identity.id)
  if (job?.release?.release !== release || part?.state !== 'new' || known.task(site).underWay?.kind !== 'stage') return
  job.setPart(foldPart(part, { type: 'progress', bytesHave: 0, rateBps: 0 }), world.clock.monotonicMs())
}

/** Whether a node is to be sent nothing of a job's release yet: others come before it. */
export function waitsForTurn(world: World, { record }: LiveJob, nodeId: string): boolean {
  const own = world.transfers.all.filter(({ about }) => about.site === record.site && about.release === record.release)
  return own.some((transfer) => {
    const part = transfer.find(nodeId)
    return part !== null && isWaiting(part.plan)
  })
}

/** Closes transfers that neither a job nor a node needs any longer; their files stay. */
export function closeIdleTransfers(world: World): void {
  const needed = new Set<string>()
  for (const job of world.jobs.values()) if (job.assignment !== null) needed.add(job.assignment.id)
  for (const known of world.roster.all) for (const id of known.assignmentsUnderWay) needed.add(id)
  for (const id of world.transfers.openIds) if (!needed.has(id)) world.transfers.close(id)
}
