/** Edit distance of two words (insert, delete, replace, swap neighbours each cost one). */
export function distance(left: string, right: string): number {
  let older: number[] = []
  let before = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const row = [i]
    for (let j = 1; j <= right.length; j++) {
      const replaced = at(before, j - 1) + (left[i - 1] === right[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]
      row.push(Math.min(at(before, j) + 1, at(row, j - 1) + 1, replaced, swapped ? at(older, j - 2) + 1 : Infinity))
    }
    older = before
    before = row
  }
  return at(before, right.length)
}

const at = (row: readonly number[], index: number): number => row[index] ?? Infinity

/** The known word nearest to what was written, or null when none is near enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | null {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_]/g, '')
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const found = distance(plain(word), plain(candidate))
    if (found < bestDistance) {
      best = candidate
      bestDistance = found
    }
  }
  return best
}
