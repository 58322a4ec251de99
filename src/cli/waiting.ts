import type { Clock } from '../base/clock.js'
import { formatDuration, formatNames } from '../base/quantities.js'
import { SECOND_MS } from '../base/units.js'
import type { JobsApi } from '../control/door/api.js'
import type { JobView } from '../model/job.js'
import type { Output } from './output.js'

/** Time between two looks at what a queued job waits for. */
const QUEUE_LOOK_MS = 2 * SECOND_MS

export interface WaitingOptions {
  readonly output: Output
  readonly clock: Clock
  readonly api: Pick<JobsApi, 'jobs'>
}

/** Who serves a job's release before all others, and until when; null: nobody does. Pure. */
export function canaryText({ canary = null, state }: JobView): string | null {
  if (canary === null || (state !== 'staged' && canary.revoked === null)) return null
  const who = `canar${canary.names.length === 1 ? 'y' : 'ies'} ${formatNames(canary.names)}`
  if (canary.revoked !== null) return `${who}: switched back`
  return canary.untilMs === null ? `${who} to switch` : `${who} until ${new Date(canary.untilMs).toISOString()}`
}

/** How long nothing has been asked of an open job, milliseconds; null: something is to be done. Pure. */
export function idleMs(job: JobView, nowMs: number): number | null {
  if (job.state !== 'open' || job.commands.some(({ finishedAtMs }) => finishedAtMs === null)) return null
  return Math.max(0, nowMs - Math.max(job.createdAtMs, ...job.commands.map(({ finishedAtMs }) => finishedAtMs ?? 0)))
}

/** What a queued job waits for that nobody knows the end of; null: the other is at work. Pure. */
export function waitsFor(holder: JobView, nowMs: number): string | null {
  const { id, state } = holder
  if (canaryText(holder) !== null) return null
  if (state === 'staged') return `waits for staged job ${id}: commit or abort it`
  const idle = idleMs(holder, nowMs)
  if (idle === null) return null
  return `waits for open job ${id}, idle for ${formatDuration(idle)}: engine job end ${id}`
}

/** The job that holds a site without anything to do: staged, or open. */
async function holderOf(site: string, api: Pick<JobsApi, 'jobs'>): Promise<JobView | undefined> {
  for (const state of ['staged', 'open'] as const) {
    const [found] = await api.jobs({ site, state, limit: 1 })
    if (found !== undefined) return found
  }
  return undefined
}

/** Says which job holds the site of a queued one; a job that comes to wait later, then. */
async function tellWhatHolds(queued: JobView, options: WaitingOptions, signal: AbortSignal): Promise<void> {
  const { api, output, clock } = options
  let told = ''
  while (!signal.aborted) {
    // Whoever cannot be asked now is waited for by who follows the job.
    const holder = await holderOf(queued.site, api).catch(() => undefined)
    const why = holder === undefined ? null : waitsFor(holder, clock.nowMs())
    const key = `${holder?.id} ${holder?.state} ${holder?.commands.length}`
    if (why !== null && key !== told && !signal.aborted) {
      told = key
      output.note(why)
    }
    await clock.sleep(QUEUE_LOOK_MS, signal).catch(() => {})
  }
}

/** Looks what holds a job's site for as long as it is queued. */
export class QueueWatch {
  readonly #options: WaitingOptions
  #stop: AbortController | null = null

  constructor(options: WaitingOptions) {
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
