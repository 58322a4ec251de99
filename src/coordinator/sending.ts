import type { Stage } from '../control/schema/channel.js'
import type { JobPolicy } from '../model/job.js'
import type { NodePlan, PlanPart } from '../model/plan.js'
import { startPlanning } from '../plan/index.js'
import { seedOf } from '../plan/order.js'
import type { Planner, Transfer, TransferNode } from '../transfer/index.js'
import { paceAt } from './pausing.js'
import type { KnownNode } from './roster.js'
import type { SendableAssignment, World } from './world.js'

/** A node as plans name it. */
export function toTransferNode({ weighing }: Pick<World, 'weighing'>, { identity }: KnownNode): TransferNode {
  const { id: nodeId, dataAddress, segment } = identity
  return { nodeId, ...dataAddress, segment, weight: weighing.weightOf(nodeId) }
}

/** Plans of a policy's strategy; the same assignment is always woven the same way. */
export function plannerOf(strategy: JobPolicy['strategy'], assignmentId: string, home: string): Planner {
  const seed = seedOf(assignmentId)
  return (source, nodes) => startPlanning({ source, home, nodes, strategy, seed })
}

/** Opens the transfer of an assignment for the nodes that are there now. */
export function openTransfer(
  world: World,
  record: SendableAssignment['record'],
  to: {
    readonly strategy: JobPolicy['strategy']
    readonly nodes: readonly TransferNode[]
    /** The stream is in its file to the end; else vouches follow. */
    readonly whole: boolean
  },
): Transfer {
  return world.transfers.open({
    assignmentId: record.id,
    path: world.content.paths.stream(record.serial),
    vouchPath: to.whole ? world.content.paths.vouches(record.serial) : null,
    chunkBytes: record.chunkBytes,
    nodes: to.nodes,
    pace: paceAt(world, record.site),
    planner: plannerOf(to.strategy, record.id, world.segment),
  })
}

/** A part of a plan as a message carries it. Pure. */
export function planToWire({ strandCount, parents, peers }: NodePlan): Stage['plan'] {
  return { strandCount, parents: parents.map((strand) => [...strand]), peers: [...peers] }
}

/** Tells nodes that are there their new parts; the others get theirs when they come. */
export function tellPlans(world: World, assignmentId: string, parts: readonly PlanPart[]): void {
  for (const { nodeId, plan } of parts) {
    world.roster.get(nodeId)?.link?.send({ type: 'plan', assignmentId, plan: planToWire(plan) })
  }
}

/** Closes transfers that neither a job nor a node needs any longer; their files stay. */
export function closeIdleTransfers(world: World): void {
  const needed = new Set<string>()
  for (const job of world.jobs.values()) if (job.assignment !== null) needed.add(job.assignment.id)
  for (const known of world.roster.all) for (const id of known.assignmentsUnderWay) needed.add(id)
  for (const id of world.transfers.openIds) if (!needed.has(id)) world.transfers.close(id)
}
