import { EngineError } from '../../base/errors.js'
import { JOB_PAGE_MAX } from '../../base/limits.js'
import { formatBytes, formatDuration } from '../../base/quantities.js'
import type { JobsApi } from '../../control/door/api.js'
import type { Job } from '../../control/door/jobs.js'
import { hasSwitched, type JobState, type JobView, jobStates } from '../../model/job.js'
import type { Context } from '../context.js'
import { followJob } from '../follow.js'
import { printable, table } from '../output.js'
import { flag } from './flag.js'
import { canaryText, waitsFor } from '../waiting.js'
import { type CallbackFlags, callbackOf, keyOf } from './publish.js'

const follow = (context: Context, api: JobsApi, job: Job, commitAskedAtMs?: number): Promise<number> => {
  const since = commitAskedAtMs === undefined ? {} : { commitAskedAtMs }
  return followJob(job, { ...context, ...since, api, exitCodeOnNoop: false, stageOnly: false })
}

/** `engine commit JOB`: makes live what `publish --stage-only` prepared. */
export async function commit(context: Context, jobId: string): Promise<number> {
  const api = await context.connect()
  const askedAtMs = context.clock.monotonicMs()
  await api.commit(jobId)
  return follow(context, api, await api.attach(jobId), askedAtMs)
}

/** `engine abort JOB`: stops a job whose commit is not decided yet, or ends the waiting of one that ends. */
export async function abort(context: Context, jobId: string): Promise<number> {
  const api = await context.connect()
  const job = await api.abort(jobId)
  const { output } = context
  if (output.json) {
    output.data({ type: 'result', status: job.state, job })
    return 0
  }
  output.print(printable(`job ${job.id} is ${job.state}${job.state === 'partial' ? `: ${job.error?.message}` : ''}`))
  if (job.commands.some(hasSwitched)) {
    output.print(`  what it had switched stays; go back: engine rollback --site ${job.site} --reason TEXT`)
  }
  return 0
}

export interface RollbackFlags extends CallbackFlags {
  readonly site: string
  readonly group?: string
  readonly reason: string
  readonly release?: string
  readonly idempotencyKey?: string
}

/** Reads `42` or `www@42`. */
export const release = (text: string): number => {
  const number = Number(text.slice(text.lastIndexOf('@') + 1))
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `"${text}"`, why: 'write it like 42 or www@42' })
}

/** `engine rollback`: an older release becomes live again; where it is held nothing is sent. */
export async function rollback(context: Context, flags: RollbackFlags): Promise<number> {
  const api = await context.connect()
  const to = flags.release === undefined ? {} : { release: flag('--release', flags.release, release) }
  const of = flags.group === undefined ? {} : { group: flags.group }
  const asked = { site: flags.site, ...of, reason: flags.reason, ...to, ...keyOf(flags) }
  const job = await api.rollback({ ...asked, ...(await callbackOf(flags)) })
  return follow(context, api, job)
}

/** `engine job pause`: its content is sent no more, within a second. */
export const pause = async (context: Context, id: string): Promise<number> =>
  tellPaused(context, await (await context.connect()).pauseJob(id))

/** `engine job resume`: it is sent again. */
export const resume = async (context: Context, id: string): Promise<number> =>
  tellPaused(context, await (await context.connect()).resumeJob(id))

function tellPaused({ output }: Context, job: JobView): number {
  if (output.json) output.data(job)
  else output.print(`job ${job.id} ${job.paused === true ? 'is paused' : 'goes on'}`)
  return 0
}

/** What holds up a queued job: the job of its site that waits for somebody to go on with it, or to end it. */
const holdUp = (job: JobView, { holders, nowMs }: Holding): string | null => {
  const holder = job.state === 'queued' ? holders.find((other) => other.site === job.site) : undefined
  return holder === undefined ? null : waitsFor(holder, nowMs)
}

interface Holding {
  /** Jobs that are staged or open. */
  readonly holders: readonly JobView[]
  readonly nowMs: number
}

const whyOf = (job: JobView, holding: Holding): string => {
  const waits = job.waitsFor === null ? null : `waits for ${job.waitsFor}`
  const canary = job.error === null ? canaryText(job) : null
  const paused = job.paused === true ? `paused (engine job resume ${job.id})` : null
  return paused ?? holdUp(job, holding) ?? waits ?? canary ?? job.error?.code ?? job.reason ?? ''
}

/** What a job is mostly about: its first command. */
const typeOf = (job: JobView): string => job.commands[0]?.request.type ?? 'session'

const row = (job: JobView, holding: Holding): string[] => {
  const took = job.finishedAtMs === null ? '' : formatDuration(job.finishedAtMs - job.createdAtMs)
  const release = job.release === null ? job.site : `${job.site}@${job.release}`
  const live = job.nodes.filter((node) => node.state === 'live').length
  const length = job.assignment?.streamBytes ?? null
  const why = whyOf(job, holding)
  const size = length === null ? '' : formatBytes(length)
  return [job.id, typeOf(job), release, job.group, job.state, `${live}/${job.nodes.length}`, size, took, why]
}

const state = (text: string): JobState => {
  const found = jobStates.find((name) => name === text)
  if (found !== undefined) return found
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `"${text}"`, why: `states are ${jobStates.join(', ')}` })
}

export interface JobsFlags {
  readonly site?: string
  readonly state?: string
  readonly limit?: string
}

/** Reads a whole number above 0. */
export const countFlag = (text: string): number => {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `"${text}"`, why: 'write a whole number above 0' })
}

/** `engine jobs`: the newest jobs first. */
export async function jobs(context: Context, flags: JobsFlags): Promise<number> {
  const filter = {
    ...(flags.site === undefined ? {} : { site: flags.site }),
    ...(flags.state === undefined ? {} : { state: flag('--state', flags.state, state) }),
    ...(flags.limit === undefined ? {} : { limit: flag('--limit', flags.limit, countFlag) }),
  }
  const api = await context.connect()
  const items = await api.jobs(filter)
  if (context.output.json) context.output.data({ items })
  else if (items.length === 0) context.output.note('no jobs')
  else {
    const head = ['JOB', 'TYPE', 'RELEASE', 'GROUP', 'STATE', 'LIVE', 'SENT', 'TOOK', 'WHY']
    const isAnyQueued = items.some((job) => job.state === 'queued')
    const look = (state: JobState) => api.jobs({ state, limit: JOB_PAGE_MAX })
    const holders = isAnyQueued ? [...(await look('staged')), ...(await look('open'))] : []
    const rows = items.map((job) => row(job, { holders, nowMs: context.clock.nowMs() }))
    for (const line of table(head, rows, context.output.dataColumns)) context.output.print(line)
  }
  return 0
}
