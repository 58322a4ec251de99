// Goal: a relay has the limit of the time of the week, also after the clock was set, and one that cannot be read
// changes nothing. Method: a relay that notes what it is told, a clock that stands still.
import t from 'tap'
import { localOffsetMs } from '../../../src/base/clock.js'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../src/base/units.js'
import { RateLimit } from '../../../src/native/rate-limit.js'
import { ManualClock } from '../../support/manual-clock.js'

const MIB_BPS = 8 * 1024 * 1024
/** 7 in the morning of some day, by the clock of this machine. */
const sevenMs = 19_700 * DAY_MS + 7 * HOUR_MS
const startMs = sevenMs - localOffsetMs(sevenMs)

function limited(bandwidth: string) {
  const clock = new ManualClock(startMs)
  const told: (number | null)[] = []
  const relay = { setRate: (rateBps: number | null) => void told.push(rateBps) }
  const limit = new RateLimit({ relay, clock, bandwidth })
  const changes: unknown[] = []
  limit.onChange((view) => void changes.push(view))
  return { clock, told, limit, changes }
}

t.test('one limit is set once and needs no timer', async (t) => {
  const { clock, told, limit, changes } = limited('5M')
  t.same(told, [5 * MIB_BPS])
  t.equal(clock.waiting, 0)
  t.same(limit.view, { bandwidth: '5M', rateBps: 5 * MIB_BPS })
  t.same(changes, [])
})

t.test('a timetable changes the rate when its time comes, and tells it once', async (t) => {
  const bandwidth = '08:00,5M 19:00,off'
  const { clock, told, limit, changes } = limited(bandwidth)
  t.same(told, [null])
  clock.advance(HOUR_MS - 1)
  t.same(changes, [])
  t.equal(limit.view.rateBps, null)
  clock.advance(1)
  t.equal(told.at(-1), 5 * MIB_BPS)
  t.same(changes, [{ bandwidth, rateBps: 5 * MIB_BPS }])
  clock.advance(11 * HOUR_MS)
  t.equal(told.at(-1), null)
  t.same(changes.length, 2)
  limit.close()
  t.equal(clock.waiting, 0, 'no timer stays')
})

t.test('another limit holds at once; one that cannot be read leaves the old one', async (t) => {
  const { clock, told, limit, changes } = limited('07:01,5M 19:00,off')
  t.throws(() => limit.set('5'), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  t.same([changes, limit.view.bandwidth], [[], '07:01,5M 19:00,off'])
  limit.set('2M')
  t.same(changes, [{ bandwidth: '2M', rateBps: 2 * MIB_BPS }])
  clock.advance(MINUTE_MS)
  t.equal(told.at(-1), 2 * MIB_BPS)
  t.equal(clock.waiting, 0)
  t.throws(() => limited('08:00'), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
})
