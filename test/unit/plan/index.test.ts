// Goal: the planner gives each strategy its shape. Method: small plans, looked at by hand.
import t from 'tap'
import type { Plan, PlanNode, WovenName } from '../../../src/model/plan.js'
import { addLoads, joinPlan, loadsOf } from '../../../src/plan/joining.js'
import { countOf, edgesOf, planOf } from '../../support/plans.js'

const source = { nodeId: 's', host: '10.0.0.1', port: 7500 }

function nodesNamed(names: string, segmentOf: (name: string) => string = () => 'lan'): PlanNode[] {
  return [...names].map((name) => ({ nodeId: name, segment: segmentOf(name), host: '10.0.0.2', port: 7500, weight: 1 }))
}

function plan(strategy: WovenName, nodes: readonly PlanNode[]): Plan {
  return planOf({ source, nodes, strategy, seed: 7 })
}

/** `child<parent` for each node of a strand, in the order of the children's names. */
function edges(of: Plan, strand: number): string {
  return [...of.nodes]
    .map(([id, part]) => `${id}<${part.parents[strand]?.[0]?.nodeId}`)
    .sort()
    .join(' ')
}

/** How many children the source and each node have, over all strands. */
const childrenOf = (of: Plan): ReadonlyMap<string, number> => countOf(edgesOf(of).map(({ parent }) => parent))

t.test('a star has the source as everybody’s parent', async (t) => {
  t.equal(edges(plan('star', nodesNamed('abc')), 0), 'a<s b<s c<s')
})

t.test('a chain serves one from the other', async (t) => {
  t.equal(edges(plan('chain', nodesNamed('abcd')), 0), 'a<s b<a c<b d<c')
})

t.test('a tree gives two children each, in the order in which they can be served', async (t) => {
  t.equal(edges(plan('tree', nodesNamed('abcdef')), 0), 'a<s b<s c<a d<a e<b f<c')
})

t.test('strands over no node, one and two are no slower than a star', async (t) => {
  t.equal(plan('braid', []).nodes.size, 0)
  t.equal(edges(plan('braid', nodesNamed('a')), 0), 'a<s')
  const two = plan('braid', nodesNamed('ab'))
  t.equal(two.strandCount, 2)
  t.equal(edges(two, 0), 'a<s b<a')
  t.equal(edges(two, 1), 'a<b b<s')
})

t.test(
  'two strands over eight nodes: inner in one, a leaf in the other, the source sends everything once',
  async (t) => {
    const eight = plan('braid', nodesNamed('abcdefgh'))
    t.equal(eight.strandCount, 2)
    const inner = [0, 1].map(
      (strand) =>
        new Set([...eight.nodes.values()].map((part) => part.parents[strand]?.[0]?.nodeId).filter((id) => id !== 's')),
    )
    t.equal(inner[0]?.size, 4)
    t.equal(inner[1]?.size, 4)
    t.equal(new Set([...(inner[0] ?? []), ...(inner[1] ?? [])]).size, 8, 'nobody is inner twice')
    const counts = childrenOf(eight)
    t.equal(counts.get('s'), 2)
    t.ok([...counts].every(([id, count]) => id === 's' || count <= 2))
  },
)

t.test('when a relay is gone, its children turn to those who served it in the other strands', async (t) => {
  const braid = plan('braid', nodesNamed('abcdefgh'))
  const serverOf = (nodeId: string, strand: number): string | undefined =>
    braid.nodes.get(nodeId)?.parents[strand]?.[0]?.nodeId
  for (const { strand, parent, next, child } of edgesOf(braid)) {
    if (parent === 's') continue
    t.ok(
      [0, 1].some((each) => next === serverOf(parent, each)),
      `${child} turns from ${parent} to ${next} in ${strand}`,
    )
  }
})

t.test('a slow uplink forwards nothing while the others suffice, a fast one more', async (t) => {
  const nodes = nodesNamed('abcdefgh').map((node) => ({
    ...node,
    weight: node.nodeId === 'c' ? 0.05 : node.nodeId === 'd' ? 3 : 1,
  }))
  const counts = childrenOf(plan('braid', nodes))
  t.equal(counts.get('c') ?? 0, 0)
  t.ok((counts.get('d') ?? 0) >= 3)
})

t.test('a braid has as many strands as it takes to ask nobody for much more than it can give', async (t) => {
  const weighed = (weightOf: (name: string) => number): number =>
    plan(
      'braid',
      nodesNamed('abcdefghij').map((node) => ({ ...node, weight: weightOf(node.nodeId) })),
    ).strandCount
  t.equal(
    weighed(() => 1),
    2,
  )
  t.equal(
    weighed((name) => (name === 'a' ? 0.05 : 1)),
    2,
    'nine do what ten did',
  )
  t.ok(weighed((name) => ('abc'.includes(name) ? 0.05 : 1)) > 2, 'seven would be asked for three slots of two')
  t.ok(weighed((name) => ('abcde'.includes(name) ? 0.5 : 1)) > 2)
})

