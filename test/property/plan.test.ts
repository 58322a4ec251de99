// Goal: whatever the nodes, a plan reaches all of them without a circle. Method: random nodes, every strategy.
import fc from 'fast-check'
import t from 'tap'
import { ANCESTORS_MAX, PEERS_MAX } from '../../src/base/limits.js'
import type { NodePlan, Plan, PlanNode } from '../../src/model/plan.js'
import { wovenNames } from '../../src/model/plan.js'
import { joinPlan } from '../../src/plan/joining.js'
import { countOf, edgesOf, planOf } from '../support/plans.js'

const source = { nodeId: 'f'.repeat(32), host: '10.0.0.1', port: 7500 }

const nodesOf = fc
  .array(
    fc.record({ segment: fc.constantFrom('a', 'b', 'c', 'd'), weight: fc.double({ min: 0.05, max: 8, noNaN: true }) }),
    {
      minLength: 1,
      maxLength: 120,
    },
  )
  .map((drawn): PlanNode[] =>
    drawn.map((node, at) => ({
      ...node,
      nodeId: at.toString(16).padStart(32, '0'),
      host: '10.0.0.2',
      port: 7500 + at,
    })),
  )

const requests = fc.record({ nodes: nodesOf, strategy: fc.constantFrom(...wovenNames), seed: fc.nat() })

function partOf(plan: Plan, nodeId: string): NodePlan {
  const part = plan.nodes.get(nodeId)
  if (part === undefined) throw new Error(`no part for ${nodeId}`)
  return part
}

/** The whole way from a node to the source, along first parents. */
function wayUp(plan: Plan, nodeId: string, strand: number): string[] {
  const way: string[] = []
  let at = nodeId
  while (at !== source.nodeId) {
    if (way.length > plan.nodes.size) throw new Error(`a circle at ${nodeId} in strand ${strand}`)
    way.push(at)
    at = partOf(plan, at).parents[strand]?.[0]?.nodeId ?? 'nobody'
  }
  return way
}

t.test('every node is reached from the source in every strand', async (t) => {
  fc.assert(
    fc.property(requests, (request) => {
      const plan = planOf({ source, ...request })
      if (plan.nodes.size !== request.nodes.length) return false
      for (const { nodeId } of request.nodes) {
        const part = partOf(plan, nodeId)
        if (part.parents.length !== plan.strandCount || part.strandCount !== plan.strandCount) return false
        for (let strand = 0; strand < plan.strandCount; strand++) wayUp(plan, nodeId, strand)
      }
      return true
    }),
  )
})

interface Turning {
  readonly nodeId: string
  readonly strand: number
  /** Ids, in their order. */
  readonly line: readonly string[]
}

/** Whether a node may turn to these in this order. */
function isLine(plan: Plan, { nodeId, strand, line }: Turning): boolean {
  const way = [...wayUp(plan, nodeId, strand).slice(1), source.nodeId]
  // Places that it inherits come before.
  const isWhole = way.length + 2 * plan.strandCount + 2 <= ANCESTORS_MAX
  const isBelow = (id: string): boolean => id !== source.nodeId && wayUp(plan, id, strand).includes(nodeId)
  const ends = line[0] === way[0] && line.includes(source.nodeId)
  const isShort = line.length <= ANCESTORS_MAX && new Set(line).size === line.length
  return ends && isShort && !line.some(isBelow) && (!isWhole || way.every((id) => line.includes(id)))
}

function arePeers(peers: NodePlan['peers'], nodeId: string, nodeCount: number): boolean {
  const ids = new Set(peers.map((peer) => peer.nodeId))
  const isDistinct = ids.size === peers.length && ids.size === Math.min(PEERS_MAX, nodeCount - 1)
  return isDistinct && !ids.has(nodeId) && !ids.has(source.nodeId)
}

