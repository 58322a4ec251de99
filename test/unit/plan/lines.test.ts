// Goal: whoever loses its parent knows whom to turn to, and nobody is asked for more than it has to spare.
// Method: braids of any shape; every death is played by hand.
import t from 'tap'
import fc from 'fast-check'
import { SOURCE, type Strand } from '../../../src/plan/grow.js'
import { linesOf } from '../../../src/plan/lines.js'
import { weaveBraid } from '../../../src/plan/strategies/braid.js'

/** Braids over nodes of the same weight, in some segments. */
const braids = fc
  .record({
    nodeCount: fc.integer({ min: 1, max: 60 }),
    strandCount: fc.integer({ min: 1, max: 4 }),
    segmentCount: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(1000),
  })
  .map(({ nodeCount, strandCount, segmentCount, seed }) => {
    const nodes = Array.from({ length: nodeCount }, (_, at) => {
      const segment = `s${Math.floor((at * segmentCount) / nodeCount)}`
      return { nodeId: `n${at}`, segment, host: '127.0.0.1', port: 1, weight: 1 }
    })
    return weaveBraid(strandCount).weave({ nodes, home: 's0', isKnown: false, seed })
  })

const isBelow = (node: number, other: number, strand: Strand): boolean => {
  let at = other
  while (at !== SOURCE && at !== node) at = strand[at] ?? SOURCE
  return at === node
}

/** Every strand when these are gone: each node has turned to the first in its line who is there. */
const without = (woven: readonly Strand[], gone: ReadonlySet<number>): readonly Strand[] =>
  linesOf(woven).map((strand) => strand.map((line) => line.find((other) => !gone.has(other)) ?? SOURCE))

/** How many each of those who are there serves, over all strands; the source too. */
function loadsOf(woven: readonly Strand[], gone: ReadonlySet<number>): Map<number, number> {
  const loads = new Map<number, number>()
  for (const strand of woven) {
    for (const [node, parent] of strand.entries()) {
      if (!gone.has(node)) loads.set(parent, (loads.get(parent) ?? 0) + 1)
    }
  }
  return loads
}

t.test('a line begins with the parent, has the source in it, and nobody twice, itself or below it', async () => {
  fc.assert(
    fc.property(braids, (woven) => {
      for (const [place, lines] of linesOf(woven).entries()) {
        const strand = woven[place] ?? []
        for (const [node, line] of lines.entries()) {
          if (line[0] !== strand[node] || !line.includes(SOURCE) || new Set(line).size !== line.length) return false
          if (line.some((other) => isBelow(node, other, strand))) return false
        }
      }
      return true
    }),
  )
})

t.test('a death closes no circle: all others are still reached', async () => {
  fc.assert(
    fc.property(braids, fc.nat(1000), (woven, pick) => {
      const dead = pick % (woven[0]?.length ?? 1)
      const left = without(woven, new Set([dead]))
      return left.every((strand) =>
        strand.every((_, node) => {
          let at = node
          for (let step = 0; step <= strand.length && at !== SOURCE; step++) at = strand[at] ?? SOURCE
          return node === dead || at === SOURCE
        }),
      )
    }),
  )
})

t.test('in a braid of two over equal nodes a death has nobody serve more than it did, whoever dies', async (t) => {
  for (const nodeCount of [4, 8, 16, 64, 100]) {
    const nodes = Array.from({ length: nodeCount }, (_, at) => {
      return { nodeId: `n${at}`, segment: 'here', host: '127.0.0.1', port: 1, weight: 1 }
    })
    const woven = weaveBraid(2).weave({ nodes, home: 'here', isKnown: false, seed: 1 })
    const before = loadsOf(woven, new Set())
    for (let dead = 0; dead < nodeCount; dead++) {
      const gone = new Set([dead])
      const after = loadsOf(without(woven, gone), gone)
      const most = Math.max(...[...after].map(([node, load]) => load - Math.max(2, before.get(node) ?? 0)))
      t.ok(most <= 0, `${dead} of ${nodeCount}`)
    }
  }
})

t.test('when a node and who takes its place are gone, the next has a place to spare, nearly always', async (t) => {
  const nodes = Array.from({ length: 64 }, (_, at) => {
    return { nodeId: `n${at}`, segment: 'here', host: '127.0.0.1', port: 1, weight: 1 }
  })
  const woven = weaveBraid(2).weave({ nodes, home: 'here', isKnown: false, seed: 1 })
  const lines = linesOf(woven)
  let [cases, crowded] = [0, 0]
  for (let dead = 0; dead < nodes.length; dead++) {
    const children = lines.flatMap((strand) => strand.filter((line) => line[0] === dead))
    for (const heir of new Set(children.map((line) => line[1] ?? SOURCE))) {
      if (heir === SOURCE) continue
      const gone = new Set([dead, heir])
      const after = loadsOf(without(woven, gone), gone)
      cases += 1
      if ([...after.values()].some((load) => load > 2)) crowded += 1
    }
  }
  t.ok(cases > 50 && crowded / cases < 0.1, `${crowded} of ${cases}`)
})
