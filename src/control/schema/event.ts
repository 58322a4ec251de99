import { z } from 'zod'
import type { JobEvent } from '../../model/event.js'
import { jobView } from './job.js'
import { count, named, timeMs } from './registry.js'

export const jobEventTypes = ['phase', 'progress', 'result'] as const

/** One event of a stream: its type is the SSE event name too, its id the SSE id. */
export const jobEvent: z.ZodType<JobEvent> = named(
  'JobEvent',
  z.object({ type: z.enum(jobEventTypes), id: count, atMs: timeMs, job: jobView }),
)

/** Where a watcher resumes: the last id it saw. */
export const eventQuery: z.ZodType<{ readonly sinceId?: number | undefined }> = z.strictObject({
  sinceId: z.coerce.number().int().min(0).optional(),
})
