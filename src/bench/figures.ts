/** How many were done by then. */
export interface Point {
  readonly seconds: number
  /** Of all who could be: 0–1. */
  readonly share: number
}

/** Points of a curve at most: more than a screen shows. */
const POINTS_MAX = 400

/**
 * The value that this share of all are at or below (nearest rank).
 * @param sorted ascending. @returns null where there are none. Pure.
 */
export function percentile(sorted: readonly number[], share: number): number | null {
  const rank = Math.max(1, Math.ceil(sorted.length * share))
  return sorted[rank - 1] ?? null
}

/** The middle of all, in whatever order they are. @returns null where there are none. Pure. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  const [below, above] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return below === undefined || above === undefined ? null : (below + above) / 2
}

/**
 * How the share of those who are done grew: rising in both, from nothing at 0 to all who ever were.
 * @param sorted when each was done, ascending. @param total how many could be. Pure.
 */
export function curveOf(sorted: readonly number[], total: number): readonly Point[] {
  const count = Math.min(sorted.length, POINTS_MAX)
  const points = Array.from({ length: count }, (_, at) => {
    const rank = Math.ceil(((at + 1) * sorted.length) / count)
    return { seconds: sorted[rank - 1] ?? 0, share: rank / total }
  })
  return [{ seconds: 0, share: 0 }, ...points]
}
