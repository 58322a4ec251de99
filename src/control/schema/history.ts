import { z } from 'zod'
import { JOB_PAGE_DEFAULT, JOB_PAGE_MAX } from '../../base/limits.js'
import type { HistoryEntry } from '../../model/history.js'
import { commandTypes, jobStates } from '../../model/job.js'
import { changeSummary, jobError } from './job.js'
import { count, name, named, release, timeMs } from './registry.js'

const historyEntry: z.ZodType<HistoryEntry> = named(
  'HistoryEntry',
  z.object({
    jobId: z.string(),
    atMs: timeMs.describe('When it was asked for.'),
    finishedAtMs: timeMs.nullable(),
    durationMs: z.number().int().nullable(),
    commands: z.array(z.enum(commandTypes)),
    result: z.enum(jobStates),
    fromRelease: release.nullable().describe('What was live before.'),
    toRelease: release.nullable().describe('What it made live, or was to.'),
    actor: z.string().nullable().describe('Who asked, as the audit log has it.'),
    reason: z.string().nullable(),
    changes: changeSummary.nullable(),
    sentBytes: count.nullable().describe('What each node was sent.'),
    nodesLive: count,
    nodesBehind: count,
    nodeCount: count,
    error: jobError.nullable(),
  }),
)

export interface HistoryList {
  readonly items: readonly HistoryEntry[]
}
export const historyList: z.ZodType<HistoryList> = named('HistoryList', z.object({ items: z.array(historyEntry) }))

/** `{site}` in a path. */
export const siteParams: z.ZodType<{ readonly site: string }> = z.strictObject({ site: name })

/** `?limit=` of GET /v1/sites/{site}/history. */
export const historyQuery: z.ZodType<{ readonly limit: number }> = z.strictObject({
  limit: z.coerce.number().int().min(1).max(JOB_PAGE_MAX).default(JOB_PAGE_DEFAULT),
})
