import { EngineError } from '../base/errors.js'
import { CANARY_CHECK_EVERY_MS_MAX, CANARY_CHECK_EVERY_MS_MIN, CANARY_CHECKS } from '../base/policy-limits.js'
import type { CanaryPolicy } from '../model/canary.js'

/** A node that holds the release complete. */
export interface Candidate {
  readonly nodeId: string
  readonly name: string
  readonly isOnline: boolean
}

/**
 * The nodes that switch first: those that are named, else so many of those that hold the release, only connected ones
 * where there are enough, evenly spread over their names. The same nodes give the same choice. Pure.
 * @throws {EngineError} ENGINE_ERR_CANARY_IMPOSSIBLE when a named one does not hold it, or nobody would be left.
 */
export function chooseCanaries(policy: CanaryPolicy, held: readonly Candidate[], site: string): readonly Candidate[] {
  const sorted = held.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const chosen =
    policy.nodes === undefined ? spread(sorted, wantedOf(policy, held.length)) : named(sorted, policy.nodes, site)
  if (chosen.length < held.length) return chosen
  const why =
    held.length === 1 ? 'only one node holds the release' : 'all nodes that hold the release would be canaries'
  throw impossible(site, `${why}, and none would be left`)
}

/** What canaries that cannot be are told as. Pure. */
export const impossible = (site: string, why: string): EngineError =>
  new EngineError('ENGINE_ERR_CANARY_IMPOSSIBLE', { site, why })

/** Time between two checks of canaries. Pure. */
export function checkEveryMs(bakeMs: number): number {
  return Math.max(CANARY_CHECK_EVERY_MS_MIN, Math.min(CANARY_CHECK_EVERY_MS_MAX, bakeMs / CANARY_CHECKS))
}

/** Never more than was said: it is what somebody is ready to lose. */
function wantedOf({ share, count }: CanaryPolicy, total: number): number {
  return Math.max(1, share === undefined ? (count ?? 1) : Math.floor(total * share + 1e-9))
}

function named(sorted: readonly Candidate[], names: readonly string[], site: string): readonly Candidate[] {
  return names.map((name) => {
    const found = sorted.find((each) => each.name === name)
    if (found === undefined) throw impossible(site, `${name} does not hold the release`)
    return found
  })
}

function spread(sorted: readonly Candidate[], wanted: number): readonly Candidate[] {
  const online = sorted.filter(({ isOnline }) => isOnline)
  const from = online.length >= wanted ? online : sorted
  const count = Math.min(wanted, from.length)
  const slot = (index: number): number => Math.floor((index * count) / from.length)
  return from.filter((_, index) => slot(index) !== slot(index - 1))
}
