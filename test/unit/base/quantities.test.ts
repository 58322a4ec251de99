// Goal: what people write as durations, sizes, shares and rates is read as they mean it, nonsense is refused.
// Method: examples for the words, properties for the whole range.
import fc from 'fast-check'
import t from 'tap'
import {
  formatBytes,
  formatDuration,
  formatRate,
  formatCount,
  formatRatio,
  parseBytes,
  parseDurationMs,
  parseRateBps,
  parseRatio,
} from '../../../src/base/quantities.js'

const refused = { code: 'ENGINE_ERR_INVALID_ARGUMENT' }

t.test('durations are read with their units, a bare number is seconds', async (t) => {
  t.equal(parseDurationMs('250ms'), 250)
  t.equal(parseDurationMs('30s'), 30_000)
  t.equal(parseDurationMs('1h30m'), 5_400_000)
  t.equal(parseDurationMs(' 2D '), 172_800_000)
  t.equal(parseDurationMs('1.5'), 1500)
  for (const text of ['', 's', '-1s', '5 parsecs', '1h 30', 'NaN', '1e5s', `${'9'.repeat(30)}d`]) {
    t.throws(() => parseDurationMs(text), refused, text)
  }
})

t.test('durations are written with two units at most', async (t) => {
  t.equal(formatDuration(0), '0 ms')
  t.equal(formatDuration(850.4), '850 ms')
  t.equal(formatDuration(4210), '4.2 s')
  t.equal(formatDuration(59_949), '59.9 s')
  t.equal(formatDuration(59_999), '1 m 0 s')
  t.equal(formatDuration(190_000), '3 m 10 s')
  t.equal(formatDuration(3_599_900), '1 h 0 m')
  t.equal(formatDuration(187_200_000), '2 d 4 h')
})

t.test('a written duration never shows sixty of anything', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 10 }), (ms) => {
      const text = formatDuration(ms)
      return !/\b60(\.0)? [sm]\b|\b24 h\b/.test(text.replace(/^.* d /, ''))
    }),
  )
  t.pass()
})

t.test('sizes are powers of 1024, whatever the unit is called', async (t) => {
  t.equal(parseBytes('4096'), 4096)
  t.equal(parseBytes('64K'), 65_536)
  t.equal(parseBytes('20 MB'), 20_971_520)
  t.equal(parseBytes('1.5GiB'), 1_610_612_736)
  t.equal(parseBytes('1t'), 1_099_511_627_776)
  for (const text of ['', 'K', '-1', '1X', '1.2.3M', '99999999T']) t.throws(() => parseBytes(text), refused, text)
})

t.test('sizes are written short', async (t) => {
  t.equal(formatBytes(0), '0 B')
  t.equal(formatBytes(812), '812 B')
  t.equal(formatBytes(3_250_586), '3.1 MB')
  t.equal(formatBytes(1_048_575), '1.0 MB')
  t.equal(formatBytes(2 ** 50), '1024.0 TB')
})

t.test('a size that is written is read again within a tenth of its unit', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
      const read = parseBytes(formatBytes(bytes))
      return Math.abs(read - bytes) <= Math.max(1, bytes * 0.06)
    }),
  )
  t.pass()
})

t.test('shares are percent or fractions, never beyond the whole', async (t) => {
  t.equal(parseRatio('25%'), 0.25)
  t.equal(parseRatio('0.25'), 0.25)
  t.equal(parseRatio('100 %'), 1)
  t.equal(parseRatio('0'), 0)
  for (const text of ['', '101%', '2', '-1%', 'half']) t.throws(() => parseRatio(text), refused, text)
  t.equal(formatRatio(0.25), '25%')
  t.equal(formatRatio(0.995), '99.5%')
})

t.test('rates are bytes a second unless they say bits', async (t) => {
  t.equal(parseRateBps('20M'), 20 * 1024 * 1024 * 8)
  t.equal(parseRateBps('20M/s'), parseRateBps('20M'))
  t.equal(parseRateBps('100Mbit'), 100_000_000)
  t.equal(parseRateBps('1gbit/s'), 1_000_000_000)
  t.throws(() => parseRateBps('fast'), refused)
  t.equal(formatRate(96 * 1024 * 1024 * 8), '96.0 MB/s')
})

t.test('one of a thing is told in the singular', (t) => {
  t.equal(formatCount(1, 'node'), '1 node')
  t.equal(formatCount(0, 'node'), '0 nodes')
  t.equal(formatCount(0, 'node', 1), '0/1 node')
  t.equal(formatCount(1, 'node', 2), '1/2 nodes')
  t.end()
})
