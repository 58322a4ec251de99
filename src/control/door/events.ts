// In: nothing; these are words. Out: which events of the fleet are asked for.
// Never: code that runs.

/** Which events of the fleet: types by pattern, and the id after which they begin. */
export interface FleetFilter {
  readonly types: readonly string[]
  readonly sinceId: number
}

/** Which events of the fleet to read. */
export interface EventsOptions {
  /** Patterns: `job.*`, `node.lost`; all by default. */
  readonly types?: readonly string[]
  readonly sinceId?: number
  readonly signal?: AbortSignal
}