t.test('a chain enters each segment once', async (t) => {
  const nodes = nodesNamed('abcdef', (name) => ('ace'.includes(name) ? 'east' : 'west'))
  const chain = plan('chain', nodes)
  const segmentOf = new Map(nodes.map((node) => [node.nodeId, node.segment]))
  const crossings = [...chain.nodes].filter(([id, part]) => {
    const parent = part.parents[0]?.[0]?.nodeId ?? ''
    return parent !== 's' && segmentOf.get(parent) !== segmentOf.get(id)
  })
  t.equal(crossings.length, 1)
})

/** By segment: how often a strand enters it or leaves it, over all strands; `home` is where the source is. */
function crossingsOf(of: Plan, nodes: readonly PlanNode[], home: string): readonly { from: string; to: string }[] {
  const segmentOf = new Map([['s', home], ...nodes.map(({ nodeId, segment }): [string, string] => [nodeId, segment])])
  const ways = edgesOf(of).map(({ parent, child }) => ({
    from: segmentOf.get(parent) ?? '',
    to: segmentOf.get(child) ?? '',
  }))
  return ways.filter(({ from, to }) => from !== to)
}

t.test('each strand enters a segment once, and no segment sends out more than one copy', async (t) => {
  const nodes = nodesNamed('abcdefghijkl', (name) => ('abc'.includes(name) ? 'x' : 'defgh'.includes(name) ? 'y' : 'z'))
  for (const home of ['x', 'elsewhere']) {
    const woven = planOf({ source, home, nodes, strategy: 'braid', seed: 7 })
    const ways = crossingsOf(woven, nodes, home)
    const others = ['x', 'y', 'z'].filter((segment) => segment !== home)
    t.same(countOf(ways.map(({ to }) => to).sort()), new Map(others.map((segment) => [segment, woven.strandCount])))
    const most = Math.max(...countOf(ways.map(({ from }) => from)).values())
    t.ok(most <= woven.strandCount, `one sends out ${most}, from ${home}`)
    const load = Math.max(...childrenOf(woven).values())
    t.ok(load <= woven.strandCount, `somebody serves ${load}, from ${home}`)
  }
})

t.test('who joins a plan without members is served by the source', async (t) => {
  const joined = joinPlan(plan('braid', []), source, [], { nodeId: 'n', segment: 'lan' })
  t.same(joined.parents, [[source]])
  t.same(joined.peers, [])
})

t.test(
  'who joins is fed by members of its own segment, and by any where it has none; the near are asked first',
  async (t) => {
    const nodes = nodesNamed('abcdefghij', (name) => (name < 'c' ? 'near' : 'far'))
    const woven = plan('braid', nodes)
    for (const nodeId of 'klmnopqrst') {
      const near = joinPlan(woven, source, nodes, { nodeId, segment: 'near' })
      for (const [parent] of near.parents) t.match(parent?.nodeId, /^[ab]$/)
      t.same(
        near.parents.map((strand) => strand.at(-1)),
        [source, source],
        'and by the source where these fail',
      )
      t.same(
        near.peers
          .map((peer) => peer.nodeId)
          .slice(0, 2)
          .toSorted(),
        ['a', 'b'],
      )
      const alone = joinPlan(woven, source, nodes, { nodeId, segment: 'elsewhere' })
      t.not(alone.parents[0]?.[0]?.nodeId, source.nodeId)
    }
  },
)

t.test('who joins a path is fed by its end, whose uplink is free, and all others by those who serve one', async (t) => {
  const nodes = nodesNamed('abcdefgh', () => 'lan')
  const path = planOf({ source, nodes, strategy: 'chain', seed: 1 })
  const served = new Set([...path.nodes.values()].map(({ parents }) => parents[0]?.[0]?.nodeId))
  const end = nodes.find(({ nodeId }) => !served.has(nodeId))?.nodeId
  const loads = loadsOf(path.nodes.values())
  const parents = [...'klmnopqr'].map((nodeId) => {
    const joined = joinPlan(path, source, nodes, { nodeId, segment: 'lan' }, loads)
    addLoads(loads, joined)
    return joined.parents[0]?.[0]?.nodeId
  })
  t.equal(parents[0], end)
  const byParent = countOf(parents)
  t.equal(Math.max(...byParent.values()), 2, 'nobody serves more than two of them')
})

t.test('who joins is fed by the fastest, if that has most to spare', async (t) => {
  const nodes = nodesNamed('abcd', () => 'lan').map((node) => ({ ...node, weight: node.nodeId === 'c' ? 9 : 1 }))
  const path = planOf({ source, nodes: nodes.map((node) => ({ ...node, weight: 1 })), strategy: 'chain', seed: 1 })
  t.equal(joinPlan(path, source, nodes, { nodeId: 'k', segment: 'lan' }).parents[0]?.[0]?.nodeId, 'c')
})

t.test('a braid of ten thousand is planned in one go', async (t) => {
  const many = Array.from({ length: 10_000 }, (_, at) => ({
    nodeId: at.toString(16).padStart(32, '0'),
    segment: 'lan',
    host: '10.0.0.2',
    port: 7500,
    weight: 1,
  }))
  t.equal(plan('braid', many).nodes.size, 10_000)
})
