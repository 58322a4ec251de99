// Goal: in a plan that was woven, members keep their places, others join below them, a moved one is told to its
// neighbours, and those whom a lost one served turn to whom their relays turn to. Method: chains, seen by hand.
import t from 'tap'
import type { Planning, PlanNode, StrategyName } from '../../../src/model/plan.js'
import { startPlanning } from '../../../src/plan/index.js'

const source = { nodeId: 's', host: '10.0.0.1', port: 1 }
const node = (nodeId: string, port = 1): PlanNode => ({ nodeId, host: '10.0.0.2', port, segment: 'lan', weight: 1 })
const start = (names: string, strategy: StrategyName = 'chain'): Planning =>
  startPlanning({ source, nodes: [...names].map((name) => node(name)), strategy, seed: 7 })
/** Whom a node turns to, in order. */
const line = (planning: Planning, nodeId: string): string =>
  planning
    .partOf(nodeId)
    ?.plan.parents.map((strand) => strand.map((peer) => peer.nodeId).join(''))
    .join(' ') ?? 'nobody'

t.test('a member has its place, a newcomer is below a member, and nobody else is told', async (t) => {
  const planning = start('ab')
  t.equal(line(planning, 'b'), 'as')
  t.same(
    planning.take([{ type: 'joined', node: node('z') }]).map(({ nodeId }) => nodeId),
    ['z'],
  )
  t.equal(line(planning, 'z'), 'bas', 'below the end, whose uplink is free')
  t.same(planning.take([{ type: 'joined', node: node('z') }]), [], 'once')
})

t.test('a newcomer that leaves changes nobody’s part', async (t) => {
  const planning = start('abcd')
  const lines = (): string[] => ['y', 'z'].map((name) => line(planning, name))
  for (const name of 'xyz') planning.take([{ type: 'joined', node: node(name) }])
  const before = lines()
  t.same(planning.take([{ type: 'left', nodeId: 'x' }]), [])
  t.equal(planning.partOf('x'), null)
  t.same(lines(), before)
})

t.test('a member that listens elsewhere keeps its place, and those that name it are told', async (t) => {
  const planning = start('abc')
  planning.take([{ type: 'joined', node: node('z') }])
  const told = planning.take([{ type: 'joined', node: node('a', 77) }]).map(({ nodeId }) => nodeId)
  t.same(told.sort(), ['b', 'c', 'z'])
  t.equal(line(planning, 'b'), 'as')
  t.equal(planning.partOf('b')?.plan.parents[0]?.[0]?.port, 77)
  t.same(planning.take([{ type: 'joined', node: node('a', 77) }]), [], 'once')
})

t.test('whom a lost one served turns to the next of its line, and the others keep theirs', async (t) => {
  const planning = start('abcd')
  const told = planning.take([{ type: 'left', nodeId: 'b' }])
  t.same(
    told.map(({ nodeId }) => nodeId),
    ['c', 'd'],
  )
  t.same(
    ['a', 'c', 'd'].map((name) => line(planning, name)),
    ['s', 'as', 'cas'],
  )
  t.equal(planning.partOf('b'), null)
  t.same(planning.take([{ type: 'left', nodeId: 'b' }]), [], 'once')
})

t.test('of a braid that loses a node, the parents are those that its relays had next', async (t) => {
  const planning = start('abcdefgh', 'braid')
  const before = new Map([...'abcdefgh'].map((name) => [name, planning.partOf(name)]))
  planning.take([{ type: 'left', nodeId: 'c' }])
  for (const name of 'abdefgh') {
    for (const [strand, parents] of (before.get(name)?.plan.parents ?? []).entries()) {
      const next = parents.map((peer) => peer.nodeId).find((other) => other !== 'c')
      t.equal(planning.partOf(name)?.plan.parents[strand]?.[0]?.nodeId, next, `${name} in strand ${strand}`)
    }
  }
})

