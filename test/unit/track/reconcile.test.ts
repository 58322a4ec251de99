// Goal: every node is brought to its target in a few steps. Method: each case by hand; then a node that does
// what it is told, from any holdings and with any kept assignments, must arrive.
import fc from 'fast-check'
import t from 'tap'
import type { NodeSite, ReleaseRef } from '../../../src/model/node.js'
import { type KeptAssignment, reconcile, type Situation } from '../../../src/track/reconcile.js'

const release = (number: number): ReleaseRef => ({ release: number, treeHash: String(number).repeat(64).slice(0, 64) })
const held = (live: number | null, ...others: number[]): NodeSite => ({
  site: 'www',
  live: live === null ? null : release(live),
  held: others.map(release),
})
const situation = (of: Partial<Situation>): Situation => ({
  target: release(5),
  holdings: held(null),
  assignments: [],
  switchNow: true,
  wholeOnly: false,
  underWay: null,
  lastFailure: null,
  ...of,
})
const whole: KeptAssignment = { id: 'whole', release: release(5), base: null }
const delta: KeptAssignment = { id: 'delta', release: release(5), base: release(4) }

t.test('who serves the target, or has none, is left alone', async (t) => {
  t.equal(reconcile(situation({ holdings: held(5) }), 0).do, 'nothing')
  t.equal(reconcile(situation({ target: null }), 0).do, 'nothing')
})

t.test('who holds the target is told to switch', async (t) => {
  t.match(reconcile(situation({ holdings: held(4, 5), assignments: [delta] }), 0), {
    do: 'commit',
    release: release(5),
  })
})

t.test('a difference is sent to who has its base, the whole to who has not', async (t) => {
  t.match(reconcile(situation({ holdings: held(4), assignments: [whole, delta] }), 0), {
    do: 'stage',
    assignmentId: 'delta',
  })
  t.match(reconcile(situation({ holdings: held(3), assignments: [whole, delta] }), 0), {
    do: 'stage',
    assignmentId: 'whole',
  })
  t.match(reconcile(situation({ holdings: held(3), assignments: [delta] }), 0), { do: 'replicate' })
})

t.test('the same number with another tree is another release', async (t) => {
  const other = { release: 5, treeHash: 'f'.repeat(64) }
  t.equal(reconcile(situation({ holdings: { site: 'www', live: other, held: [] } }), 0).do, 'replicate')
})

t.test('a node is told one thing at a time', async (t) => {
  t.match(reconcile(situation({ underWay: 'stage' }), 0), { do: 'wait', reason: /stage/ })
  t.match(reconcile(situation({ underWay: 'commit', holdings: held(4, 5) }), 0), { do: 'wait', reason: /commit/ })
})

t.test('before the decision a target is staged and held, not switched to', async (t) => {
  t.equal(reconcile(situation({ switchNow: false, holdings: held(4, 5) }), 0).do, 'hold')
  t.equal(reconcile(situation({ switchNow: false, holdings: held(4), assignments: [delta] }), 0).do, 'stage')
})

t.test('a node on which a difference failed gets the whole', async (t) => {
  const of = situation({ wholeOnly: true, holdings: held(4), assignments: [delta, whole] })
  t.match(reconcile(of, 0), { do: 'stage', assignmentId: 'whole' })
  t.match(reconcile({ ...of, assignments: [delta] }, 0), { do: 'replicate' })
})

t.test('a failure is tried again later, one that would repeat is not, and a new target is', async (t) => {
  const lastFailure = { release: release(5), message: 'no space left', retryable: true, retryAtMs: 100 }
  t.match(reconcile(situation({ lastFailure }), 99), { do: 'wait', reason: 'no space left', untilMs: 100 })
  t.equal(reconcile(situation({ lastFailure }), 100).do, 'replicate')
  t.match(reconcile(situation({ lastFailure: { ...lastFailure, retryable: false } }), 1e9), {
    do: 'wait',
    untilMs: null,
  })
  t.equal(reconcile(situation({ lastFailure: { ...lastFailure, release: release(4) } }), 0).do, 'replicate')
})

t.test('a node that does what it is told arrives in three steps', async (t) => {
  const numbers = fc.integer({ min: 1, max: 6 })
  const drawn = fc.record({
    target: numbers,
    live: fc.option(numbers),
    others: fc.uniqueArray(numbers, { maxLength: 3 }),
    kept: fc.array(fc.tuple(numbers, fc.option(numbers)), { maxLength: 4 }),
  })
  fc.assert(
    fc.property(drawn, ({ target, live, others, kept }) => {
      let holdings = held(live, ...others)
      let assignments: KeptAssignment[] = kept.map(([made, base], at) => ({
        id: String(at),
        release: release(made),
        base: base === null ? null : release(base),
      }))
      for (let step = 0; step < 4; step++) {
        const action = reconcile(situation({ target: release(target), holdings, assignments }), 0)
        if (action.do === 'nothing') return holdings.live?.release === target
        if (action.do === 'commit') holdings = { ...holdings, live: action.release }
        if (action.do === 'stage') holdings = { ...holdings, held: [...holdings.held, action.release] }
        if (action.do === 'replicate')
          assignments = [...assignments, { id: 'new', release: action.release, base: null }]
      }
      return false
    }),
  )
  t.pass()
})
