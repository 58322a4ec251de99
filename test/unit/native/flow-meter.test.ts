// Goal: rates are those since the last look, and busy is what was busy since.
// Method: counters as a relay would tell them.
import t from 'tap'
import { FlowMeter } from '../../../src/native/flow-meter.js'

const child = (nodeId: string, askedMs: number, sentBytes: number, busyMs: number) => ({
  nodeId,
  askedMs,
  sentBytes,
  busyMs,
})

t.test('a rate is told from the second look on', async (t) => {
  const meter = new FlowMeter()
  const look = (askedMs: number, sentBytes: number, busyMs: number) =>
    meter.look([{ session: 1, children: [child('a', askedMs, sentBytes, busyMs)] }])
  t.same(look(0, 0, 0), [])
  t.same(look(250, 1000, 250), [{ to: 'a', rateBps: 32_000, busyRatio: 1 }])
  t.same(look(750, 1500, 500), [{ to: 'a', rateBps: 8000, busyRatio: 0.5 }])
  t.same(look(1000, 1500, 500), [{ to: 'a', rateBps: 0, busyRatio: 0 }])
})

t.test('several sessions to one node are one flow, as busy as the busiest', async (t) => {
  const meter = new FlowMeter()
  const look = (askedMs: number) =>
    meter.look([
      { session: 1, children: [child('a', askedMs, askedMs, askedMs)] },
      { session: 2, children: [child('a', askedMs, askedMs, 0), child('b', askedMs, 0, 0)] },
    ])
  look(0)
  t.same(look(250), [
    { to: 'a', rateBps: 16_000, busyRatio: 1 },
    { to: 'b', rateBps: 0, busyRatio: 0 },
  ])
})

t.test('a child that has connected anew begins anew, and one that is gone is forgotten', async (t) => {
  const meter = new FlowMeter()
  const look = (...children: ReturnType<typeof child>[]) => meter.look([{ session: 1, children }])
  look(child('a', 500, 5000, 0))
  t.same(look(child('a', 750, 100, 0)), [])
  t.same(look(), [])
  t.same(look(child('a', 1250, 100, 0)), [])
})

t.test('where nothing was counted since the last look, that is told again', async (t) => {
  const meter = new FlowMeter()
  const look = (...args: Parameters<typeof child>) => meter.look([{ session: 1, children: [child(...args)] }])
  look('a', 200, 0, 0)
  const flows = look('a', 400, 1000, 100)
  t.same(flows, [{ to: 'a', rateBps: 40_000, busyRatio: 0.5 }])
  t.same(look('a', 400, 1000, 100), flows)
})
