import type { Plan } from '../../src/model/plan.js'
import { type PlanRequest, startPlanning } from '../../src/plan/index.js'

/** A plan as it starts. */
export function planOf(request: PlanRequest): Plan {
  const planning = startPlanning(request)
  const parts = [...planning.members].map(({ nodeId }) => planning.partOf(nodeId))
  const nodes = new Map(parts.flatMap((part) => (part === null ? [] : [[part.nodeId, part.plan]])))
  return { strategy: request.strategy, strandCount: planning.strandCount, nodes }
}

/** Who serves whom in one strand of a plan. */
export interface Edge {
  readonly strand: number
  readonly parent: string
  /** Whom the child turns to when that parent is gone; none after the source. */
  readonly next: string | undefined
  readonly child: string
}

export const edgesOf = (plan: Plan): readonly Edge[] =>
  [...plan.nodes].flatMap(([child, { parents }]) =>
    parents.map(([first, second], strand) => ({ strand, parent: first?.nodeId ?? '', next: second?.nodeId, child })),
  )

/** How often each value comes. */
export function countOf<T>(values: readonly T[]): ReadonlyMap<T, number> {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
