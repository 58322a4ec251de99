// What Range asks for is bytes of the file, or the whole of it, or refused: never bytes that it has not.
import fc from 'fast-check'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { byteRangeOf } from '../../../src/control/byte-range.js'

const of = (range: string | undefined, sizeBytes = 100, ifRange?: string) =>
  byteRangeOf({ range, ifRange }, { sizeBytes, etag: '"e"' })

t.test('one range is read as RFC 9110 has it', async (t) => {
  t.strictSame(of('bytes=0-9'), { offset: 0, lengthBytes: 10, isPart: true })
  t.strictSame(of('bytes=90-'), { offset: 90, lengthBytes: 10, isPart: true })
  t.strictSame(of('bytes=-10'), { offset: 90, lengthBytes: 10, isPart: true })
  t.strictSame(of('bytes=-1000'), { offset: 0, lengthBytes: 100, isPart: true })
  t.strictSame(of('bytes=95-1000'), { offset: 95, lengthBytes: 5, isPart: true })
  t.strictSame(of('bytes=5-9', 100, '"e"'), { offset: 5, lengthBytes: 5, isPart: true })
})

t.test('what is no range, or not of this file, is the whole', async (t) => {
  const whole = { offset: 0, lengthBytes: 100, isPart: false }
  for (const range of [undefined, '', 'bytes=', 'bytes=-', 'bytes=a-b', 'bytes=9-5', 'bytes=0-1,5-6', 'lines=1-2']) {
    t.strictSame(of(range), whole, String(range))
  }
  t.strictSame(of('bytes=5-9', 100, '"other"'), whole)
  t.strictSame(of(`bytes=${'0-,'.repeat(10_000)}`), whole)
})

t.test('what lies beyond the file is refused', async (t) => {
  for (const [range, size] of [
    ['bytes=100-', 100],
    ['bytes=0-', 0],
    ['bytes=-0', 100],
    ['bytes=-5', 0],
  ] as const) {
    t.throws(() => of(range, size), { code: 'ENGINE_ERR_FILE_RANGE' }, range)
  }
})

t.test('whatever is asked, no byte outside is meant', async () => {
  const range = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${b}`),
    fc.nat().map((n) => `bytes=-${n}`),
  )
  fc.assert(
    fc.property(range, fc.nat(1000), (asked, size) => {
      try {
        const { offset, lengthBytes } = of(asked, size)
        return offset >= 0 && lengthBytes >= 0 && offset + lengthBytes <= size
      } catch (error) {
        return error instanceof EngineError && error.code === 'ENGINE_ERR_FILE_RANGE'
      }
    }),
    { numRuns: 2000 },
  )
})
