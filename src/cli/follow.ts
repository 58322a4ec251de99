import type { Clock } from '../base/clock.js'
import { EngineError, errorTable, isErrorCode } from '../base/errors.js'
import { formatBytes, formatCount, formatDuration } from '../base/quantities.js'
import { SECOND_MS } from '../base/units.js'
import type { Job, JobsApi } from '../control/door.js'
import { isPublish, type JobView } from '../model/job.js'
import type { Output } from './output.js'
import { isNoop, JobProgress } from './progress.js'

/** What a person may do meanwhile: the first Ctrl-C asks for an abort, the second lets go. */
export interface Interrupts {
  /** Calls `first` at the first signal and `second` at the next, each with the exit code that stands for it. */
  listen(first: (exitCode: number) => void, second: (exitCode: number) => void): () => void
}

export interface FollowOptions {
  readonly output: Output
  readonly clock: Clock
  readonly interrupts: Interrupts
  readonly api: Pick<JobsApi, 'abort' | 'jobs'>
  /** Exit with 9 when there was nothing to do. */
  readonly exitCodeOnNoop: boolean
  /** Ends following when a job waits for its commit. */
  readonly stageOnly: boolean
  /** Only the switch is followed, asked for at this time of the monotonic clock: the rest was told before. */
  readonly commitAskedAtMs?: number
}

const EXIT = { done: 0, other: 1, partial: 8, noop: 9 } as const

/** Time between two looks at what a queued job waits for. */
const QUEUE_LOOK_MS = 2 * SECOND_MS

const statusOf = (job: JobView): string =>
  ({ succeeded: 'success', partial: 'partial', failed: 'failed', aborted: 'aborted', staged: 'staged' })[
    job.state as string
  ] ?? job.state

/**
 * The exit code that stands for how a job ended.
 * @param interruptedWith  the code of the signal that asked for its abort, if one did.
 */
export function exitCodeOf(job: JobView, exitCodeOnNoop: boolean, interruptedWith: number | null): number {
  switch (job.state) {
    case 'succeeded':
      return isNoop(job) && exitCodeOnNoop ? EXIT.noop : EXIT.done
    case 'staged':
      return EXIT.done
    case 'partial':
      return EXIT.partial
    case 'aborted':
      return interruptedWith ?? EXIT.other
    case 'failed':
      return job.error !== null && isErrorCode(job.error.code) ? errorTable[job.error.code].exit : EXIT.other
    default:
      return EXIT.other
  }
}

/** What came of a job, in lines of data; and what may be done next. */
interface Summary {
  readonly lines: readonly string[]
  readonly hint: string | null
}

function summary(job: JobView, tookMs: number | null): Summary {
  const name = job.release === null ? job.site : `${job.site}@${job.release}`
  const live = job.nodes.filter((node) => node.state === 'live').length
  const took = tookMs === null ? '' : `  in ${formatDuration(tookMs)}`
  const length = job.assignment?.streamBytes ?? null
  const sent = length === null ? '  nothing was sent' : `  ${formatBytes(length)} a node`
  if (isNoop(job)) return { lines: [`${name} is live already: nothing has changed`], hint: null }
  if (job.state === 'staged') {
    const line = `${name} is staged on ${formatCount(job.nodes.length, 'node')}`
    return { lines: [line], hint: `go live: engine commit ${job.id}` }
  }
  const behind = job.nodes.filter((node) => node.state === 'behind' || node.state === 'failed')
  const lines = [
    `${name} live on ${formatCount(live, 'node', job.nodes.length)}${sent}${took}`,
    ...behind.map((node) => `  ${node.name} is ${node.state}: ${node.reason ?? 'no reason given'}`),
  ]
  const back = `go back: engine rollback --site ${job.site} --group ${job.group} --reason TEXT`
  return { lines, hint: isPublish(job) ? back : null }
}

function reportFailure(output: Output, job: JobView): void {
  const code = job.error !== null && isErrorCode(job.error.code) ? job.error.code : 'ENGINE_ERR_JOB_FAILED'
  const { message, hint } = job.error ?? { message: `the job was ${job.state}`, hint: errorTable[code].hint }
  output.complain({ code, message, hint })
}

