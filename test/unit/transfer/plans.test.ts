// Goal: members keep their places, others join below them, a moved one is told to its neighbours.
// Method: a planner that makes a chain, so that every place can be seen.
import t from 'tap'
import type { PeerRef } from '../../../src/model/node.js'
import { type Planner, Plans, type TransferNode } from '../../../src/transfer/plans.js'

const source: PeerRef = { nodeId: 's', host: '10.0.0.1', port: 1 }
const node = (nodeId: string, port = 1): TransferNode => ({ nodeId, host: '10.0.0.2', port, segment: 'lan', weight: 1 })
const peer = ({ nodeId, host, port }: PeerRef): PeerRef => ({ nodeId, host, port })

const chained: Planner = {
  make(from, nodes) {
    const parts = nodes.map((each, at) => {
      const parents = [[...nodes.slice(0, at).reverse().map(peer), from]]
      return [each.nodeId, { strandCount: 1, parents, peers: [] }] as const
    })
    return { strategy: 'chain', strandCount: 1, nodes: new Map(parts) }
  },
  join: (_plan, from, members) => ({ strandCount: 1, parents: [[...members.slice(0, 1).map(peer), from]], peers: [] }),
}

t.test('the source has no parent in any strand', async (t) => {
  t.same(new Plans(chained, source, [node('a')]).ofSource, { strandCount: 1, parents: [[]], peers: [] })
})

t.test('a member has its place, a newcomer is below a member', async (t) => {
  const plans = new Plans(chained, source, [node('a'), node('b')])
  t.same(plans.partOf(node('b')).plan.parents, [[peer(node('a')), source]])
  t.same(plans.partOf(node('z')).plan.parents, [[peer(node('a')), source]])
})

t.test('a member that listens elsewhere keeps its place, and those that name it are told', async (t) => {
  const plans = new Plans(chained, source, [node('a'), node('b'), node('c')])
  plans.partOf(node('z'))
  const { plan, changed } = plans.partOf(node('b', 77))
  t.same(plan.parents, [[peer(node('a')), source]])
  t.same(
    changed.map((part) => part.nodeId),
    ['c'],
  )
  t.same(changed[0]?.plan.parents[0]?.[0], peer(node('b', 77)))
  t.same(plans.partOf(node('b', 77)).changed, [], 'once')
  t.same(
    plans
      .partOf(node('a', 78))
      .changed.map((part) => part.nodeId)
      .sort(),
    ['b', 'c', 'z'],
  )
})

t.test('when uplinks count differently, those are told whose part changes, and nobody when none does', async (t) => {
  /** The lightest goes last. */
  const byWeight: Planner = {
    ...chained,
    make: (from, nodes) =>
      chained.make(
        from,
        [...nodes].sort((a, b) => b.weight - a.weight),
      ),
  }
  const plans = new Plans(byWeight, source, [node('a'), node('b'), node('c')])
  t.same(
    plans.reweigh(() => 1),
    [],
  )
  const changed = plans.reweigh((nodeId) => (nodeId === 'b' ? 0.05 : 1))
  t.same(
    changed.map((part) => [part.nodeId, part.plan.parents[0]?.map(({ nodeId }) => nodeId)]),
    [
      ['b', ['c', 'a', 's']],
      ['c', ['a', 's']],
    ],
  )
  t.same(
    plans.reweigh((nodeId) => (nodeId === 'b' ? 0.05 : 1)),
    [],
    'once',
  )
  t.same(plans.partOf(node('b')).plan.parents[0]?.[0]?.nodeId, 'c', 'it lasts')
})
