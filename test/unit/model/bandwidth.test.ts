// Goal: a bandwidth limit means what people wrote, at each minute of the week, or is refused.
// Method: any timetable written and read again; texts of all kinds; and the forms that the documentation names.
import fc from 'fast-check'
import t from 'tap'
import { DAY_MS, MINUTE_MS } from '../../../src/base/units.js'
import {
  type Bandwidth,
  bandwidthAt,
  formatBandwidth,
  formatLimit,
  nextChangeMs,
  parseBandwidth,
  parseLimitBps,
} from '../../../src/model/bandwidth.js'

/** Sunday, 4 January 1970, midnight. */
const SUNDAY_MS = 3 * DAY_MS
const MIB_BPS = 8 * 1024 * 1024
const at = (weekday: number, hour: number, minute = 0): number =>
  SUNDAY_MS + weekday * DAY_MS + (hour * 60 + minute) * MINUTE_MS

const rate = fc.oneof(fc.constant(null), fc.integer({ min: 64 * 1024 * 8, max: 2 ** 40 }))
const slots: fc.Arbitrary<Bandwidth> = fc
  .uniqueArray(fc.record({ minute: fc.integer({ min: 0, max: 7 * 1440 - 1 }), rateBps: rate }), {
    minLength: 1,
    maxLength: 168,
    selector: ({ minute }) => minute,
  })
  .map((all) => all.map(({ minute, rateBps }) => ({ minute, rateBps })).toSorted((a, b) => a.minute - b.minute))

t.test('what is written is read as the same limit', async () => {
  fc.assert(
    fc.property(slots, (table) => JSON.stringify(parseBandwidth(formatBandwidth(table))) === JSON.stringify(table)),
  )
  fc.assert(fc.property(rate, (limit) => parseLimitBps(formatLimit(limit)) === limit))
})

t.test('whatever is given, it is a limit of at least what keeps links alive or refused by its code', async () => {
  const pieces = [
    '8',
    '08:00',
    ',',
    '5M',
    'off',
    ' ',
    ';',
    'Mon-',
    'Saturday-',
    '-',
    '24:00',
    '1e9',
    '0',
    '40Mbit',
    'Ω',
  ]
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...pieces)).map((some) => some.join('')),
  )
  fc.assert(
    fc.property(text, (given) => {
      try {
        const table = parseBandwidth(given)
        return table.length > 0 && table.every(({ rateBps }) => rateBps === null || rateBps >= 64 * 1024 * 8)
      } catch (error) {
        return (error as { code?: string }).code === 'ENGINE_ERR_INVALID_ARGUMENT'
      }
    }),
    { numRuns: 2000 },
  )
})

t.test('at each time the limit is that of the slot that began last, round the week', async () => {
  fc.assert(
    fc.property(slots, fc.integer({ min: 0, max: 5 * 365 * DAY_MS }), (table, localMs) => {
      const steps = nextChangeMs(table, localMs)
      if (steps === null) return table.length === 1
      // Until then it stays; then it is the slot's that begins.
      const before = bandwidthAt(table, localMs + steps - 1)
      const minute = ((localMs + steps - SUNDAY_MS) / MINUTE_MS) % (7 * 1440)
      const begins = table.find((slot) => slot.minute === (minute + 7 * 1440) % (7 * 1440))
      return before === bandwidthAt(table, localMs) && begins?.rateBps === bandwidthAt(table, localMs + steps)
    }),
  )
})

t.test('a timetable holds by day and time, a slot without a day on each of them', async () => {
  const office = parseBandwidth('08:00,5M 19:00,off')
  t.equal(bandwidthAt(office, at(3, 7, 59)), null)
  t.equal(bandwidthAt(office, at(3, 8)), 5 * MIB_BPS)
  t.equal(bandwidthAt(office, at(3, 18, 59)), 5 * MIB_BPS)
  t.equal(bandwidthAt(office, at(3, 19)), null)
  t.equal(nextChangeMs(office, at(3, 18, 30) + 1), 30 * MINUTE_MS - 1)
  const week = parseBandwidth('Mon-08:00,40Mbit; Friday-20:00,off')
  t.equal(bandwidthAt(week, at(0, 12)), null)
  t.equal(bandwidthAt(week, at(1, 8)), 40_000_000)
  t.equal(bandwidthAt(week, at(5, 19, 59)), 40_000_000)
  t.equal(bandwidthAt(week, at(6, 0)), null)
})

t.test('what could be meant otherwise is refused with what to write', async () => {
  const refused = [
    '',
    '0',
    '512',
    '1k',
    '5M 6M',
    '08:00',
    '8,5M',
    '25:00,5M',
    'Xyz-08:00,5M',
    '08:00,5M 8:00,6M',
    '-5M',
  ]
  for (const text of refused) {
    t.throws(() => parseBandwidth(text), { code: 'ENGINE_ERR_INVALID_ARGUMENT' }, text)
  }
  const often = Array.from({ length: 25 }, (_, minute) => `08:${String(minute).padStart(2, '0')},5M`).join(' ')
  t.throws(() => parseBandwidth(often), /more than 168 changes/)
})
