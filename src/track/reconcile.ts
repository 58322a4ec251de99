import type { NodeSite, ReleaseRef } from '../model/node.js'

/** A kept assignment, whole on disk: it makes `release` out of `base`. */
export interface KeptAssignment {
  readonly id: string
  readonly release: ReleaseRef
  /** Null: it makes the release out of nothing. */
  readonly base: ReleaseRef | null
}

/** What went wrong the last time this node was brought to this target. */
export interface LastFailure {
  readonly release: ReleaseRef
  readonly message: string
  /** False: trying again would fail again. */
  readonly retryable: boolean
  /** By a clock that never goes back: not before then. */
  readonly retryAtMs: number
}

/** What a node was told to do, and with which release. */
export interface Order {
  readonly kind: 'stage' | 'commit'
  readonly release: ReleaseRef
}

/** One node and one site, as the coordinator sees them. */
export interface Situation {
  /** What every node of the group should serve; null before the first commit. */
  readonly target: ReleaseRef | null
  readonly holdings: NodeSite
  readonly assignments: readonly KeptAssignment[]
  /** False while a job waits for its commit decision: the target may be staged, not switched to. */
  readonly switchNow: boolean
  /** A difference did not work here: only what brings everything is sent. */
  readonly wholeOnly: boolean
  /** What a node reports as damaged is staged there anew without being asked. */
  readonly repair: boolean
  /** Told to this node and not answered yet. */
  readonly underWay: Order | null
  readonly lastFailure: LastFailure | null
}

export type ReconcileAction =
  | { readonly do: 'nothing' }
  /** It holds the target and waits for the decision to switch. */
  | { readonly do: 'hold' }
  | { readonly do: 'wait'; readonly reason: string; readonly untilMs: number | null }
  | { readonly do: 'commit'; readonly release: ReleaseRef }
  | { readonly do: 'stage'; readonly assignmentId: string; readonly release: ReleaseRef }
  /** No kept assignment fits what the node holds: a whole copy has to be packed first. */
  | { readonly do: 'replicate'; readonly release: ReleaseRef }

/**
 * What brings a node one step nearer to what it should serve. Doing what it says until it says
 * `nothing` ends in three steps, whatever the node held. Pure.
 */
export function reconcile(of: Situation, nowMs: number): ReconcileAction {
  const { target, holdings, underWay, lastFailure } = of
  if (target === null || isThere(of, target)) return { do: 'nothing' }
  const isHeld = holds(holdings, target)
  if (isHeld && !of.switchNow) return { do: 'hold' }
  if (isLeftDamaged(of, target)) return { do: 'wait', reason: 'what it has of it is damaged', untilMs: null }
  if (underWay !== null && isAwaited(underWay, target, isHeld)) {
    return { do: 'wait', reason: `it was told to ${underWay.kind}`, untilMs: null }
  }
  const postponed = lastFailure === null ? null : postponement(lastFailure, target, nowMs)
  if (postponed !== null) return postponed
  if (isHeld) return { do: 'commit', release: target }
  const best = bestAssignment(of, target)
  return best === undefined
    ? { do: 'replicate', release: target }
    : { do: 'stage', assignmentId: best.id, release: target }
}

/** The shortest of the kept assignments that makes the target out of what the node holds. */
function bestAssignment(
  { assignments, holdings, wholeOnly }: Situation,
  target: ReleaseRef,
): KeptAssignment | undefined {
  // What else a node with damage holds may share the bytes that went bad.
  const mayBuild = !wholeOnly && (holdings.damaged ?? []).length === 0
  const fitting = assignments.filter(
    (kept) => isSame(kept.release, target) && (kept.base === null || (mayBuild && holds(holdings, kept.base))),
  )
  // One that has a base is a difference, and shorter.
  return fitting.find((kept) => kept.base !== null) ?? fitting[0]
}

/** It is damaged there, and nobody wants it mended. */
function isLeftDamaged({ repair, holdings }: Situation, target: ReleaseRef): boolean {
  return !repair && (holdings.damaged ?? []).some((each) => isSame(each, target) && !each.mend)
}

/** It serves the target and was not told to switch away: that it may do at any time until it is told to switch back. */
function isThere({ holdings, underWay }: Situation, target: ReleaseRef): boolean {
  const isLeaving = underWay?.kind === 'commit' && !isSame(underWay.release, target)
  return isSame(holdings.live, target) && !isLeaving
}

/** An order for another release may never be answered, and one to stage what is held need not be. */
function isAwaited({ kind, release }: Order, target: ReleaseRef, isHeld: boolean): boolean {
  return isSame(release, target) && !(isHeld && kind === 'stage')
}

/** What failed is not tried before its time, and never when it would fail again. */
function postponement(failure: LastFailure, target: ReleaseRef, nowMs: number): ReconcileAction | null {
  const { message: reason, retryable, retryAtMs } = failure
  if (!isSame(failure.release, target) || (retryable && nowMs >= retryAtMs)) return null
  return { do: 'wait', reason, untilMs: retryable ? retryAtMs : null }
}

/** Whether a node has a release complete on its disk, live or not. Pure. */
export function holds(holdings: NodeSite, release: ReleaseRef): boolean {
  return isSame(holdings.live, release) || holdings.held.some((held) => isSame(held, release))
}

/** Numbers alone are not enough: a database put back from a backup may count a number twice. */
export function isSame(a: ReleaseRef | null, b: ReleaseRef): boolean {
  return a !== null && a.release === b.release && a.treeHash === b.treeHash
}
