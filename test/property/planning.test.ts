// Goal: whatever befalls nodes in whatever order, nobody is left without a way to the source, by any strategy, and
// everybody's turn comes. Method: random events on plans at work; every part is looked at after each of them.
import fc from 'fast-check'
import t from 'tap'
import { ANCESTORS_MAX } from '../../src/base/limits.js'
import type { PeerRef } from '../../src/model/node.js'
import { isWaiting, type PlanEvent, type Planning, type PlanNode, type PlanPart } from '../../src/model/plan.js'
import { handedNames, strategyNames } from '../../src/model/plan.js'
import { startPlanning } from '../../src/plan/index.js'

const source = { nodeId: 'f'.repeat(32), host: '10.0.0.1', port: 7500 }
const NODES = 24
const idOf = (at: number): string => at.toString(16).padStart(32, '0')

const anyWeight = fc.oneof(fc.constant(1), fc.double({ min: 0.05, max: 8, noNaN: true }))
const anyNode = fc
  .record({
    at: fc.nat(NODES - 1),
    segment: fc.constantFrom('a', 'b'),
    weight: anyWeight,
    port: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ at, ...node }): PlanNode => ({ ...node, nodeId: idOf(at), host: '10.0.0.2' }))
/** About a member, whichever that is by then. */
type Happening =
  | PlanEvent
  | { readonly type: 'ready' | 'finished' | 'left' | 'weighed'; readonly at: number; readonly weight: number }
const anyEvent: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: anyNode.map((node) => ({ type: 'joined' as const, node })) },
  {
    weight: 7,
    arbitrary: fc.record({
      type: fc.constantFrom('ready', 'ready', 'ready', 'finished', 'left', 'left', 'weighed'),
      at: fc.nat(),
      weight: anyWeight,
    }),
  },
)
const request = {
  nodes: fc.uniqueArray(anyNode, { selector: ({ nodeId }) => nodeId, maxLength: NODES, size: 'max' }),
  seed: fc.nat(),
  fanout: fc.option(fc.integer({ min: 1, max: 3 })),
  events: fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 3 }), { maxLength: 40, size: 'max' }),
}
const requests = fc.record({ ...request, strategy: fc.constantFrom(...strategyNames) })

const idsOf = (planning: Planning): string[] => [...planning.members].map(({ nodeId }) => nodeId)

/** The events of a batch, about members as they are now. */
const eventsOf = (planning: Planning, batch: readonly Happening[]): readonly PlanEvent[] => {
  const ids = idsOf(planning)
  return batch.map((happening) => {
    if (!('at' in happening)) return happening
    const nodeId = ids[happening.at % Math.max(1, ids.length)] ?? idOf(0)
    const { type, weight } = happening
    return type === 'weighed' ? { type, nodeId, weight } : { type, nodeId }
  })
}
const need = (planning: Planning, nodeId: string): PlanPart => {
  const part = planning.partOf(nodeId)
  if (part === null) throw new Error(`no part for ${nodeId}`)
  return part
}

/** Follows first parents to the source. @returns who is passed. */
function wayUp(planning: Planning, nodeId: string, strand: number): string[] {
  const way: string[] = []
  for (let at = nodeId; at !== source.nodeId; ) {
    if (way.includes(at)) throw new Error(`a circle at ${nodeId} in strand ${strand}`)
    way.push(at)
    const next = need(planning, at).plan.parents[strand]?.[0]?.nodeId
    if (next === undefined) throw new Error(`${at} serves ${way.at(-2) ?? 'nobody'} and has nobody itself`)
    at = next
  }
  return way
}

/** Everybody has a way or waits, turns to nobody below itself, and to the source at some time. */
function look(planning: Planning): void {
  for (const nodeId of idsOf(planning)) {
    const { plan, reserve } = need(planning, nodeId)
    if (plan.strandCount !== planning.strandCount) throw new Error('another number of strands')
    if (reserve !== null && !isWaiting(plan)) throw new Error(`${nodeId} is served and has a reserve`)
    const lines = isWaiting(plan) ? (reserve?.parents ?? []) : plan.parents
    for (const [strand, line] of lines.entries()) lookAtLine(planning, nodeId, strand, line)
  }
}

function lookAtLine(planning: Planning, nodeId: string, strand: number, line: readonly PeerRef[]): void {
  const ids = line.map((peer) => peer.nodeId)
  if (!ids.includes(source.nodeId) || ids.length > ANCESTORS_MAX || new Set(ids).size < ids.length) {
    throw new Error(`a bad line of ${nodeId}: ${ids.join()}`)
  }
  for (const id of ids.filter((each) => each !== source.nodeId)) {
    if (planning.partOf(id) === null) throw new Error(`${nodeId} turns to ${id}, who is gone`)
    if (wayUp(planning, id, strand).includes(nodeId)) throw new Error(`${id} is below ${nodeId}, who turns to it`)
  }
}

t.test('after any events, everybody has a way to the source without a circle, or waits for its turn', async (t) => {
  fc.assert(
    fc.property(requests, ({ events, ...request }) => {
      const planning = startPlanning({ source, ...request })
      look(planning)
      for (const batch of events) {
        planning.take(eventsOf(planning, batch))
        look(planning)
        const waits = idsOf(planning).some((nodeId) => isWaiting(need(planning, nodeId).plan))
        if (waits && !handedNames.some((name) => name === request.strategy)) throw new Error('a node waits')
      }
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('who is told what take() says knows its parents at any time', async (t) => {
  fc.assert(
    fc.property(requests, ({ events, ...request }) => {
      const planning = startPlanning({ source, ...request })
      const told = new Map(idsOf(planning).map((nodeId) => [nodeId, need(planning, nodeId)]))
      for (const batch of events) {
        for (const part of planning.take(eventsOf(planning, batch))) told.set(part.nodeId, part)
        for (const nodeId of idsOf(planning)) {
          const [known, is] = [told.get(nodeId), need(planning, nodeId)]
          if (JSON.stringify(known?.plan.parents) !== JSON.stringify(is.plan.parents)) return false
          if (JSON.stringify(known?.reserve?.parents) !== JSON.stringify(is.reserve?.parents)) return false
        }
      }
      return true
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('everybody’s turn comes, whatever happened before: as servers finish, nobody waits for ever', async (t) => {
  fc.assert(
    fc.property(requests, ({ events, ...request }) => {
      const planning = startPlanning({ source, ...request })
      for (const batch of events) planning.take(eventsOf(planning, batch))
      for (let round = 0; round <= 2 * NODES; round++) {
        const served = idsOf(planning).filter((nodeId) => !isWaiting(need(planning, nodeId).plan))
        if (served.length === idsOf(planning).length) return true
        planning.take(served.map((nodeId) => ({ type: round % 2 === 0 ? 'ready' : 'finished', nodeId })))
      }
      return false
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('the same events give the same parts', async (t) => {
  fc.assert(
    fc.property(requests, ({ events, ...request }) => {
      const [one, other] = [startPlanning({ source, ...request }), startPlanning({ source, ...request })]
      return events.every((batch) => {
        const happened = eventsOf(one, batch)
        return JSON.stringify(one.take(happened)) === JSON.stringify(other.take(happened))
      })
    }),
  )
  t.pass()
})
