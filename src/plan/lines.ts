import { ANCESTORS_MAX } from '../base/limits.js'
import { SOURCE, type Strand } from './grow.js'

/** Places inherited at most: where a node, its parent and who would adopt are gone at once, the ancestors remain. */
const INHERITED_MAX = 4

/** Whom one node may turn to in one strand: nodes by index, SOURCE among them. */
export type Line = readonly number[]

/**
 * Whom each node turns to in each strand, nearest first: its parent, then who served that parent, in this strand or
 * another, then the further ancestors. Who served a node that is gone has a place to spare for one node. So each child
 * inherits another of its parent's places, and with it whom its parent would have turned to there: when both are gone,
 * the next has a place to spare, too. Where all children turned to the same, a thousand nodes of which one percent died
 * took 1.45 times the bound; so they take 1.06. Nobody is named who is below the node in that strand.
 * @returns by strand, by node. Pure; O(S²·n·depth).
 */
export function linesOf(woven: readonly Strand[]): readonly (readonly Line[])[] {
  const heirs = woven.map((_, place) => heirsIn(woven, place))
  return woven.map((strand, place) =>
    strand.map((parent, node) => {
      const above = ancestorsOf(node, strand)
      if (parent === SOURCE) return above
      const isOpen = (other: number): boolean => !isAbove(node, other, strand)
      const inherited = inheritedBy(node, place, { woven, heirs }).filter(isOpen)
      const others = woven.map((other) => other[parent] ?? SOURCE).filter((other) => other !== SOURCE && isOpen(other))
      return cutToLength([...new Set([...inherited, ...others, ...above])])
    }),
  )
}

/** By node: in which strand it takes its parent's place when that is gone. */
type Heirs = ReadonlyMap<number, number>

/** A node's parent, whom that would turn to in the place that the node inherits, and so on, at most to the source. */
function inheritedBy(
  node: number,
  place: number,
  { woven, heirs }: { readonly woven: readonly Strand[]; readonly heirs: readonly Heirs[] },
): Line {
  const line: number[] = []
  let [at, strand] = [node, place]
  while (line.length < INHERITED_MAX) {
    const parent = woven[strand]?.[at] ?? SOURCE
    line.push(parent)
    if (parent === SOURCE) break
    strand = heirs[strand]?.get(at) ?? strand
    at = parent
  }
  return line
}

/** Who inherits which place in one strand, this strand's own before others, such that no death closes a circle. */
function heirsIn(woven: readonly Strand[], place: number): Heirs {
  const strand = woven[place] ?? []
  const heirs = new Map<number, number>()
  const others = [...woven.keys()].filter((other) => other !== place)
  for (const [parent, children] of childrenOf(strand)) {
    const places = [...others, place].slice(-children.length)
    /** By child, the brother that would then be above it. */
    const above = new Map<number, number>()
    let waiting = children
    // The place in this strand is open to each, so that a round is over with fewer who wait.
    while (waiting.length > 0) {
      for (const other of places) {
        const server = woven[other]?.[parent] ?? SOURCE
        const brother = other === place ? undefined : children.find((child) => isAbove(child, server, strand))
        const heir = waiting.find((child) => !closesCircle(child, brother, above))
        if (heir === undefined) continue
        waiting = waiting.filter((child) => child !== heir)
        heirs.set(heir, other)
        if (brother !== undefined) above.set(heir, brother)
      }
    }
  }
  return heirs
}

/** Whether a child that turns to someone below a brother would be above itself. */
function closesCircle(child: number, brother: number | undefined, above: ReadonlyMap<number, number>): boolean {
  let at = brother
  while (at !== undefined && at !== child) at = above.get(at)
  return at === child
}

/** By node that serves any: its children, in the order of their numbers. */
function childrenOf(strand: Strand): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>()
  for (const [node, parent] of strand.entries()) {
    if (parent === SOURCE) continue
    const known = children.get(parent)
    if (known === undefined) children.set(parent, [node])
    else known.push(node)
  }
  return children
}

/** The nearest of those named, and the last, who is the source where it is not named before. */
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
export function isAbove(node: number, other: number, strand: Strand): boolean {
  let at = other
  while (at !== SOURCE && at !== node) at = strand[at] ?? SOURCE
  return at === node
}
