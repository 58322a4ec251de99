/** A site as the coordinator knows it. */
export interface SiteView {
  readonly site: string
  readonly group: string
  /** Release that every node of the group should serve; null before the first commit. */
  readonly targetRelease: number | null
  readonly targetTreeHash: string | null
  /** Set by a rollback: why the site stands on an older release. */
  readonly holdReason: string | null
  readonly nodesLive: number
  readonly nodeCount: number
  readonly releases: readonly number[]
}
