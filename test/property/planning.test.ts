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
/** A path of more is too long. */
const PATH_NODES = 20
const idOf = (at: number): string => at.toString(16).padStart(32, '0')

const anyWeight = fc.oneof(fc.constant(1), fc.double({ min: 0.05, max: 8, noNaN: true }))
const anyBears = fc.option(fc.integer({ min: 1, max: 8 }), { nil: null })
const bearing = (bears: number | null): { readonly bears?: number } => (bears === null ? {} : { bears })
const anyNode = fc
  .record({
    at: fc.nat(NODES - 1),
    segment: fc.constantFrom('a', 'b'),
    weight: anyWeight,
    port: fc.integer({ min: 1, max: 3 }),
    bears: anyBears,
  })
  .map(({ at, bears, ...node }): PlanNode => ({ ...node, ...bearing(bears), nodeId: idOf(at), host: '10.0.0.2' }))
/** About a member, whichever that is by then. */
type Happening =
  | PlanEvent
  | {
      readonly type: 'ready' | 'finished' | 'left' | 'weighed'
      readonly at: number
      readonly weight: number
      readonly bears: number | null
    }
const anyEvent: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: anyNode.map((node) => ({ type: 'joined' as const, node })) },
  { weight: 1, arbitrary: fc.boolean().map((isKnown) => ({ type: 'compared' as const, isKnown })) },
  {
    weight: 7,
    arbitrary: fc.record({
      type: fc.constantFrom('ready', 'ready', 'ready', 'finished', 'left', 'left', 'weighed'),
      at: fc.nat(),
      weight: anyWeight,
      bears: anyBears,
    }),
  },
)
const request = {
  nodes: fc.uniqueArray(anyNode, { selector: ({ nodeId }) => nodeId, maxLength: NODES, size: 'max' }),
  seed: fc.nat(),
  fanout: fc.option(fc.integer({ min: 1, max: 3 })),
  events: fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 3 }), { maxLength: 40, size: 'max' }),
}
const requests = fc.record({ ...request, strategy: fc.constantFrom(...strategyNames), isKnown: fc.boolean() })
/** On which a braid is a path until links are not known any longer. */
const paths = fc.record({
  ...request,
  nodes: fc.uniqueArray(
    anyNode.map((node) => ({ ...node, weight: 1 })),
    { selector: ({ nodeId }) => nodeId, minLength: 3, maxLength: PATH_NODES, size: 'max' },
  ),
  strategy: fc.constant('braid' as const),
  isKnown: fc.constant(true),
})

const idsOf = (planning: Planning): string[] => [...planning.members].map(({ nodeId }) => nodeId)

