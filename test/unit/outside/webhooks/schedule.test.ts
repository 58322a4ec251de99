// Goal: a callback is tried soon, then ever more rarely, for three days; who is gone is left alone.
// Method: properties over times and outcomes, and whole lives of a delivery in virtual time.
import fc from 'fast-check'
import t from 'tap'
import { type Attempted, judge, type Outcome, waitAfter } from '../../../../src/outside/webhooks/schedule.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const answered = (status: number, retryAfterMs: number | null = null): Outcome => ({
  ...{ type: 'answered', status, retryAfterMs, text: '' },
})
const refused: Outcome = { type: 'unanswered', why: 'connect ECONNREFUSED' }
const fresh: Attempted = { attempts: 0, sinceMs: 0, isOff: false, failingSinceMs: null }
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

t.test('waits begin with 5 s, grow, end with 12 h, and are moved by at most a fifth', async (t) => {
  t.equal(waitAfter(1, 0.5), 5000)
  t.equal(waitAfter(2, 0.5), 15_000)
  t.equal(waitAfter(100, 0.5), 12 * HOUR_MS)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), chance, (attempts, where) => {
      const middle = waitAfter(attempts, 0.5)
      const wait = waitAfter(attempts, where)
      return middle >= 5000 && middle <= waitAfter(attempts + 1, 0.5) && Math.abs(wait - middle) <= middle * 0.2 + 1
    }),
  )
})

t.test('a delivery waits exactly when it has a next time, which is later than now and within three days', async (t) => {
  const outcome: fc.Arbitrary<Outcome> = fc.oneof(
    fc
      .record({ status: fc.integer({ min: 100, max: 599 }), after: fc.option(fc.nat(10 ** 9)) })
      .map(({ status, after }) => answered(status, after)),
    fc.constant(refused),
  )
  const time = fc.integer({ min: 0, max: 10 * DAY_MS })
  const before = fc.record({
    attempts: fc.nat(50),
    sinceMs: fc.constant(0),
    isOff: fc.boolean(),
    failingSinceMs: fc.option(fc.constant(0)),
  })
  fc.assert(
    fc.property(before, outcome, time, chance, (of, what, nowMs, where) => {
      const verdict = judge(of, what, nowMs, where)
      const waits = verdict.nextAtMs !== null
      const isWell = what.type === 'answered' && what.status >= 200 && what.status < 300
      return (
        waits === (verdict.state === 'waiting') &&
        isWell === (verdict.state === 'delivered') &&
        isWell === (verdict.error === null) &&
        isWell === (verdict.failingSinceMs === null) &&
        (verdict.nextAtMs === null || (verdict.nextAtMs > nowMs && verdict.nextAtMs <= 3 * DAY_MS)) &&
        (verdict.off === null || (verdict.state === 'failed' && !of.isOff))
      )
    }),
  )
})

t.test('with nobody there it is tried about fifteen times in three days, then given up', async (t) => {
  const times: number[] = []
  let nowMs = 0
  for (let state: Attempted = fresh; ; ) {
    times.push(nowMs)
    const verdict = judge(state, refused, nowMs, 0.5)
    if (verdict.nextAtMs === null) {
      t.equal(verdict.state, 'failed')
      t.equal(verdict.off, null, 'three days do not turn it off')
      break
    }
    state = { ...state, attempts: state.attempts + 1, failingSinceMs: verdict.failingSinceMs }
    nowMs = verdict.nextAtMs
  }
  t.ok(times.length >= 12 && times.length <= 16, `${times.length} attempts`)
  t.ok((times.at(-1) ?? 0) > 2.4 * DAY_MS)
})

t.test('410 turns the endpoint off at once, five days of failure do, too', async (t) => {
  t.match(judge(fresh, answered(410), 0, 0), { state: 'failed', off: /410 Gone/ })
  t.match(judge({ ...fresh, sinceMs: 5 * DAY_MS - 1, failingSinceMs: 0 }, refused, 5 * DAY_MS - 1, 0), { off: null })
  t.match(judge({ ...fresh, failingSinceMs: 0 }, refused, 5 * DAY_MS, 0), {
    state: 'failed',
    off: /nothing but failure/,
  })
  t.match(judge({ ...fresh, failingSinceMs: 0 }, answered(204), 6 * DAY_MS, 0), { off: null, failingSinceMs: null })
})

t.test('one that is off is tried once when asked, and no more', async (t) => {
  t.match(judge({ ...fresh, isOff: true }, refused, 0, 0), { state: 'failed', nextAtMs: null, off: null })
  t.match(judge({ ...fresh, isOff: true }, answered(200), 0, 0), { state: 'delivered' })
})

t.test('a redirect is a failure that says so, and a receiver may ask for more time', async (t) => {
  t.match(judge(fresh, answered(302), 0, 0.5), { state: 'waiting', error: /302: redirects are not followed/ })
  t.equal(judge(fresh, answered(503, 60_000), 0, 0.5).nextAtMs, 60_000)
  t.equal(judge(fresh, answered(503, 10 ** 9), 0, 0.5).nextAtMs, 12 * HOUR_MS, 'but not for ever')
  t.equal(judge(fresh, answered(503, 1), 0, 0.5).nextAtMs, 5000, 'nor for less')
})
