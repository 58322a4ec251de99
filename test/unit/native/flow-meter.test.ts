// Goal: rates are those since the last look, and busy is what was busy since.
// Method: counters as a relay would tell them.
import t from 'tap'
import { FlowMeter } from '../../../src/native/flow-meter.js'

const child = (nodeId: string, sentBytes: number, busyMs: number) => ({ nodeId, sentBytes, busyMs })

t.test('a rate is told from the second look on', async (t) => {
  const meter = new FlowMeter()
  const look = (nowMs: number, sentBytes: number, busyMs: number) =>
    meter.look(nowMs, [{ session: 1, children: [child('a', sentBytes, busyMs)] }])
  t.same(look(0, 0, 0), [])
  t.same(look(250, 1000, 250), [{ to: 'a', rateBps: 32_000, busyRatio: 1 }])
  t.same(look(750, 1500, 500), [{ to: 'a', rateBps: 8000, busyRatio: 0.5 }])
  t.same(look(1000, 1500, 500), [{ to: 'a', rateBps: 0, busyRatio: 0 }])
})

t.test('several sessions to one node are one flow, as busy as the busiest', async (t) => {
  const meter = new FlowMeter()
  const look = (nowMs: number) =>
    meter.look(nowMs, [
      { session: 1, children: [child('a', nowMs, nowMs)] },
      { session: 2, children: [child('a', nowMs, 0), child('b', 0, 0)] },
    ])
  look(0)
  t.same(look(250), [
    { to: 'a', rateBps: 16_000, busyRatio: 1 },
    { to: 'b', rateBps: 0, busyRatio: 0 },
  ])
})

t.test('a child that has connected anew begins anew, and one that is gone is forgotten', async (t) => {
  const meter = new FlowMeter()
  const look = (nowMs: number, ...children: ReturnType<typeof child>[]) => meter.look(nowMs, [{ session: 1, children }])
  look(500, child('a', 5000, 0))
  t.same(look(750, child('a', 100, 0)), [])
  t.same(look(1000), [])
  t.same(look(1250, child('a', 100, 0)), [])
})
