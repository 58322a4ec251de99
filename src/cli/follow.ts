import type { Clock } from '../base/clock.js'
import { EngineError, errorTable, isErrorCode } from '../base/errors.js'
import { formatBytes, formatDuration } from '../base/quantities.js'
import type { Job } from '../control/door.js'
import type { JobView } from '../model/job.js'
import type { Output } from './output.js'
import { JobProgress } from './progress.js'

/** What a person may do meanwhile: the first Ctrl-C asks for an abort, the second lets go. */
export interface Interrupts {
  /** Calls `first` at the first signal and `second` at the next; returns what stops listening. */
  listen(first: () => void, second: () => void): () => void
}

export interface FollowOptions {
  readonly output: Output
  readonly clock: Clock
  readonly interrupts: Interrupts
  readonly abort: (jobId: string) => Promise<JobView>
  /** Exit with 9 when there was nothing to do. */
  readonly exitCodeOnNoop: boolean
  /** Ends following when a job waits for its commit. */
  readonly stageOnly: boolean
}

const EXIT = { done: 0, other: 1, partial: 8, noop: 9, interrupted: 130 } as const

const statusOf = (job: JobView): string =>
  ({ succeeded: 'success', partial: 'partial', failed: 'failed', aborted: 'aborted', staged: 'staged' })[
    job.state as string
  ] ?? job.state

const isNoop = (job: JobView): boolean => job.type === 'publish' && job.state === 'succeeded' && job.assignment === null

/** The exit code that stands for how a job ended. */
export function exitCodeOf(job: JobView, exitCodeOnNoop: boolean, interrupted: boolean): number {
  switch (job.state) {
    case 'succeeded':
      return isNoop(job) && exitCodeOnNoop ? EXIT.noop : EXIT.done
    case 'staged':
      return EXIT.done
    case 'partial':
      return EXIT.partial
    case 'aborted':
      return interrupted ? EXIT.interrupted : EXIT.other
    case 'failed':
      return job.error !== null && isErrorCode(job.error.code) ? errorTable[job.error.code].exit : EXIT.other
    default:
      return EXIT.other
  }
}

function summary(job: JobView): string[] {
  const name = job.release === null ? job.site : `${job.site}@${job.release}`
  const live = job.nodes.filter((node) => node.state === 'live').length
  const took = job.finishedAtMs === null ? '' : `  in ${formatDuration(job.finishedAtMs - job.createdAtMs)}`
  const length = job.assignment?.streamBytes ?? null
  const sent = length === null ? '  nothing was sent' : `  ${formatBytes(length)} a node`
  if (isNoop(job)) return [`${name} is live already: nothing has changed`]
  if (job.state === 'staged')
    return [`${name} is staged on ${job.nodes.length} nodes`, `  go live: engine commit ${job.id}`]
  const lines = [`${name} live on ${live}/${job.nodes.length} nodes${sent}${took}`]
  const behind = job.nodes.filter((node) => node.state === 'behind' || node.state === 'failed')
  for (const node of behind) lines.push(`  ${node.name} is ${node.state}: ${node.reason ?? 'no reason given'}`)
  if (job.type === 'publish') {
    lines.push(`  go back: engine rollback --site ${job.site} --group ${job.group} --reason TEXT`)
  }
  return lines
}

function reportFailure(output: Output, job: JobView): void {
  const code = job.error !== null && isErrorCode(job.error.code) ? job.error.code : 'ENGINE_ERR_JOB_FAILED'
  const { message, hint } = job.error ?? { message: `the job was ${job.state}`, hint: errorTable[code].hint }
  output.complain({ code, message, hint })
}

function report(output: Output, job: JobView): void {
  if (output.json) {
    const error = job.error === null ? {} : { error: job.error }
    output.data({ type: 'result', status: statusOf(job), ...error, job })
  }
  if (job.state === 'failed' || job.state === 'aborted') {
    reportFailure(output, job)
    return
  }
  if (output.json) return
  const [first, ...rest] = summary(job)
  output.print(`${output.colors.green('✔')} ${first ?? ''}`)
  for (const line of rest) output.print(line)
}

const ended = (job: JobView, stageOnly: boolean): boolean =>
  ['succeeded', 'partial', 'failed', 'aborted'].includes(job.state) || (stageOnly && job.state === 'staged')

/**
 * Shows a job until it ends (or waits for its commit) and gives the exit code.
 * The first interrupt asks the coordinator to abort; the second stops following: the job goes on.
 */
export async function followJob(job: Job, options: FollowOptions): Promise<number> {
  const { output, clock } = options
  const progress = new JobProgress(output)
  const watching = new AbortController()
  let interrupted = false
  const stopListening = options.interrupts.listen(
    () => {
      interrupted = true
      output.note('asking for an abort; once more to leave it running')
      options.abort(job.id).catch((error: unknown) => {
        const why = error instanceof EngineError ? error.message : String(error)
        output.note(`not aborted: ${why}`)
      })
    },
    () => watching.abort(),
  )
  try {
    let last: JobView | undefined
    for await (const event of job.progress({ signal: watching.signal })) {
      last = event.job
      if (ended(event.job, options.stageOnly)) break
      if (output.json) output.data(event)
      progress.show(event.job, clock.monotonicMs())
    }
    if (watching.signal.aborted || last === undefined) {
      output.note(`job ${job.id} goes on; see it with: engine jobs`)
      return EXIT.interrupted
    }
    report(output, last)
    return exitCodeOf(last, options.exitCodeOnNoop, interrupted)
  } finally {
    stopListening()
  }
}
