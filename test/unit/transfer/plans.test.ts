// Goal: a transfer tells its plan what befalls nodes, and hands on whose part changes. Method: a plan that answers
// what it is told to, and notes what it hears.
import t from 'tap'
import type { PeerRef } from '../../../src/model/node.js'
import type { PlanEvent, Planning, PlanPart } from '../../../src/model/plan.js'
import { Plans, type TransferNode } from '../../../src/transfer/plans.js'

const source: PeerRef = { nodeId: 's', host: '10.0.0.1', port: 1 }
const node = (nodeId: string, weight = 1): TransferNode => ({
  nodeId,
  host: '10.0.0.2',
  port: 1,
  segment: 'lan',
  weight,
})
const partOf = (nodeId: string): PlanPart => ({
  nodeId,
  plan: { strandCount: 2, parents: [[source], [source]], peers: [] },
  reserve: null,
})

function plans(members: readonly TransferNode[]): { readonly plans: Plans; readonly heard: (readonly PlanEvent[])[] } {
  const heard: (readonly PlanEvent[])[] = []
  const planning: Planning = {
    strandCount: 2,
    givesTurns: false,
    members,
    partOf,
    take: (events) => {
      heard.push(events)
      return ['a', 'b'].map(partOf)
    },
  }
  return { plans: new Plans(() => planning, source, members), heard }
}

t.test('the source has no parent in any strand', async (t) => {
  t.same(plans([]).plans.ofSource, { strandCount: 2, parents: [[], []], peers: [] })
})

t.test('who asks for its part joins, and is not among the others whose part changes', async (t) => {
  const { plans: these, heard } = plans([node('a')])
  const { part, changed } = these.partOf(node('b'))
  t.same(part, partOf('b'))
  t.same(changed, [partOf('a')])
  t.same(heard, [[{ type: 'joined', node: node('b') }]])
})

t.test('of uplinks, those are told that count differently, and nothing when none does', async (t) => {
  const { plans: these, heard } = plans([node('a'), node('b')])
  these.reweigh(() => ({ weight: 1 }), false)
  t.same(heard, [[{ type: 'compared', isKnown: false }]])
  these.reweigh((nodeId) => ({ weight: nodeId === 'b' ? 0.05 : 1 }), true)
  t.same(heard[1], [
    { type: 'weighed', nodeId: 'b', weight: 0.05 },
    { type: 'compared', isKnown: true },
  ])
  these.reweigh((nodeId) => (nodeId === 'a' ? { weight: 1, bears: 3 } : { weight: 1 }), true)
  t.same(heard[2], [
    { type: 'weighed', nodeId: 'a', weight: 1, bears: 3 },
    { type: 'compared', isKnown: true },
  ])
})
