import type { Clock } from '../base/clock.js'
import { EngineError, errorTable, isErrorCode } from '../base/errors.js'
import { SECOND_MS } from '../base/units.js'
import type { JobsApi } from '../control/door/api.js'
import type { Job } from '../control/door/jobs.js'
import type { CommandView, JobError, JobView } from '../model/job.js'
import type { Output } from './output.js'
import { isNoop, JobProgress, onNodes } from './progress.js'
import { isOnNodes, reportCommand, reportJob } from './summary.js'
import { QueueWatch } from './waiting.js'

/** What a person may do meanwhile: the first Ctrl-C asks for an abort, the second lets go. */
export interface Interrupts {
  /** Calls `first` at the first signal and `second` at the next, each with the exit code that stands for it. */
  listen(first: (exitCode: number) => void, second: (exitCode: number) => void): () => void
}

export interface FollowOptions {
  readonly output: Output
  readonly clock: Clock
  readonly interrupts: Interrupts
  readonly api: Pick<JobsApi, 'abort' | 'jobs' | 'commands'>
  /** Exit with 9 when there was nothing to do. */
  readonly exitCodeOnNoop: boolean
  /** Ends following when a job waits for its commit. */
  readonly stageOnly: boolean
  /** Only the switch is followed, asked for at this time of the monotonic clock: the rest was told before. */
  readonly commitAskedAtMs?: number
  /** It belongs to somebody else: an interrupt stops watching and asks for no abort. */
  readonly onlyWatches?: boolean
  /** Ends following when this command is over; its outcome is told. */
  readonly commandNumber?: number
  /** Ends following without a word; what it gives is of no use then. */
  readonly signal?: AbortSignal
}

const EXIT = { done: 0, other: 1, partial: 8, noop: 9 } as const

/** Time between two looks at how far a command is that nodes carry out by themselves. */
const COMMAND_LOOK_MS = SECOND_MS

const exitOf = (error: JobError | null): number =>
  error !== null && isErrorCode(error.code) ? errorTable[error.code].exit : EXIT.other

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
      return exitOf(job.error)
    default:
      return EXIT.other
  }
}

/** The exit code that stands for what came of one command. Pure. */
export function exitCodeOfCommand(job: JobView, { state, error, nodes }: CommandView): number {
  if (state === 'completed') return nodes.every((node) => node.state === 'completed') ? EXIT.done : EXIT.partial
  if (state === 'failed') return exitOf(error)
  return job.state === 'failed' ? exitOf(job.error) : EXIT.other
}

const isFinal = ({ state }: JobView): boolean => ['succeeded', 'partial', 'failed', 'aborted'].includes(state)

function isOver(job: JobView, { stageOnly, commandNumber }: FollowOptions): boolean {
  if (isFinal(job) || (stageOnly && job.state === 'staged')) return true
  const command = job.commands.find(({ number }) => number === commandNumber)
  return command?.state === 'completed' || command?.state === 'failed'
}

const isPast = (job: JobView, options: FollowOptions): boolean =>
  options.commitAskedAtMs !== undefined && job.state !== 'committing'

function tookMs(job: JobView, { clock, commitAskedAtMs }: FollowOptions): number | null {
  if (job.finishedAtMs === null) return null
  return commitAskedAtMs === undefined ? job.finishedAtMs - job.createdAtMs : clock.monotonicMs() - commitAskedAtMs
}

/** Shows a job as it goes. While nodes carry a command out by themselves, nobody sends events: they are asked. */
class Shown {
  readonly #options: FollowOptions
  readonly #progress: JobProgress
  readonly #queue: QueueWatch
  #last: JobView | null = null
  #looking: AbortController | null = null

  constructor(options: FollowOptions) {
    this.#options = options
    this.#progress = new JobProgress(options.output)
    this.#queue = new QueueWatch(options)
  }

  see(job: JobView): void {
    this.#last = job
    this.#queue.see(job)
    this.#progress.show(job, this.#options.clock.monotonicMs())
    if (onNodes(job) === undefined) this.#looking?.abort()
    else if (this.#looking === null || this.#looking.signal.aborted) {
      this.#looking = new AbortController()
      void this.#look(job.id, this.#looking.signal)
    }
  }

