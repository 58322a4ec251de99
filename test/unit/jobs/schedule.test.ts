// Goal: a job starts at its time and within its window, over midnight too, and never later than it must.
// Method: fast-check, against the minute of the day counted another way.
import fc from 'fast-check'
import t from 'tap'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../src/base/units.js'
import { deadlineAtMs, earliestStartMs } from '../../../src/jobs/schedule.js'

const minute = fc.integer({ min: 0, max: 1439 })
const windows = fc
  .record({ fromMinute: minute, toMinute: minute })
  .filter(({ fromMinute, toMinute }) => fromMinute !== toMinute)
const at = fc.integer({ min: 0, max: 4e12 })
const offset = fc.integer({ min: -56, max: 56 }).map((quarters) => quarters * 15 * MINUTE_MS)

t.test('a start is not before its time, in the window, and the first minute that is', async () => {
  fc.assert(
    fc.property(windows, at, fc.option(at, { nil: undefined }), offset, (window, nowMs, startAtMs, zoneMs) => {
      const startMs = earliestStartMs({ window, startAtMs }, nowMs, zoneMs)
      const fromMs = Math.max(nowMs, startAtMs ?? 0)
      const length = (window.toMinute - window.fromMinute + 1440) % 1440
      const into = (ms: number): number =>
        (((Math.floor((ms + zoneMs) / MINUTE_MS) - window.fromMinute) % 1440) + 1440) % 1440
      const isFirst = startMs === fromMs ? into(fromMs) < length : into(fromMs) >= length && into(startMs) === 0
      return startMs >= fromMs && startMs - fromMs <= DAY_MS && into(startMs) < length && isFirst
    }),
  )
})

t.test('without a time or a window it starts now, and its deadline counts from when it might start', async (t) => {
  t.equal(earliestStartMs({}, 5, HOUR_MS), 5)
  t.equal(deadlineAtMs({}, 5, 0), null)
  t.equal(deadlineAtMs({ deadlineMs: 10 }, 5, 0), 15)
  t.equal(deadlineAtMs({ deadlineMs: 10, startAtMs: 100 }, 5, 0), 110)
  t.equal(deadlineAtMs({ deadlineMs: 10, window: { fromMinute: 60, toMinute: 61 } }, 5, 0), HOUR_MS + 10)
})