t.test('when uplinks count differently, who is slow goes last', async (t) => {
  const chain = start('abc')
  chain.take([{ type: 'weighed', nodeId: 'b', weight: 0.05 }])
  t.same(
    ['a', 'b', 'c'].map((name) => line(chain, name)),
    ['s', 'cas', 'as'],
  )
  t.same(chain.take([{ type: 'weighed', nodeId: 'b', weight: 0.05 }]), [], 'once')
})

t.test('of a large braid few move for one that becomes slow, and fewer when it is not any more', async (t) => {
  const nodes = Array.from({ length: 64 }, (_, at) => node(`n${String(at).padStart(2, '0')}`))
  const planning = startPlanning({ source, nodes, strategy: 'braid', seed: 7 })
  const parentsOf = ({ nodeId }: PlanNode): string => line(planning, nodeId).replaceAll(/(n..|s)\S*/g, '$1')
  const before = new Map(nodes.map((each) => [each.nodeId, parentsOf(each)]))
  const slow = nodes[9] as PlanNode
  const told = planning.take([{ type: 'weighed', nodeId: slow.nodeId, weight: 0.3 }])
  const moved = nodes.filter((each) => parentsOf(each) !== before.get(each.nodeId))
  t.ok(moved.length > 0 && moved.length <= 8, `${moved.length} moved`)
  t.ok(told.length <= 32, `${told.length} told`)
  t.notOk(
    nodes.some((each) =>
      line(planning, each.nodeId)
        .split(' ')
        .some((one) => one.startsWith(slow.nodeId)),
    ),
    'it serves nobody',
  )
  const after = new Map(nodes.map((each) => [each.nodeId, parentsOf(each)]))
  planning.take([{ type: 'weighed', nodeId: slow.nodeId, weight: 1 }])
  const back = nodes.filter((each) => parentsOf(each) !== after.get(each.nodeId))
  t.ok(back.length <= 4, `${back.length} move when it is slow no more`)
})

t.test('where more of a large braid are slow than others can stand in for, it keeps its strands', async (t) => {
  const nodes = Array.from({ length: 64 }, (_, at) => node(`n${String(at).padStart(2, '0')}`))
  const planning = startPlanning({ source, nodes, strategy: 'braid', seed: 7 })
  for (const at of [9, 20, 33]) planning.take([{ type: 'weighed', nodeId: nodes[at]?.nodeId ?? '', weight: 0.3 }])
  t.equal(planning.strandCount, 2)
  // Whoever serves three where two are usual is so far down that few wait for what it is late with.
  const parentOf = (nodeId: string, strand: number): string =>
    planning.partOf(nodeId)?.plan.parents[strand]?.[0]?.nodeId ?? 's'
  const depthOf = (nodeId: string, strand: number): number =>
    nodeId === 's' ? 0 : 1 + depthOf(parentOf(nodeId, strand), strand)
  const strands = [0, 1]
  const depths = strands.flatMap((strand) => nodes.map(({ nodeId }) => depthOf(nodeId, strand)))
  for (const strand of strands) {
    for (const { nodeId } of nodes) {
      const served = nodes.filter((each) => parentOf(each.nodeId, strand) === nodeId)
      if (served.length > 2)
        t.ok(depthOf(nodeId, strand) >= Math.max(...depths) - 2, `${nodeId} is far from the source`)
    }
  }
})

t.test('a chain follows the order that is wanted', async (t) => {
  const nodes = [{ ...node('a') }, { ...node('b'), rank: 1 }, { ...node('c'), rank: 0 }]
  const planning = startPlanning({ source, nodes, strategy: 'chain', seed: 7 })
  t.same(
    ['a', 'b', 'c'].map((name) => line(planning, name)),
    ['bcs', 'cs', 's'],
  )
})

