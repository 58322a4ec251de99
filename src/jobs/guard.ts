import { EngineError } from '../base/errors.js'
import { formatRatio } from '../base/quantities.js'
import type { ChangeSummary, JobPolicy } from '../model/job.js'

/** What a publish would do to what is live, as the scan counted it. */
export interface GuardFacts {
  readonly directory: string
  readonly changes: ChangeSummary
  /** Files of the release that is live now; 0 for the first publish. */
  readonly liveFileCount: number
  /** The changes were counted against that release; false: its tree is lost, only numbers can be compared. */
  readonly isCompared: boolean
  /** Files that were named one by one to be removed: whoever names one means it. Null: nothing but a tree was given. */
  readonly filesNamed: number | null
}

/**
 * The guard rails: an empty tree, and more deletions than the policy lets through. Who says that an
 * empty tree is meant has said that everything is to be deleted. Pure.
 * @returns why this must not be published, or null.
 */
export function checkGuards(facts: GuardFacts, policy: JobPolicy): EngineError | null {
  const { changes, liveFileCount, filesNamed } = facts
  // A directory in a site that has no file yet takes nothing away.
  const isStillEmpty = filesNamed !== null && liveFileCount === 0
  if (changes.fileCount === 0 && !isStillEmpty) {
    return policy.allowEmpty ? null : new EngineError('ENGINE_ERR_EMPTY_SOURCE', { directory: facts.directory })
  }
  const deleted = facts.isCompared ? changes.filesDeleted : liveFileCount - changes.fileCount
  const filesDeleted = Math.max(0, deleted - (filesNamed ?? 0))
  if (filesDeleted <= liveFileCount * policy.maxDeleteRatio) return null
  return new EngineError('ENGINE_ERR_MASS_DELETE', {
    filesDeleted,
    fileCount: liveFileCount,
    limit: formatRatio(policy.maxDeleteRatio),
  })
}
