// Goal: what is known of links decides what nodes count, when their turn comes, and how many they feed.
// Method: a roster made by hand, a clock that is moved.
import t from 'tap'
import { KnownNode, Roster } from '../../../src/coordinator/roster.js'
import { Uplinks } from '../../../src/coordinator/uplinks.js'
import { Weighing } from '../../../src/plan/weighing.js'
import { ManualClock } from '../../support/manual-clock.js'
import { nodeIdentity } from '../../support/records.js'

const MBIT = 1_000_000
const OWN = '0'.repeat(32)

function place(...names: readonly string[]) {
  const clock = new ManualClock()
  const roster = new Roster()
  const nodes = names.map((name) => new KnownNode(nodeIdentity({ name, id: name.padEnd(32, '0') }), [], 0))
  for (const node of nodes) {
    roster.add(node)
    node.link = { send: () => {}, close: () => {} } as unknown as NonNullable<KnownNode['link']>
  }
  let limitBps: number | null = null
  const own = { nodeId: OWN, limitBps: () => limitBps, load: () => 0 }
  const weighing = new Weighing()
  const uplinks = new Uplinks({ roster, weighing, clock, own })
  const ids = nodes.map(({ identity }) => identity.id) as [string, string, string]
  return { clock, nodes, ids, plan: planOf(ids), weighing, uplinks, limitOwn: (bps: number) => (limitBps = bps) }
}
const planOf = (ids: readonly string[]) => ({ members: ids.map((nodeId) => ({ nodeId })) })
const measured = (mbit: number) => ({ rateBps: mbit * MBIT, spanMs: 100, bytes: 1 })

t.test('a rate is the best of what is fresh, and grows stale', async (t) => {
  const { clock, ids, plan, uplinks } = place('n1', 'n2')
  const [n1, n2] = ids
  t.equal(uplinks.rateOf(n1), null)
  t.same(uplinks.factsOf(n1, plan), { bears: 2 })
  uplinks.measured(n1, OWN, 'train', measured(100))
  uplinks.measured(n1, n2, 'train', measured(10))
  t.match(uplinks.rateOf(n1), { rateBps: 100 * MBIT, how: 'train', ageMs: 0, isStale: false })
  t.match(uplinks.factsOf(n1, plan), { uplink: { rateBps: 100 * MBIT, isFresh: true } })
  clock.advance(11 * 60_000)
  t.match(uplinks.rateOf(n1), { rateBps: 100 * MBIT, isStale: true, ageMs: 11 * 60_000 })
  t.match(uplinks.factsOf(n1, plan), { uplink: { isFresh: false }, bears: 2 })
  uplinks.measured(n1, n2, 'train', measured(10))
  t.match(uplinks.rateOf(n1), { rateBps: 10 * MBIT, isStale: false }, 'stale ones count where there is nothing else')
})

t.test('what transfers showed is known, and is no measurement for its own sake', async (t) => {
  const { ids, plan, uplinks } = place('n1')
  uplinks.seen(ids[0], 80 * MBIT)
  uplinks.seen(ids[0], 90 * MBIT)
  t.match(uplinks.rateOf(ids[0]), { rateBps: 90 * MBIT, how: 'passive', isStale: false })
  t.match(uplinks.factsOf(ids[0], plan), { uplink: { rateBps: 90 * MBIT, isFresh: false } })
})

t.test('a node feeds as many as its uplink fills, within its limit, and fewer on a busy machine', async (t) => {
  const { nodes, ids, plan, uplinks } = place('n1', 'n2', 'n3')
  const [n1, n2, n3] = ids
  for (const id of [n2, n3]) uplinks.measured(OWN, id, 'train', measured(100))
  uplinks.measured(n1, OWN, 'train', measured(400))
  t.equal(uplinks.bearsOf(n1, plan), 4)
  t.equal(uplinks.bearsOf(OWN, plan), 1)
  t.equal(uplinks.bearsOf(n2, plan), 2, 'nobody has measured what it can send')
  const [node] = nodes as [KnownNode]
  node.load = 2
  t.equal(uplinks.bearsOf(n1, plan), 2)
  node.load = null
  node.limit = { bandwidth: '200Mbit', rateBps: 200 * MBIT }
  uplinks.changed()
  t.equal(uplinks.bearsOf(n1, plan), 2)
})

