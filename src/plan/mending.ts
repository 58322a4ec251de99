import { SOURCE, type Strand } from './grow.js'
import { isAbove, linesOf } from './lines.js'

/**
 * Strands without nodes that are gone: whoever was served by one of them turns to the first of its line that is left
 * and not below it, as its relay has done by then, so that nobody else is served by another.
 * @param woven by strand. @param gone by node.
 * @returns the strands of those who are left, in their order. Pure.
 */
export function withoutNodes(woven: readonly Strand[], gone: readonly boolean[]): readonly Strand[] {
  const lines = linesOf(woven)
  const places = placesOf(gone)
  return woven.map((strand, at) => {
    const mended = [...strand]
    for (const [node, parent] of strand.entries()) {
      if (gone[node] === true || parent === SOURCE || gone[parent] !== true) continue
      const line = lines[at]?.[node] ?? []
      const next = line.find((other) => other === SOURCE || (gone[other] !== true && !isAbove(node, other, mended)))
      mended[node] = next ?? SOURCE
    }
    return mended
      .filter((_, node) => gone[node] !== true)
      .map((parent) => (parent === SOURCE ? SOURCE : (places[parent] ?? SOURCE)))
  })
}

/** By node, where it is among those who are left. */
function placesOf(gone: readonly boolean[]): readonly number[] {
  let place = 0
  return gone.map((isGone) => (isGone ? SOURCE : place++))
}