function report(output: Output, job: JobView, tookMs: number | null): void {
  if (output.json) {
    const error = job.error === null ? {} : { error: job.error }
    output.data({ type: 'result', status: statusOf(job), ...error, job })
  }
  if (job.state === 'failed' || job.state === 'aborted') {
    reportFailure(output, job)
    return
  }
  if (output.json) return
  const { lines, hint } = summary(job, tookMs)
  const [first, ...rest] = lines
  output.print(`${output.colors.green('✔')} ${first ?? ''}`)
  for (const line of rest) output.print(line)
  if (hint !== null) output.note(`  ${hint}`)
}

const ended = (job: JobView, stageOnly: boolean): boolean =>
  ['succeeded', 'partial', 'failed', 'aborted'].includes(job.state) || (stageOnly && job.state === 'staged')

/** Says which staged job holds the site of a queued one; a job that becomes staged later, then. */
async function tellWhatHolds(queued: JobView, options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { api, output, clock } = options
  let told = ''
  while (!signal.aborted) {
    // Whoever cannot be asked now is waited for by who follows the job.
    const [staged] = await api.jobs({ site: queued.site, state: 'staged', limit: 1 }).catch(() => [])
    if (staged !== undefined && staged.id !== told && !signal.aborted) {
      told = staged.id
      output.note(waitsFor(staged.id))
    }
    await clock.sleep(QUEUE_LOOK_MS, signal).catch(() => {})
  }
}

/** What a queued job waits for that nobody knows the end of. */
export const waitsFor = (stagedId: string): string => `waits for staged job ${stagedId}: commit or abort it`

/** Looks what holds a job's site for as long as it is queued. */
class QueueWatch {
  readonly #options: FollowOptions
  #stop: AbortController | null = null

  constructor(options: FollowOptions) {
    this.#options = options
  }

  see(job: JobView): void {
    if (job.state !== 'queued') this.end()
    else if (this.#stop === null) {
      this.#stop = new AbortController()
      void tellWhatHolds(job, this.#options, this.#stop.signal)
    }
  }

  end(): void {
    this.#stop?.abort()
  }
}

const isPast = (job: JobView, options: FollowOptions): boolean =>
  options.commitAskedAtMs !== undefined && job.state !== 'committing'

function tookMs(job: JobView, { clock, commitAskedAtMs }: FollowOptions): number | null {
  if (job.finishedAtMs === null) return null
  return commitAskedAtMs === undefined ? job.finishedAtMs - job.createdAtMs : clock.monotonicMs() - commitAskedAtMs
}

/**
 * Shows a job until it ends (or waits for its commit) and gives the exit code.
 * The first interrupt asks the coordinator to abort; the second stops following: the job goes on.
 */
export async function followJob(job: Job, options: FollowOptions): Promise<number> {
  const { output, clock, api } = options
  const progress = new JobProgress(output)
  const queue = new QueueWatch(options)
  const watching = new AbortController()
  let interruptedWith: number | null = null
  const stopListening = options.interrupts.listen(
    (exitCode) => {
      interruptedWith = exitCode
      output.note('asking for an abort; once more to leave it running')
      api.abort(job.id, { signal: watching.signal }).catch((error: unknown) => {
        if (watching.signal.aborted) return
        const why = error instanceof EngineError ? error.message : String(error)
        output.note(`not aborted: ${why}`)
      })
    },
    (exitCode) => {
      interruptedWith = exitCode
      watching.abort()
    },
  )
  try {
    let last: JobView | undefined
    for await (const event of job.progress({ signal: watching.signal })) {
      last = event.job
      if (ended(event.job, options.stageOnly)) break
      if (isPast(event.job, options)) continue
      queue.see(event.job)
      if (output.json) output.data(event)
      progress.show(event.job, clock.monotonicMs())
    }
    if (watching.signal.aborted || last === undefined) {
      output.note(`job ${job.id} goes on; see it with: engine jobs`)
      return interruptedWith ?? EXIT.other
    }
    report(output, last, tookMs(last, options))
    return exitCodeOf(last, options.exitCodeOnNoop, interruptedWith)
  } finally {
    queue.end()
    stopListening()
  }
}
