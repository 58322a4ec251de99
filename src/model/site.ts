/** Why a site stays on the release that it serves, and until when; null: until somebody resumes it. */
export interface Hold {
  readonly reason: string
  readonly untilMs: number | null
}

/** What holding a site takes; `forMs` null: until somebody resumes it. */
export interface HoldRequest {
  readonly reason: string
  readonly forMs: number | null
}

export interface ResumeRequest {
  readonly reason: string | null
}

/** A site as the coordinator knows it. */
export interface SiteView {
  readonly site: string
  readonly group: string
  /** Release that every node of the group should serve; null before the first commit. */
  readonly targetRelease: number | null
  readonly targetTreeHash: string | null
  /** Why it stays on the release that it serves: set by a rollback or a pause; null: it is not held. */
  readonly holdReason: string | null
  /** When the hold ends by itself; null: when somebody resumes it. */
  readonly holdUntilMs: number | null
  readonly nodesLive: number
  readonly nodeCount: number
  readonly releases: readonly number[]
}
