// Goal: strands that lose any nodes at once reach all others, without a circle, and move nobody else. Method: random
// trees of any kind, not only those that a planner makes.
import fc from 'fast-check'
import t from 'tap'
import { SOURCE, type Strand } from '../../src/plan/grow.js'
import { withoutNodes } from '../../src/plan/mending.js'

/** Trees over the same nodes: in an order of its own, each node is below one that is before it. */
const forests = fc
  .record({ count: fc.integer({ min: 1, max: 24 }), strands: fc.integer({ min: 1, max: 4 }) })
  .chain(({ count, strands }) => {
    const order = fc.shuffledSubarray(
      Array.from({ length: count }, (_, at) => at),
      { minLength: count },
    )
    const strand = fc
      .tuple(order, fc.array(fc.nat(), { minLength: count, maxLength: count }))
      .map(([nodes, draws]): Strand => {
        const parents = nodes.map(() => SOURCE)
        for (const [place, node] of nodes.entries()) {
          const above = (draws[place] ?? 0) % (place + 1)
          parents[node] = above === 0 ? SOURCE : (nodes[above - 1] ?? SOURCE)
        }
        return parents
      })
    return fc.record({
      woven: fc.array(strand, { minLength: strands, maxLength: strands }),
      gone: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
    })
  })

t.test('whoever is left has a way to the source, and its parent too where that one is left', async (t) => {
  fc.assert(
    fc.property(forests, ({ woven, gone }) => {
      const left = gone.flatMap((isGone, node) => (isGone ? [] : [node]))
      for (const [at, strand] of withoutNodes(woven, gone).entries()) {
        if (strand.length !== left.length) return false
        for (const [place, parent] of strand.entries()) {
          const before = woven[at]?.[left[place] as number] ?? SOURCE
          if (gone[before] !== true && parent !== left.indexOf(before)) return false
          let steps = 0
          for (let up = place; up !== SOURCE; up = strand[up] as number) if (steps++ > left.length) return false
        }
      }
      return true
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
