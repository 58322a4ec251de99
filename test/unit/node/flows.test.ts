// Goal: a coordinator hears of a link that has broken down within an eighth of a second, and else four times a second.
// Method: counters of a relay as a test has them, by a clock that it moves.
import t from 'tap'
import { FLOWS_LOOK_MS, FLOWS_QUIET_MS } from '../../../src/base/transfer-limits.js'
import type { Flows } from '../../../src/control/schema/channel.js'
import type { SessionStatus } from '../../../src/native/relay.js'
import { FlowTeller } from '../../../src/node/flows.js'
import { ManualClock } from '../../support/manual-clock.js'

const nodeId = 'b'.repeat(32)

/** A relay that serves one child, always busy. */
function place() {
  const clock = new ManualClock()
  const told: Flows[] = []
  const child = { nodeId, sentBytes: 0, busyMs: 0, askedMs: 0 }
  let isThere = true
  const poll = () => (isThere ? ([{ session: 1, children: [{ ...child }] }] as unknown as SessionStatus[]) : [])
  const teller = new FlowTeller({ clock, poll, send: (flows) => told.push(flows) })
  const pass = (looks: number, bytesPerMs: number): readonly Flows[] => {
    told.length = 0
    for (let look = 0; look < looks; look++) {
      child.sentBytes += bytesPerMs * FLOWS_LOOK_MS
      child.busyMs += FLOWS_LOOK_MS
      child.askedMs += FLOWS_LOOK_MS
      clock.advance(FLOWS_LOOK_MS)
    }
    return [...told]
  }
  return { teller, pass, told, leave: () => (isThere = false) }
}

t.test('what goes on is told at every second look', async (t) => {
  const { pass, teller } = place()
  pass(4, 10_000)
  const told = pass(8, 10_000)
  t.equal(told.length, 4)
  t.ok(told.every(({ hurried, flows }) => !hurried && flows?.[0]?.rateBps === 80_000_000))
  teller.close()
  t.same(pass(4, 10_000), [])
})

t.test('a link that breaks down is told of at once, and then as ever', async (t) => {
  const { pass } = place()
  pass(6, 10_000)
  t.match(pass(1, 3000), [{ hurried: true, flows: [{ to: nodeId, rateBps: 24_000_000 }] }])
  t.same(
    pass(7, 3000).map(({ hurried }) => hurried),
    [true, false, false, false, false],
  )
})

t.test('a link that gives half of what it gave has not broken down', async (t) => {
  const { pass } = place()
  pass(6, 10_000)
  t.ok(pass(6, 5000).every(({ hurried }) => !hurried))
})

t.test('a link by which nothing goes any more is not slow: who receives may be gone', async (t) => {
  const { pass } = place()
  pass(6, 10_000)
  t.ok(pass(6, 0).every(({ hurried }) => !hurried))
})

t.test('that nobody is served any more is told once', async (t) => {
  const { pass, leave } = place()
  pass(6, 10_000)
  leave()
  t.same(pass(6, 0), [{ type: 'flows', flows: [], hurried: false, quietMs: FLOWS_QUIET_MS }])
})

t.test('of a slow link there is something to tell more seldom, and each second that it is there', async (t) => {
  const { pass } = place()
  pass(6, 10_000)
  pass(8, 100)
  const told = pass(64, 100)
  t.ok(told.some(({ flows, quietMs }) => flows === null && quietMs === FLOWS_QUIET_MS))
  t.ok(told.some(({ flows }) => flows?.[0]?.rateBps === 800_000))
  t.equal(told.length, 8)
})
