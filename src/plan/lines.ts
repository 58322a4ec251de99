import { ANCESTORS_MAX } from '../base/limits.js'
import { SOURCE, type Strand } from './grow.js'

/** Whom one node may turn to in one strand: nodes by index, SOURCE the last. */
export type Line = readonly number[]

/**
 * Whom each node turns to in each strand, nearest first: its parent, then who serves that parent in the other strands,
 * then its further ancestors. Who served a node that is gone has a place to spare, an ancestor has none: half-way
 * through a braid of two, a death costs 1.26 copies when ancestors adopt and 1.01 when those do. Brothers begin with
 * different ones. Nobody is named who is below the node in that strand, so that no single death closes a circle.
 * @returns by strand, by node. Pure; O(S²·n·depth).
 */
export function linesOf(woven: readonly Strand[]): readonly (readonly Line[])[] {
  return woven.map((strand, place) => {
    const ranks = ranksOf(strand)
    return strand.map((parent, node) => {
      const above = ancestorsOf(node, strand)
      if (parent === SOURCE) return above
      const others = woven.map((other) => other[parent] ?? SOURCE).filter((_, other) => other !== place)
      const able = others.filter((other) => other !== SOURCE && !isAbove(node, other, strand))
      const turned = able.map((_, step) => able[((ranks[node] ?? 0) + step) % able.length] ?? SOURCE)
      return cutToLength([...new Set([parent, ...turned, ...above])])
    })
  })
}

/** The nearest of those named and the last, which is the source. */
export function cutToLength<T>(line: readonly T[]): readonly T[] {
  if (line.length <= ANCESTORS_MAX) return line
  return [...line.slice(0, ANCESTORS_MAX - 1), ...line.slice(-1)]
}

function ancestorsOf(node: number, strand: Strand): Line {
  const above: number[] = []
  let at = node
  do {
    at = strand[at] ?? SOURCE
    if (above.length < ANCESTORS_MAX - 1 || at === SOURCE) above.push(at)
  } while (at !== SOURCE)
  return above
}

/** Whether `node` is `other` or one of those who serve it. */
function isAbove(node: number, other: number, strand: Strand): boolean {
  let at = other
  while (at !== SOURCE && at !== node) at = strand[at] ?? SOURCE
  return at === node
}

/** By node, how many of its parent's children come before it. */
function ranksOf(strand: Strand): readonly number[] {
  const served = new Map<number, number>()
  return strand.map((parent) => {
    const rank = served.get(parent) ?? 0
    served.set(parent, rank + 1)
    return rank
  })
}
