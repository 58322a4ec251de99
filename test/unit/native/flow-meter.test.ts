// Goal: rates are those since the last look that counted, busy is what was busy since, and single chunks say nothing.
// Method: counters as a relay would tell them.
import t from 'tap'
import { FlowMeter } from '../../../src/native/flow-meter.js'

const child = (nodeId: string, askedMs: number, sentBytes: number, busyMs: number) => ({
  nodeId,
  askedMs,
  sentBytes,
  busyMs,
})
type Child = ReturnType<typeof child>

/** What a meter tells at a look; null: nothing new. */
function meterOf() {
  const meter = new FlowMeter()
  return (...children: Child[]) => (meter.look([{ session: 1, children }]) ? meter.flows : null)
}

const MB = 1_000_000

t.test('a rate is told from the second look on', async (t) => {
  const look = meterOf()
  t.equal(look(child('a', 0, 0, 0)), null)
  t.same(look(child('a', 250, MB, 250)), [{ to: 'a', rateBps: 32 * MB, busyRatio: 1 }])
  t.same(look(child('a', 750, 2 * MB, 500)), [{ to: 'a', rateBps: 16 * MB, busyRatio: 0.5 }])
  t.same(look(child('a', 1000, 2 * MB, 500)), [{ to: 'a', rateBps: 0, busyRatio: 0 }])
})

t.test('several sessions to one node are one flow, as busy as the busiest', async (t) => {
  const meter = new FlowMeter()
  const look = (askedMs: number) =>
    meter.look([
      { session: 1, children: [child('a', askedMs, askedMs * 2000, askedMs)] },
      { session: 2, children: [child('a', askedMs, askedMs * 2000, 0), child('b', askedMs, 0, 0)] },
    ])
  look(0)
  t.ok(look(250))
  t.same(meter.flows, [
    { to: 'a', rateBps: 32 * MB, busyRatio: 1 },
    { to: 'b', rateBps: 0, busyRatio: 0 },
  ])
})

t.test('a child that has connected anew begins anew, and one that is gone is forgotten', async (t) => {
  const look = meterOf()
  look(child('a', 500, 5000, 0))
  t.equal(look(child('a', 750, 100, 0)), null)
  t.same(look(), [])
  t.equal(look(child('a', 1250, 100, 0)), null)
})

t.test('where nothing was counted since the last look, nothing is new', async (t) => {
  const look = meterOf()
  look(child('a', 200, 0, 0))
  t.same(look(child('a', 400, MB, 100)), [{ to: 'a', rateBps: 40 * MB, busyRatio: 0.5 }])
  t.equal(look(child('a', 400, MB, 100)), null)
})

t.test('chunks that come one by one on a slow link are no rate before there are four of them', async (t) => {
  const look = meterOf()
  const chunk = 32_768
  look(child('a', 0, 0, 0))
  for (const [at, chunks] of [0, 1, 1, 2, 2, 3, 3].entries()) {
    t.equal(look(child('a', 250 * (at + 1), chunks * chunk, 250 * (at + 1))), null)
  }
  t.same(look(child('a', 2000, 4 * chunk, 2000)), [{ to: 'a', rateBps: 4 * chunk * 4, busyRatio: 1 }])
})

t.test('a fast link that falls is told of at both looks after that, and then more seldom', async (t) => {
  const look = meterOf()
  let [atMs, bytes] = [0, 0]
  const pass = (added: number) => {
    atMs += 250
    bytes += added
    return look(child('a', atMs, bytes, atMs))?.[0]?.rateBps ?? null
  }
  pass(MB)
  t.equal(pass(MB), 32 * MB)
  t.same(
    [1, 2, 3, 4, 5, 6].map(() => pass(MB / 100)),
    [320_000, 320_000, null, 320_000, null, null],
  )
})

t.test('who came late in a span is told of after the next', async (t) => {
  const look = meterOf()
  look(child('a', 0, 0, 0))
  t.same(look(child('a', 250, MB, 250), child('b', 250, 0, 0))?.length, 1)
  t.same(look(child('a', 500, 2 * MB, 500), child('b', 500, MB, 250))?.length, 2)
})

t.test('each session has a clock of its own, and one that ends takes it along', async (t) => {
  const meter = new FlowMeter()
  const session = (id: number, askedMs: number, sentBytes: number) => ({
    session: id,
    children: [child('a', askedMs, sentBytes, askedMs)],
  })
  meter.look([session(1, 900_000, 0), session(2, 0, 0)])
  t.ok(meter.look([session(1, 900_250, MB), session(2, 250, MB)]))
  t.same(meter.flows, [{ to: 'a', rateBps: 64 * MB, busyRatio: 1 }])
  t.ok(meter.look([session(2, 500, 2 * MB)]))
  t.same(meter.flows, [{ to: 'a', rateBps: 32 * MB, busyRatio: 1 }])
})
