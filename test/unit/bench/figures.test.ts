// Goal: what is told of a simulation follows from its times. Method: properties, and a few cases done by hand.
import t from 'tap'
import fc from 'fast-check'
import { fluidBound } from '../../../src/bench/bound.js'
import { drawFaults } from '../../../src/bench/faults.js'
import { curveOf, percentile } from '../../../src/bench/figures.js'
import { segmentOf, wayOf } from '../../../src/bench/network.js'

const times = fc
  .array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 2000 })
  .map((all) => all.toSorted((a, b) => a - b))
const port = fc.record({ upBps: fc.integer({ min: 1, max: 1e9 }), downBps: fc.integer({ min: 1, max: 1e9 }) })
const capacities = fc.record({
  sizeBytes: fc.integer({ min: 1, max: 1e9 }),
  source: port,
  nodes: fc.array(port, { minLength: 1, maxLength: 50 }),
  entries: fc.record({ count: fc.nat(3), rateBps: fc.integer({ min: 1, max: 1e9 }) }),
})

t.test('of equal links the bound is what the source needs for one copy', async (t) => {
  const equal = { upBps: 8e6, downBps: 8e6 }
  const entries = { count: 0, rateBps: 1 }
  const of = (change: object) =>
    fluidBound({ sizeBytes: 1e6, source: equal, nodes: [equal, equal, equal], entries, ...change })
  t.same(of({}), { by: 'source uplink', seconds: 1 })
  t.same(of({ nodes: [equal, { upBps: 8e6, downBps: 4e6 }] }), { by: 'slowest downlink', seconds: 2 })
  t.same(of({ entries: { count: 1, rateBps: 2e6 } }), { by: 'way into a segment', seconds: 4 })
  const idle = { upBps: 0, downBps: 8e6 }
  t.same(of({ nodes: [idle, idle, idle] }), { by: 'all uplinks', seconds: 3 }, 'as a star')
})

t.test('the bound grows with the size, and no faster link raises it', async () => {
  fc.assert(
    fc.property(capacities, fc.nat(49), (given, pick) => {
      const { seconds } = fluidBound(given)
      const twice = fluidBound({ ...given, sizeBytes: 2 * given.sizeBytes }).seconds
      const at = pick % given.nodes.length
      const nodes = given.nodes.map((node, place) =>
        place === at ? { upBps: 2 * node.upBps, downBps: 2 * node.downBps } : node,
      )
      return Math.abs(twice / seconds - 2) < 1e-9 && fluidBound({ ...given, nodes }).seconds <= seconds
    }),
  )
})

t.test('at a percentile are as many as it says, and the last is the last', async () => {
  fc.assert(
    fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (sorted, share) => {
      const value = percentile(sorted, share) ?? Number.NaN
      const atOrBelow = sorted.filter((time) => time <= value).length
      return sorted.includes(value) && atOrBelow / sorted.length >= share && percentile(sorted, 1) === sorted.at(-1)
    }),
  )
})

t.test('there is no percentile of nothing', async (t) => {
  t.equal(percentile([], 0.5), null)
  t.same(curveOf([], 10), [{ seconds: 0, share: 0 }])
})

t.test('a curve rises from nothing to all, and lies on the times it is made of', async () => {
  fc.assert(
    fc.property(times, fc.nat(100), (sorted, dead) => {
      const total = sorted.length + dead
      const curve = curveOf(sorted, total)
      const isRising = curve.every(({ seconds, share }, at) => {
        const before = curve[at - 1] ?? { seconds: 0, share: 0 }
        return seconds >= before.seconds && share >= before.share
      })
      const last = curve.at(-1)
      const isTrue = curve.slice(1).every(({ seconds, share }) => {
        const done = Math.round(share * total)
        return sorted[done - 1] === seconds
      })
      return isRising && isTrue && curve.length <= 401 && last?.share === sorted.length / total
    }),
  )
})

t.test('faults hit as many as was asked for, nobody twice, in the middle, the same for the same seed', async () => {
  const share = fc.double({ min: 0, max: 0.3, noNaN: true })
  const shares = fc.record({ failing: share, slow: share, decaying: share })
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 500 }), shares, fc.nat(), (nodeCount, wanted, seed) => {
      const faults = drawFaults(nodeCount, wanted, seed)
      const hit = [...faults.deaths, ...faults.decays].map(({ place }) => place).concat([...faults.slow])
      const isTimely = faults.deaths.every(({ at }, step) => at >= (faults.deaths[step - 1]?.at ?? 0.1) && at < 0.9)
      return (
        faults.deaths.length === Math.round(nodeCount * wanted.failing) &&
        new Set(hit).size === hit.length &&
        hit.every((place) => place >= 0 && place < nodeCount) &&
        isTimely &&
        JSON.stringify(faults.deaths) === JSON.stringify(drawFaults(nodeCount, wanted, seed).deaths)
      )
    }),
  )
})

t.test('segments are of the same size, and the delay between two of them is half in each way', async (t) => {
  const network = { nodeCount: 10, sizeBytes: 1, chunkBytes: 1, rateBps: 1, segmentCount: 3 }
  const whole = { ...network, wanRateBps: 80e6, wanDelayMs: 100 }
  const sizes = [0, 0, 0]
  for (let place = 0; place < 10; place++) sizes[segmentOf(whole, place)] = (sizes[segmentOf(whole, place)] ?? 0) + 1
  t.same(sizes, [4, 3, 3])
  t.match(wayOf(whole), { upBps: 80e6, downBps: 80e6, delayUs: 50_000, windowBytes: 4_000_000 })
})