t.test('a braid over links that are known is a path in both strands, and comes apart when they are not', async (t) => {
  const nodes = [...'abcdefgh'].map((name) => node(name))
  const planning = startPlanning({ source, nodes, strategy: 'braid', seed: 7, isKnown: true })
  t.equal(planning.strandCount, 2)
  t.same(
    [...'abc'].map((name) => line(planning, name)),
    ['s s', 'as as', 'bas bas'],
  )
  t.same(planning.take([{ type: 'compared', isKnown: true }]), [], 'as they were')
  planning.take([{ type: 'weighed', nodeId: 'b', weight: 0.05 }])
  t.same(
    [...'acb'].map((name) => line(planning, name)),
    ['s s', 'as as', 'hgfedcas hgfedcas'],
    'who is slow comes last',
  )
  planning.take([{ type: 'compared', isKnown: false }])
  const isApart = [...'abcdefgh'].some((name) => new Set(line(planning, name).split(' ')).size > 1)
  t.ok(isApart)
  t.same(planning.take([{ type: 'compared', isKnown: true }]), [], 'and stays so')
  const many = Array.from({ length: 100 }, (_, at) => node(String.fromCodePoint(97 + at)))
  const broad = startPlanning({ source, nodes: many, strategy: 'braid', seed: 7, isKnown: true })
  const lines = many.map(({ nodeId }) => line(broad, nodeId).split(' '))
  t.ok(
    lines.some(([first, second]) => first !== second),
    'of many a path is too long',
  )
})

t.test(
  'half of the nodes at half the rate, both ways, are the end of a path, and hold up none of the others',
  async (t) => {
    const half = (name: string): PlanNode => ({ ...node(name), weight: 0.5 })
    const of = (slow: (name: string) => PlanNode): Planning => {
      const nodes = [...'abcdefgh'].map((name) => ('aceg'.includes(name) ? slow(name) : node(name)))
      return startPlanning({ source, nodes, strategy: 'braid', seed: 7, isKnown: true })
    }
    const known = of((name) => ({ ...half(name), takes: 0.5 }))
    t.equal(known.strandCount, 2)
    const parents = new Map([...'abcdefgh'].map((name) => [name, line(known, name).split(' ')]))
    t.ok([...parents.values()].every(([first, second]) => first === second))
    t.notOk([...'bdfh'].some((name) => /[aceg]/.test(line(known, name))))
    t.equal(new Set([...parents.values()].map(([first = '']) => first[0])).size, 8, 'each serves one')
    t.not(of(half).strandCount, 2, 'who may take all is not held to what one of them gives')
  },
)

t.test(
  'who joins is below those that are not slow, and nobody waits for one that is, or turns out to be',
  async (t) => {
    const weighs = (nodeId: string, weight: number): PlanNode => ({ ...node(nodeId), weight })
    const nodes = [...[...'abcd'].map((name) => weighs(name, 0.1)), weighs('e', 0.01)]
    const planning = startPlanning({ source, nodes, strategy: 'braid', seed: 7 })
    const isSlow = (nodeId: string): boolean => planning.partOf(nodeId)?.plan.isSlow === true
    const leaves = Array.from({ length: 20 }, (_, at) => String.fromCodePoint(102 + at))
    planning.take(leaves.map((name) => ({ type: 'joined', node: weighs(name, 0.1) })))
    t.notOk(leaves.some((name) => isSlow(name)))
    t.notOk(
      leaves.some((name) =>
        line(planning, name)
          .split(' ')
          .some((strand) => strand.startsWith('e')),
      ),
    )
    const weighed = (weight: number): readonly string[] =>
      planning.take([{ type: 'weighed', nodeId: 'f', weight }]).map(({ nodeId }) => nodeId)
    t.same(weighed(0.01), ['f'])
    t.ok(isSlow('f'))
    t.same(weighed(0.011), [], 'slow as before')
    t.same(weighed(0.1), ['f'])
    t.notOk(isSlow('f'))
  },
)
