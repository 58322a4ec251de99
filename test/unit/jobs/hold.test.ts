// Goal: a hold is in force until its end, and what is asked later never shortens it. Method: fast-check over both ends.
import fc from 'fast-check'
import t from 'tap'
import { checkHold, goesOn, holdAt, laterHold } from '../../../src/jobs/hold.js'

const hold = fc.record({ reason: fc.string(), untilMs: fc.option(fc.nat()) })

t.test('a hold without an end is always in force, another one before its end alone', async (t) => {
  fc.assert(
    fc.property(hold, fc.nat(), (held, nowMs) => {
      const isInForce = held.untilMs === null || nowMs < held.untilMs
      return (holdAt(held, nowMs) !== null) === isInForce
    }),
  )
  t.equal(holdAt(null, 5), null)
})

t.test('of two holds the later end stands', async (t) => {
  fc.assert(
    fc.property(hold, hold, (before, asked) => {
      const end = (of: { untilMs: number | null }): number => of.untilMs ?? Number.POSITIVE_INFINITY
      return end(laterHold(before, asked)) === Math.max(end(before), end(asked))
    }),
  )
  const asked = { reason: 'x', untilMs: 3 }
  t.equal(laterHold(null, asked), asked)
})

t.test('a held site is told with its reason and what is left', async (t) => {
  const held = { reason: 'freeze', untilMs: 90_000 }
  const error = { code: 'ENGINE_ERR_SITE_HELD', exitCode: 6, message: 'site www is held for another 1 m 0 s: freeze' }
  t.throws(() => checkHold('www', held, 30_000), error)
  t.throws(() => checkHold('www', { ...held, untilMs: null }, 0), { message: /until it is resumed: freeze/ })
  checkHold('www', held, 90_000)
  checkHold('www', null, 0)
})

t.test('only a commit goes on', async (t) => {
  t.ok(goesOn([{ type: 'end-job' }, { type: 'commit' }]))
  t.notOk(
    goesOn([
      { type: 'rollback', release: null },
      { type: 'publish', directory: '/x', upload: null },
    ]),
  )
})
