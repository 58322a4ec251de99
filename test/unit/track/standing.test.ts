// Goal: each change of a node is news once: joined and lost, behind, drifted and repaired.
// Method: examples, and whole lives made of random facts.
import fc from 'fast-check'
import t from 'tap'
import { presenceChange, siteChange } from '../../../src/track/standing.js'

const one = { release: 1, treeHash: 'a' }
const two = { release: 2, treeHash: 'b' }
const idle = { isJobAtWork: false }

t.test('a node joins once, and is lost only after it was silent for long', async (t) => {
  t.same(presenceChange(null, { online: true, isSilent: false }), { standing: 'here', news: 'joined' })
  t.equal(presenceChange('here', { online: true, isSilent: false }), null)
  t.equal(presenceChange('here', { online: false, isSilent: false }), null, 'a connection that is gone for a moment')
  t.same(presenceChange('here', { online: false, isSilent: true }), { standing: 'away', news: 'lost' })
  t.equal(presenceChange('away', { online: false, isSilent: true }), null)
  t.same(presenceChange('away', { online: true, isSilent: false }), { standing: 'here', news: 'joined' })
  t.same(presenceChange(null, { online: false, isSilent: true }), { standing: 'away', news: null })
})

t.test('who is not there when the job is over is behind, and repaired when it is', async (t) => {
  const current = { standing: 'current', release: 1 } as const
  t.equal(siteChange(null, { target: null, live: null, ...idle }), null)
  t.equal(siteChange(current, { target: two, live: one, isJobAtWork: true }), null)
  t.same(siteChange(current, { target: two, live: one, ...idle }), { standing: 'behind', news: 'behind' })
  const behind = { standing: 'behind', release: 2 } as const
  t.equal(siteChange(behind, { target: two, live: one, ...idle }), null, 'told once')
  t.same(siteChange(behind, { target: two, live: two, ...idle }), { standing: 'current', news: 'repaired' })
  t.same(siteChange(current, { target: two, live: two, ...idle }), { standing: 'current', news: null })
})

t.test('who served the target and does not any more has drifted, also while a job is at work', async (t) => {
  const current = { standing: 'current', release: 1 } as const
  for (const isJobAtWork of [true, false]) {
    const change = siteChange(current, { target: one, live: null, isJobAtWork })
    t.same(change, { standing: 'drifted', news: 'drifted' })
  }
  t.same(siteChange({ standing: 'drifted', release: 1 }, { target: one, live: one, ...idle }), {
    ...{ standing: 'current', news: 'repaired' },
  })
})

t.test('whatever happens, repaired follows what was wrong, and nothing is told twice in a row', async (t) => {
  const facts = fc.record({
    target: fc.constantFrom(null, one, two),
    live: fc.constantFrom(null, one, two),
    isJobAtWork: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(facts, { maxLength: 40 }), (life) => {
      let before: Parameters<typeof siteChange>[0] = null
      const told: string[] = []
      for (const now of life) {
        const change = siteChange(before, now)
        if (change === null) continue
        before = { standing: change.standing, release: now.target?.release ?? null }
        if (change.news !== null) told.push(change.news)
        if (siteChange(before, now) !== null) return false
      }
      return told.every((news, at) => (news === 'repaired') === (at % 2 === 1))
    }),
  )
})
