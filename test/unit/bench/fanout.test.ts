// Goal: runs are in a fair order, impossible ones are named, and figures follow from what runs brought.
// Method: cases done by hand, and properties over runs.
import t from 'tap'
import fc from 'fast-check'
import {
  boundSecondsOf,
  type FanoutAsked,
  type FanoutRun,
  fanoutCurve,
  patienceMsOf,
  rowsOf,
  runsOf,
} from '../../../src/bench/fanout.js'

const SIZE = 1_000_000
const asked: FanoutAsked = {
  strategies: ['star', 'braid'],
  nodeCounts: [1, 3],
  ratesBps: [8e6],
  faults: ['none'],
  sizeBytes: SIZE,
  repetitions: 2,
}

t.test('strategies take turns within each repetition', async (t) => {
  const { runs, leftOut } = runsOf(asked, true)
  t.same(leftOut, [])
  t.same(
    runs.map((round) => round.map(({ strategy, nodeCount }) => `${strategy} ${nodeCount}`)),
    [1, 2].map(() => ['star 1', 'braid 1', 'star 3', 'braid 3']),
  )
})

t.test('a fault that cannot be is left out with its reason, once', async (t) => {
  const faults = ['killed', 'slow', 'paused'] as const
  const { runs, leftOut } = runsOf({ ...asked, faults }, true)
  t.same(
    leftOut.map(({ nodeCount, fault, why }) => `${nodeCount} ${fault}: ${why}`),
    [
      '1 killed: nobody would be left',
      '1 slow: nobody would be left',
      '1 paused: nobody would be left',
      '3 slow: a twentieth of this rate is less than the least limit',
    ],
  )
  t.same([...new Set(runs.flat().map(({ fault }) => fault))], ['killed', 'paused'])
  const inLab = runsOf({ ...asked, nodeCounts: [3], faults }, false)
  t.same(inLab.leftOut, [], 'links of their own have no least limit')
  t.same(runsOf({ ...asked, nodeCounts: [3], ratesBps: [20e6], faults }, true).leftOut, [])
})

const run = (last: number, change: Partial<FanoutRun> = {}): FanoutRun => ({
  case: { strategy: 'braid', nodeCount: 3, rateBps: 8e6, fault: 'none' },
  repetition: 1,
  arrivals: [last / 4, last / 2, last],
  awaited: 3,
  sourceCopies: 1,
  cpuSeconds: 0.003,
  busyRatio: 0.5,
  failure: null,
  ...change,
})

t.test('a row holds medians over its repetitions, as multiples of what one copy takes', async (t) => {
  const failed = run(0, { arrivals: [], failure: 'it broke' })
  const star = run(9, { case: { ...run(1).case, strategy: 'star' } })
  const [row, other, ...none] = rowsOf([run(1), star, run(4), run(2), failed], SIZE)
  t.match(row, {
    strategy: 'braid',
    runs: 4,
    failed: ['it broke'],
    lastRatio: 2,
    medianRatio: 1,
    leastRatio: 1,
    mostRatio: 4,
    lastSeconds: 2,
    cpuSecondsPerGib: 1.074,
  })
  t.match([other?.strategy, other?.lastRatio, none.length], ['star', 9, 0])
})

t.test('where every run failed there are no figures', async (t) => {
  const [row] = rowsOf([run(0, { arrivals: [], failure: 'a' }), run(0, { arrivals: [], failure: 'b' })], SIZE)
  t.match(row, { failed: ['a', 'b'], lastRatio: null, leastRatio: null, sourceCopies: null, cpuSecondsPerGib: null })
})

t.test('a curve rises to the share of all nodes that were to be complete', async () => {
  const lasts = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(lasts, fc.boolean(), (all, withFailed) => {
      const failed = run(0, { arrivals: [], failure: 'it broke' })
      const points = fanoutCurve([...all.map((last) => run(last)), ...(withFailed ? [failed] : [])])
      const isRising = points.every(({ seconds, share }, at) => {
        const before = points[at - 1]
        return before === undefined || (seconds >= before.seconds && share >= before.share)
      })
      return isRising && points.at(-1)?.share === 1 && points.at(-1)?.seconds === Math.max(...all)
    }),
  )
})

t.test('nobody is given up before a star is done', async (t) => {
  const what = { ...run(1).case, nodeCount: 8 }
  t.equal(boundSecondsOf(SIZE, what), 1)
  t.ok(patienceMsOf(SIZE, what) > 8000 * 3)
})
