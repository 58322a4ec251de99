// Goal: chance can be repeated by its seed, ids sort by time, nothing is out of range.
// Method: properties over seeds.
import fc from 'fast-check'
import t from 'tap'
import { idSource, jittered, newIdentity, seededRandom, shuffled, systemRandom } from '../../../src/base/random.js'

t.test('the same seed gives the same run, another another', async (t) => {
  const draw = (seed: number) => Array.from({ length: 20 }, seededRandom(seed).next)
  t.same(draw(7), draw(7))
  t.notSame(draw(7), draw(8))
  t.equal(seededRandom(1).bytes(33).length, 33)
})

t.test('numbers stay in their range', async (t) => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 1000 }), (seed, bound) => {
      const random = seededRandom(seed)
      const value = random.below(bound)
      const wait = jittered(1000, 0.25, random)
      return Number.isInteger(value) && value >= 0 && value < bound && wait >= 750 && wait < 1250
    }),
  )
  for (let index = 0; index < 1000; index++) {
    const value = systemRandom.next()
    if (value < 0 || value >= 1) t.fail(`${value} is out of range`)
  }
  t.pass()
})

t.test('shuffling keeps every item and leaves its input alone', async (t) => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.integer()), (seed, items) => {
      const before = [...items]
      const after = shuffled(items, seededRandom(seed))
      t.same(items, before)
      return JSON.stringify(after.toSorted()) === JSON.stringify(before.toSorted())
    }),
  )
  const orders = new Set(Array.from({ length: 200 }, (_, seed) => shuffled([1, 2, 3], seededRandom(seed)).join('')))
  t.equal(orders.size, 6, 'every order comes up')
})

t.test('ids sort in the order they were made, also within a millisecond', async (t) => {
  let nowMs = 1_700_000_000_000
  const next = idSource(() => nowMs, seededRandom(1))
  const ids = [next(), next(), next()]
  nowMs += 1
  ids.push(next())
  t.same(ids.toSorted(), ids)
  t.equal(new Set(ids).size, 4)
  t.match(ids[0], /^[0-9A-HJKMNP-TV-Z]{26}$/)
})

t.test('an identity is 32 hexadecimal digits', async (t) => {
  t.match(newIdentity(systemRandom), /^[0-9a-f]{32}$/)
  t.not(newIdentity(systemRandom), newIdentity(systemRandom))
})
