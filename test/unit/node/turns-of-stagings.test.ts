// Goal: what is staged waits for its turn without taking anything, and goes on alone when the coordinator is gone.
// Method: a data plane and a clock that the test drives.
import t from 'tap'
import { STAGINGS_AT_ONCE_MAX } from '../../../src/base/limits.js'
import { ALONE_MS } from '../../../src/base/word-limits.js'
import { assignmentId, openParts, somePlan } from '../../support/node-parts.js'
import { until } from '../../support/until.js'

const waiting = { strandCount: 1, parents: [[]], peers: [] }

t.test('while it names no parent a staging opens nothing and takes nobody’s place; then it begins', async (t) => {
  const parts = await openParts(t)
  for (let release = 1; release <= STAGINGS_AT_ONCE_MAX; release++) {
    const site = `site-${release}`
    await parts.stagings.stage({ ...(await parts.command(release)), site, plan: waiting })
  }
  const command = await parts.command(STAGINGS_AT_ONCE_MAX + 1)
  await parts.stagings.stage({ ...command, site: 'another' })
  await parts.execution(0)
  t.same(
    parts.plane.receivers.map((each) => each.assignmentId),
    [command.assignment.id],
  )
  parts.stagings.setPlan(assignmentId(2), { plan: somePlan })
  await parts.execution(1)
  t.match(parts.plane.receivers.at(-1), { assignmentId: assignmentId(2), plan: somePlan })
})

t.test('one that is stopped while it waits ends, and another of its site begins', async (t) => {
  const parts = await openParts(t)
  const first = await parts.command(1)
  await parts.stagings.stage({ ...first, plan: waiting })
  await parts.stagings.discard({ type: 'discard', assignmentId: assignmentId(1), site: 'www', release: 1 })
  t.match(await parts.reported('failure'), { error: { code: 'ENGINE_ERR_CANCELLED' } })
  t.same(parts.stagings.underWay, [])
})

t.test('without a coordinator it goes by its reserve, and not before others would give up on it', async (t) => {
  const parts = await openParts(t)
  await parts.stagings.stage({ ...(await parts.command(1)), plan: waiting, reserve: somePlan })
  await parts.stagings.stage({ ...(await parts.command(2)), site: 'other', plan: waiting })
  parts.clock.advance(10 * ALONE_MS)
  t.equal(parts.plane.receivers.length, 0, 'its coordinator is there')
  parts.isConnected = false
  parts.clock.advance(ALONE_MS - 500)
  t.equal(parts.plane.receivers.length, 0)
  parts.clock.advance(1000)
  await until('it fetches', () => parts.plane.receivers.length === 1)
  t.match(parts.plane.receivers[0], { assignmentId: assignmentId(1), plan: somePlan })
})

t.test(
  'a plan that comes while the order itself waits is not lost, nor undone by the older plan of that',
  async (t) => {
    const parts = await openParts(t)
    const command = await parts.command(1)
    let isBusy = true
    const busy = parts.turns.run('stage www', () => until('the turn before ends', () => !isBusy).then(() => {}))
    const first = parts.stagings.stage({ ...command, plan: waiting })
    parts.stagings.setPlan(assignmentId(1), { plan: somePlan })
    isBusy = false
    await Promise.all([busy, first])
    await parts.execution(0)
    t.match(parts.plane.receivers[0], { assignmentId: assignmentId(1), plan: somePlan })
    // The coordinator was started again: its order comes anew, and news of it right after.
    const other = { ...somePlan, peers: somePlan.parents[0] ?? [] }
    const again = parts.stagings.stage({ ...command, plan: waiting })
    parts.stagings.setPlan(assignmentId(1), { plan: other })
    await again
    t.strictSame(parts.plane.plans.at(-1), { session: 1, plan: other })
  },
)

t.test('what was told before an order came is nothing, and after its turn nothing of it is kept', async (t) => {
  const parts = await openParts(t)
  parts.stagings.setPlan(assignmentId(1), { plan: somePlan })
  await parts.stagings.stage({ ...(await parts.command(1)), plan: waiting })
  t.equal(parts.plane.receivers.length, 0)
  await parts.stagings.discard({ type: 'discard', assignmentId: assignmentId(1), site: 'www', release: 1 })
  await parts.stagings.stage({ ...(await parts.command(1)), plan: waiting })
  t.equal(parts.plane.receivers.length, 0, 'it is told anew')
})