  end(): void {
    this.#queue.end()
    this.#looking?.abort()
  }

  async #look(jobId: string, signal: AbortSignal): Promise<void> {
    const { api, clock, output } = this.#options
    if (output.json || output.quiet) return
    for (;;) {
      await clock.sleep(COMMAND_LOOK_MS, signal).catch(() => {})
      if (signal.aborted) return
      const commands = await api.commands(jobId).catch(() => [])
      const job = this.#last
      if (signal.aborted || job === null) return
      this.#progress.show(job, clock.monotonicMs(), commands)
    }
  }
}

/** What is known of a job's commands, where some of them left something to tell. */
async function toldBy(job: JobView, { api }: FollowOptions): Promise<readonly CommandView[]> {
  const isAny = job.commands.some(({ request, state }) => isOnNodes(request) && state !== 'new')
  return isAny ? api.commands(job.id).catch(() => []) : []
}

async function report(job: JobView, options: FollowOptions, interruptedWith: number | null): Promise<number> {
  const { output, api, commandNumber } = options
  if (commandNumber !== undefined) {
    const command = (await api.commands(job.id)).find(({ number }) => number === commandNumber)
    if (command !== undefined && !(isFinal(job) && command.state === 'new')) {
      reportCommand(output, job, command)
      return exitCodeOfCommand(job, command)
    }
    reportJob(output, job, [], tookMs(job, options))
    return command === undefined ? EXIT.other : exitCodeOfCommand(job, command)
  }
  reportJob(output, job, await toldBy(job, options), tookMs(job, options))
  return exitCodeOf(job, options.exitCodeOnNoop, interruptedWith)
}

/** Watches until the job is over, or until an interrupt ends that. */
class Following {
  readonly #watching = new AbortController()
  readonly #jobId: string
  readonly #options: FollowOptions
  interruptedWith: number | null = null

  constructor(jobId: string, options: FollowOptions) {
    this.#jobId = jobId
    this.#options = options
    options.signal?.addEventListener('abort', () => this.#watching.abort(), { once: true })
  }

  get signal(): AbortSignal {
    return this.#watching.signal
  }

  /** @returns what stops listening. */
  listen(): () => void {
    const leave = (exitCode: number): void => {
      this.interruptedWith = exitCode
      this.#watching.abort()
    }
    return this.#options.interrupts.listen(this.#options.onlyWatches ? leave : (code) => this.#abort(code), leave)
  }

  #abort(exitCode: number): void {
    const { output, api } = this.#options
    this.interruptedWith = exitCode
    output.note('asking for an abort; once more to leave it running')
    api.abort(this.#jobId, { signal: this.signal }).catch((error: unknown) => {
      if (this.signal.aborted) return
      const why = error instanceof EngineError ? error.message : String(error)
      output.note(`not aborted: ${why}`)
    })
  }
}

/**
 * Shows a job until it ends (or waits for its commit) and gives the exit code.
 * The first interrupt asks the coordinator to abort; the second stops following: the job goes on.
 */
export async function followJob(job: Job, options: FollowOptions): Promise<number> {
  const { output } = options
  const shown = new Shown(options)
  const following = new Following(job.id, options)
  const stopListening = following.listen()
  try {
    let last: JobView | undefined
    for await (const event of job.progress({ signal: following.signal })) {
      last = event.job
      if (isOver(event.job, options)) break
      if (isPast(event.job, options)) continue
      if (output.json) output.data(event)
      shown.see(event.job)
    }
    if (options.signal?.aborted === true) return EXIT.other
    if (following.signal.aborted || last === undefined) {
      output.note(`job ${job.id} goes on; see it with: engine job watch ${job.id}`)
      return following.interruptedWith ?? EXIT.other
    }
    shown.end()
    return await report(last, options, following.interruptedWith)
  } finally {
    shown.end()
    stopListening()
  }
}
