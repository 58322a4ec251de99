// Goal: canaries are chosen the same way each time, never more than was said, spread, and never all.
// Method: properties of any group of nodes; a few by hand.
import fc from 'fast-check'
import t from 'tap'
import { type Candidate, checkEveryMs, chooseCanaries } from '../../../src/jobs/canary.js'

const groups = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 9999 }), fc.boolean()), {
  ...{ minLength: 2, maxLength: 200 },
  selector: ([number]) => number,
})
const toNodes = (all: readonly (readonly [number, boolean])[]): Candidate[] =>
  all.map(([number, isOnline]) => ({ nodeId: `id${number}`, name: `n${String(number).padStart(4, '0')}`, isOnline }))
const shares = fc.double({ min: 0.001, max: 0.999, noNaN: true })

t.test('a share is rounded down, at least one; some are left; the order of the nodes means nothing', async () => {
  fc.assert(
    fc.property(groups, shares, (all, share) => {
      const nodes = toNodes(all)
      const chosen = chooseCanaries({ share, bakeMs: 1 }, nodes, 'www')
      const again = chooseCanaries({ share, bakeMs: 1 }, nodes.toReversed(), 'www')
      const wanted = Math.max(1, Math.floor(nodes.length * share + 1e-9))
      const isSame = JSON.stringify(chosen) === JSON.stringify(again)
      const online = nodes.filter(({ isOnline }) => isOnline).length
      const isThere = online < wanted || chosen.every(({ isOnline }) => isOnline)
      return isSame && isThere && chosen.length === wanted && new Set(chosen).size === wanted
    }),
  )
})

t.test('they are spread: between two of them lies about the same number of others', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 300 }), shares, (total, share) => {
      const nodes = toNodes(Array.from({ length: total }, (_, i) => [i, true] as const))
      const places = chooseCanaries({ share, bakeMs: 1 }, nodes, 'www').map((each) => nodes.indexOf(each))
      const gaps = places.slice(1).map((place, index) => place - (places[index] ?? 0))
      return gaps.length === 0 || Math.max(...gaps) - Math.min(...gaps) <= 1
    }),
  )
})

t.test('who is named is chosen, and one that holds nothing, or all of them, are refused', async (t) => {
  const nodes = toNodes([1, 2, 3].map((number) => [number, true] as const))
  const names = chooseCanaries({ nodes: ['n0003', 'n0001'], bakeMs: 1 }, nodes, 'www').map(({ name }) => name)
  t.same(names, ['n0003', 'n0001'])
  const refused = { code: 'ENGINE_ERR_CANARY_IMPOSSIBLE' }
  t.throws(() => chooseCanaries({ nodes: ['n0009'], bakeMs: 1 }, nodes, 'www'), {
    ...refused,
    message: /n0009 does not/,
  })
  t.throws(() => chooseCanaries({ share: 1, bakeMs: 1 }, nodes, 'www'), refused)
  t.throws(() => chooseCanaries({ count: 3, bakeMs: 1 }, nodes, 'www'), refused)
  t.throws(() => chooseCanaries({ count: 1, bakeMs: 1 }, nodes.slice(0, 1), 'www'), { message: /only one node/ })
})

t.test('a short bake is checked ten times, a long one each 30 s, none more than once a second', async (t) => {
  t.same([1000, 20_000, 600_000].map(checkEveryMs), [1000, 2000, 30_000])
})