t.test('plans count by what was measured, once most nodes were', async (t) => {
  const { clock, ids, plan, uplinks } = place('n1', 'n2', 'n3')
  const [n1, n2, n3] = ids
  uplinks.measured(n1, OWN, 'train', measured(20))
  t.equal(uplinks.weightOf(n1, plan), 1, 'one alone says nothing')
  for (const id of [n2, n3]) uplinks.measured(id, OWN, 'train', measured(95))
  t.ok(uplinks.weightOf(n1, plan) < 0.3)
  t.equal(uplinks.weightOf(n2, plan), 1)
  clock.advance(11 * 60_000)
  t.equal(uplinks.weightOf(n1, plan), 1, 'it is stale')
})

t.test('what a limit of the sender made of it tells nothing of who received', async (t) => {
  const { ids, plan, uplinks, limitOwn } = place('n1', 'n2')
  const [n1, n2] = ids
  limitOwn(10 * MBIT)
  uplinks.measured(OWN, n2, 'train', measured(9.9))
  uplinks.measured(n1, OWN, 'train', measured(400))
  t.equal(uplinks.bearsOf(n1, plan), 2, 'what a node takes is not known')
  uplinks.measured(OWN, n2, 'train', measured(5))
  t.equal(uplinks.bearsOf(n1, plan), 8, 'half of what its sender may give is its own')
})

t.test('links are known of those who were all measured lately, of few enough to make a difference', async (t) => {
  const { clock, ids, uplinks } = place('n1', 'n2', 'n3')
  const [n1, n2, n3] = ids
  uplinks.measured(n1, OWN, 'train', measured(100))
  uplinks.measured(n2, OWN, 'train', measured(100))
  uplinks.seen(n3, 100 * MBIT)
  t.ok(uplinks.areKnown([n1, n2]))
  t.notOk(uplinks.areKnown([n1, n2, n3]), 'what a transfer gave may be no more than was there to give')
  t.notOk(uplinks.areKnown(Array.from({ length: 65 }, () => n1)))
  clock.advance(11 * 60_000)
  t.notOk(uplinks.areKnown([n1, n2]))
})

t.test('an uplink counts beside those of its own plan, however slow these are beside all others', async (t) => {
  const { nodes, ids, uplinks } = place('n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7')
  const [near, far] = [ids.slice(0, 3), ids.slice(3)]
  for (const id of near) uplinks.measured(id, OWN, 'train', measured(100))
  for (const id of near) uplinks.measured(OWN, id, 'train', measured(50))
  for (const id of far) uplinks.measured(id, OWN, 'train', measured(1000))
  for (const id of far) uplinks.measured(OWN, id, 'train', measured(1000))
  const plan = planOf(near)
  t.same(
    near.map((id) => uplinks.weightOf(id, plan)),
    [1, 1, 1],
  )
  t.equal(uplinks.bearsOf(ids[0], plan), 2)
  t.ok(uplinks.weightOf(ids[0], planOf(ids)) < 0.2)
  const [limited] = nodes as [KnownNode]
  limited.limit = { bandwidth: '50Mbit', rateBps: 50 * MBIT }
  uplinks.changed()
  t.equal(uplinks.weightOf(ids[0], plan), 0.5)
})

t.test('what transfers showed of an uplink counts before what was measured of it', async (t) => {
  const { ids, plan, weighing, uplinks } = place('n1', 'n2', 'n3')
  for (const id of ids) uplinks.measured(id, OWN, 'train', measured(400))
  for (const id of ids) uplinks.measured(OWN, id, 'train', measured(100))
  t.equal(uplinks.bearsOf(ids[0], plan), 4)
  weighing.weightOf = (nodeId) => (nodeId === ids[0] ? 0.5 : 1)
  t.equal(uplinks.weightOf(ids[0], plan), 0.5)
  t.equal(uplinks.bearsOf(ids[0], plan), 1)
})

t.test('what a node takes counts beside what uplinks give, once both were measured', async (t) => {
  const { ids, plan, uplinks } = place('n1', 'n2', 'n3')
  const [n1, n2, n3] = ids
  uplinks.measured(OWN, n1, 'train', measured(50))
  t.equal(uplinks.takesOf(n1, plan), null, 'of uplinks nothing is known')
  uplinks.measured(n1, OWN, 'train', measured(50))
  for (const id of [n2, n3]) uplinks.measured(id, OWN, 'train', measured(100))
  t.equal(uplinks.takesOf(n1, plan), 0.5)
  t.equal(uplinks.takesOf(n2, plan), null)
  uplinks.measured(OWN, n2, 'train', measured(95))
  t.equal(uplinks.takesOf(n2, plan), 1, 'nearly the same is the same')
})