/** The events of a batch, about members as they are now. */
const eventsOf = (planning: Planning, batch: readonly Happening[]): readonly PlanEvent[] => {
  const ids = idsOf(planning)
  return batch.map((happening) => {
    if (!('at' in happening)) return happening
    const nodeId = ids[happening.at % Math.max(1, ids.length)] ?? idOf(0)
    const { type, weight, bears } = happening
    return type === 'weighed' ? { type, nodeId, weight, ...bearing(bears) } : { type, nodeId }
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

t.test(
  'a path is the same in both strands until it is woven apart, and everybody has a way all the time',
  async (t) => {
    fc.assert(
      fc.property(paths, fc.nat(), ({ events, ...request }, at) => {
        const planning = startPlanning({ source, ...request })
        const linesOf = (nodeId: string): string[] =>
          need(planning, nodeId).plan.parents.map((line) => JSON.stringify(line))
        const arePaths = (): boolean => idsOf(planning).every((nodeId) => new Set(linesOf(nodeId)).size === 1)
        if (!arePaths() || planning.strandCount !== 2) throw new Error('no path')
        const isEvent = (happening: Happening): boolean => happening.type === 'left' || happening.type === 'finished'
        const quiet = events.map((batch) => batch.filter(isEvent))
        for (const batch of quiet.slice(0, at % (events.length + 1))) {
          planning.take(eventsOf(planning, batch))
          look(planning)
          if (!arePaths()) throw new Error('apart, and links are known')
        }
        const left = idsOf(planning).length
        planning.take([{ type: 'compared', isKnown: false }])
        look(planning)
        if (left > 1 && arePaths()) throw new Error('no strands that run apart')
        for (const batch of events) {
          planning.take(eventsOf(planning, batch))
          look(planning)
        }
      }),
      { numRuns: 300 },
    )
    t.pass()
  },
)

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

const TENTH = 0.1
/** Powers of two, of which a tenth keeps every ratio to the last bit. */
const anyStep = fc.integer({ min: -5, max: 3 }).map((power) => 2 ** power)
type Weighed = { readonly weight: number }
const stepped = <T extends Weighed>(of: T, weight: number): T => ({ ...of, weight })
const slower = <T extends Weighed>(of: T): T => ({ ...of, weight: of.weight * TENTH })
/** The same event of a node, or of what its uplink counts, weighed as `change` has it. */
const changed = (event: PlanEvent, change: <T extends Weighed>(of: T) => T): PlanEvent => {
  if (event.type === 'joined') return { ...event, node: change(event.node) }
  return event.type === 'weighed' ? change(event) : event
}

t.test('what an uplink counts, it counts beside the others: a tenth of all weights gives the same parts', async (t) => {
  const weights = fc.infiniteStream(anyStep)
  fc.assert(
    fc.property(requests, weights, ({ nodes, events, ...request }, weights) => {
      const next = (): number => weights.next().value as number
      const members = nodes.map((node) => stepped(node, next()))
      const one = startPlanning({ source, ...request, nodes: members })
      const other = startPlanning({ source, ...request, nodes: members.map(slower) })
      const seen = (planning: Planning): string =>
        JSON.stringify(idsOf(planning).map((nodeId) => need(planning, nodeId)))
      if (seen(one) !== seen(other)) return false
      return events.every((batch) => {
        const happened = eventsOf(one, batch).map((event) => changed(event, (of) => stepped(of, next())))
        const tenth = happened.map((event) => changed(event, slower))
        return JSON.stringify(one.take(happened)) === JSON.stringify(other.take(tenth)) && seen(one) === seen(other)
      })
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('where all uplinks are alike all serve, however little they count beside those of other plans', async (t) => {
  for (const strategy of ['braid', ...handedNames] as const) {
    const nodes = Array.from({ length: 8 }, (_, at): PlanNode => {
      return { nodeId: idOf(at), host: '10.0.0.2', port: 1, segment: 'a', weight: 0.09 }
    })
    const planning = startPlanning({ source, nodes, strategy, seed: 1 })
    for (let round = 0; round < NODES; round++) {
      const served = idsOf(planning).filter((nodeId) => !isWaiting(need(planning, nodeId).plan))
      planning.take(served.map((nodeId) => ({ type: round % 2 === 0 ? 'ready' : 'finished', nodeId })))
    }
    planning.take([{ type: 'joined', node: { ...(nodes[0] as PlanNode), nodeId: idOf(9) } }])
    const parts = idsOf(planning).map((nodeId) => need(planning, nodeId).plan)
    t.notOk(
      parts.some(({ isSlow }) => isSlow),
      strategy,
    )
    const servers = parts.flatMap(({ parents }) => parents.map(([first]) => first?.nodeId))
    t.ok(servers.filter((server) => server === source.nodeId).length < parts.length, `${strategy}: the source has help`)
  }
})

t.test('who is weighed as less serves fewer or nobody, also when it was said how many it bears', async (t) => {
  for (const strategy of handedNames) {
    const nodeOf = (at: number): PlanNode => {
      return { nodeId: idOf(at), host: '10.0.0.2', port: 1, segment: 'a', weight: 1, bears: 4 }
    }
    const servedBy = (events: readonly PlanEvent[], later: readonly PlanEvent[] = []): number => {
      const nodes = Array.from({ length: NODES }, (_, at) => ({ ...nodeOf(at), rank: at }))
      const planning = startPlanning({ source, sourceBears: 1, nodes, strategy, seed: 1 })
      planning.take([...events, { type: 'ready', nodeId: idOf(0) }, { type: 'finished', nodeId: idOf(0) }, ...later])
      return idsOf(planning).filter((nodeId) => need(planning, nodeId).plan.parents[0]?.[0]?.nodeId === idOf(0)).length
    }
    const weighed = (weight: number, bears: number): PlanEvent => {
      return { type: 'weighed', nodeId: idOf(0), weight, bears }
    }
    t.equal(servedBy([]), 4, strategy)
    t.equal(servedBy([weighed(0.5, 1)]), 1)
    t.equal(servedBy([weighed(1, 2)]), 2, 'only what it bears is another')
    t.equal(servedBy([weighed(0.1, 1)]), 0)
    if (strategy === 'handout') t.equal(servedBy([], [weighed(1, 6)]), 6, 'at once')
  }
})