t.test(
  'whom a node turns to: its parent first, its further ancestors, nobody below itself, nobody twice, and the source',
  async (t) => {
    fc.assert(
      fc.property(requests, (request) => {
        const plan = planOf({ source, ...request })
        return request.nodes.every(({ nodeId }) => {
          const { parents, peers } = partOf(plan, nodeId)
          const lines = parents.map((line) => line.map((peer) => peer.nodeId))
          const isRight = lines.every((line, strand) => isLine(plan, { nodeId, strand, line }))
          return isRight && arePeers(peers, nodeId, request.nodes.length)
        })
      }),
    )
    t.pass()
  },
)

t.test('on equal links nobody serves more than S children in a strand or twice S in all', async (t) => {
  fc.assert(
    fc.property(nodesOf, fc.nat(), (drawn, seed) => {
      const nodes = drawn.map((node) => ({ ...node, weight: 1 }))
      const plan = planOf({ source, nodes, strategy: 'braid', seed })
      const children = new Map<string, number[]>()
      for (const part of plan.nodes.values()) {
        for (const [strand, [parent]] of part.parents.entries()) {
          const counts = children.get(parent?.nodeId ?? '') ?? Array.from({ length: plan.strandCount }, () => 0)
          counts[strand] = (counts[strand] ?? 0) + 1
          children.set(parent?.nodeId ?? '', counts)
        }
      }
      return [...children.entries()].every(([id, counts]) => {
        const inner = counts.filter((count) => count > 0).length
        const sum = counts.reduce((all, count) => all + count, 0)
        return id === source.nodeId
          ? counts.every((count) => count === 1)
          : sum <= plan.strandCount && inner <= plan.strandCount
      })
    }),
  )
  t.pass()
})

t.test('over segments of equal nodes, each strand enters each once, and an uplink serves no more than S', async (t) => {
  fc.assert(
    fc.property(nodesOf, fc.constantFrom('a', 'b', 'elsewhere'), fc.nat(), (drawn, home, seed) => {
      const nodes = drawn.map((node) => ({ ...node, weight: 1 }))
      const plan = planOf({ source, home, nodes, strategy: 'braid', seed })
      const segmentOf = new Map(nodes.map(({ nodeId, segment }): [string, string] => [nodeId, segment]))
      segmentOf.set(source.nodeId, home)
      const edges = edgesOf(plan)
      const entered = countOf(
        edges
          .filter(({ parent, child }) => segmentOf.get(parent) !== segmentOf.get(child))
          .map(({ child }) => segmentOf.get(child)),
      )
      const isOnce = [...entered].every(([segment, count]) => segment !== home && count === plan.strandCount)
      const served = countOf(edges.map(({ parent }) => parent))
      return isOnce && [...served.values()].every((count) => count <= plan.strandCount)
    }),
  )
  t.pass()
})

t.test('the same request gives the same plan, in whatever order the nodes are named', async (t) => {
  fc.assert(
    fc.property(requests, (request) => {
      const one = planOf({ source, ...request })
      const other = planOf({ source, ...request, nodes: [...request.nodes].reverse() })
      return [...one.nodes].every(([id, part]) => JSON.stringify(part) === JSON.stringify(partOf(other, id)))
    }),
  )
  t.pass()
})

t.test('who joins later is a leaf below members and closes no circle', async (t) => {
  fc.assert(
    fc.property(requests, fc.nat(), (request, at) => {
      const plan = planOf({ source, ...request })
      const segment = request.nodes[at % Math.max(1, request.nodes.length)]?.segment ?? 'of its own'
      const part = joinPlan(plan, source, request.nodes, { nodeId: 'e'.repeat(32), segment })
      if (part.parents.length !== plan.strandCount) return false
      return part.parents.every((ancestors) => {
        const ids = ancestors.map((peer) => peer.nodeId)
        return ids.at(-1) === source.nodeId && ids.length <= ANCESTORS_MAX && new Set(ids).size === ids.length
      })
    }),
  )
  t.pass()
})
