import type { JobView } from './job.js'

/** What a watcher of one job is told; `id` grows by one and is where a watcher resumes. */
export type JobEvent =
  | { readonly type: 'phase'; readonly id: number; readonly atMs: number; readonly job: JobView }
  | { readonly type: 'progress'; readonly id: number; readonly atMs: number; readonly job: JobView }
  | { readonly type: 'result'; readonly id: number; readonly atMs: number; readonly job: JobView }
