// Goal: a coordinator hears of a link that has broken down within an eighth of a second, and else four times a second.
// Method: counters of a relay as a test has them, by a clock that it moves.
import t from 'tap'
import { FLOWS_LOOK_MS, FLOWS_QUIET_MS } from '../../../src/base/transfer-limits.js'
import type { Flows } from '../../../src/control/schema/channel.js'
import { FlowTeller } from '../../../src/node/flows.js'
import { ManualClock } from '../../support/manual-clock.js'

const nodeId = 'b'.repeat(32)

/** A relay that serves one child, always busy unless a test says how much; by itself it lacks something. */
function place({ complete = false } = {}) {
  const clock = new ManualClock()
  const told: Flows[] = []
  const child = { nodeId, sentBytes: 0, busyMs: 0, askedMs: 0 }
  let isThere = true
  let nextMs = 0
  const teller = new FlowTeller({ clock, send: (flows) => told.push(flows) })
  /** What is told in a time. */
  const pass = (spanMs: number, bytesPerMs: number, busyRatio = 1): readonly Flows[] => {
    told.length = 0
    for (let atMs = 0; atMs < spanMs; atMs += FLOWS_LOOK_MS) {
      child.sentBytes += bytesPerMs * FLOWS_LOOK_MS
      child.busyMs += FLOWS_LOOK_MS * busyRatio
      child.askedMs += FLOWS_LOOK_MS
      clock.advance(FLOWS_LOOK_MS)
      if (clock.monotonicMs() < nextMs) continue
      nextMs = clock.monotonicMs() + teller.look(isThere ? [{ session: 1, complete, children: [{ ...child }] }] : [])
    }
    return [...told]
  }
  return { pass, leave: () => (isThere = false) }
}

t.test('what goes on is told four times a second', async (t) => {
  const { pass } = place()
  pass(500, 10_000)
  const told = pass(1000, 10_000)
  t.equal(told.length, 4)
  t.ok(told.every(({ hurried, flows }) => !hurried && flows?.[0]?.rateBps === 80_000_000))
})

t.test('a link that breaks down is told of at once, and then as ever', async (t) => {
  const { pass } = place()
  pass(10 * FLOWS_LOOK_MS, 10_000)
  t.match(pass(FLOWS_LOOK_MS, 3000), [{ hurried: true, flows: [{ to: nodeId, rateBps: 24_000_000 }] }])
  const hurried = pass(16 * FLOWS_LOOK_MS, 3000).map((told) => told.hurried)
  t.same(hurried, [true, true, true, true, false, false, false, false])
})

t.test('what is told in a hurry is not taken back by what went before it', async (t) => {
  const { pass } = place()
  for (const looks of [8, 9, 10, 11]) {
    pass(looks * FLOWS_LOOK_MS, 10_000)
    const told = pass(12 * FLOWS_LOOK_MS, 1000)
    t.ok(told.length > 2 && told.every(({ flows }) => flows?.[0]?.rateBps === 8_000_000), `after ${looks} looks`)
  }
})

t.test('whatever is told in a hurry, what goes on in the middle is told as well', async (t) => {
  for (const bytesPerMs of [1200, 1500, 2000, 3000]) {
    const { pass } = place()
    pass(10 * FLOWS_LOOK_MS, 10_000)
    const usual = pass(40 * FLOWS_LOOK_MS, bytesPerMs).filter(({ hurried }) => !hurried)
    t.ok(usual.length >= 5, `${usual.length} at ${bytesPerMs} bytes a millisecond`)
  }
  const { pass } = place()
  pass(10 * FLOWS_LOOK_MS, 10_000)
  const usual = Array.from({ length: 40 }, (_, at) => pass(FLOWS_LOOK_MS, at % 2 === 0 ? 2000 : 10_000)).flat()
  const told = usual.filter(({ hurried }) => !hurried)
  t.ok(told.length >= 5 && told.every(({ flows }) => (flows?.[0]?.rateBps ?? 0) > 40_000_000), 'one that wavers')
})

t.test('that there is nothing more to give is told at once by who lacks something, and else as ever', async (t) => {
  const { pass } = place()
  pass(10 * FLOWS_LOOK_MS, 10_000)
  t.match(pass(FLOWS_LOOK_MS, 1000, 0.1), [{ hurried: true, flows: [{ to: nodeId, rateBps: 8_000_000 }] }])
  const again = pass(2 * FLOWS_LOOK_MS, 0, 0)
  t.ok(again.length === 2 && again.every(({ hurried }) => hurried), 'and again: it looks as often as before')
  const whole = place({ complete: true })
  whole.pass(10 * FLOWS_LOOK_MS, 10_000)
  t.ok(whole.pass(12 * FLOWS_LOOK_MS, 1000, 0.1).every(({ hurried }) => !hurried))
})

t.test('a link that gives half of what it gave has not broken down', async (t) => {
  const { pass } = place()
  pass(750, 10_000)
  t.ok(pass(750, 5000).every(({ hurried }) => !hurried))
})

t.test('a link by which nothing goes any more is not slow: who receives may be gone', async (t) => {
  const { pass } = place()
  pass(750, 10_000)
  t.ok(pass(750, 0).every(({ hurried }) => !hurried))
})

t.test('that nobody is served any more is told once', async (t) => {
  const { pass, leave } = place()
  pass(750, 10_000)
  leave()
  t.same(pass(750, 0), [{ type: 'flows', flows: [], hurried: false, quietMs: 0 }])
})

t.test('of a slow link there is something to tell more seldom, and now and then that it is there', async (t) => {
  const { pass } = place()
  pass(750, 10_000)
  pass(8000, 25)
  const told = pass(8000, 25)
  t.ok(told.some(({ flows, quietMs }) => flows === null && quietMs === FLOWS_QUIET_MS))
  t.ok(told.some(({ flows }) => flows?.[0]?.rateBps === 200_000))
  t.ok(told.length <= 5, `${told.length} words in 8 s`)
})

t.test('a slow link that goes on as it was is told of every third second, and of a change at once', async (t) => {
  const { pass } = place()
  pass(20_000, 250)
  const told = pass(12_000, 250)
  t.ok(told.length >= 4 && told.length <= 5, `${told.length} words in 12 s`)
  t.ok(told.every(({ flows }) => flows?.[0]?.rateBps === 2_000_000))
  const changed = pass(3000, 180)
  t.ok(changed.length >= 2, 'what has changed is told of more than once')
  t.ok(changed.some(({ flows }) => flows?.[0]?.rateBps === 1_440_000))
})
