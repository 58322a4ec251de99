import { readFile } from 'node:fs/promises'
import { toEngineError } from '../../base/errors.js'
import { parseDurationMs, parseRatio } from '../../base/quantities.js'
import { FANOUT_MAX } from '../../base/policy-limits.js'
import { strategyNames, type StrategyName } from '../../model/plan.js'
import type { Job, KeyOption, OpenOptions, PublishOptions } from '../../control/door/jobs.js'
import type { Callback } from '../../model/webhook.js'
import type { UploadEvent } from '../../model/upload.js'
import type { CommandApi, Context } from '../context.js'
import { followJob } from '../follow.js'
import { flag, invalid } from './flag.js'
import { type PolicyFlags, policyFlags } from './publish-policy.js'
import { type Stopped, stoppable } from '../stopping.js'
import { UploadNotes } from '../upload-notes.js'

/** What a job is opened with, wherever that is. */
export interface OpenFlags extends PolicyFlags {
  readonly site: string
  readonly group?: string
  readonly maxDelete?: string
  readonly allowEmpty?: boolean
  readonly strategy?: string
  readonly fanout?: string
  readonly order?: string
  readonly probe?: boolean
  readonly message?: string
  readonly idempotencyKey?: string
  readonly period?: string
}

/** Where the end of a job is told. */
export interface CallbackFlags {
  readonly callback?: string
  readonly callbackSecretFile?: string
}

export interface PublishFlags extends OpenFlags, CallbackFlags {
  readonly stageOnly?: boolean
  readonly upload?: boolean
  readonly name?: string
  readonly detach?: boolean
  readonly exitCodeOnNoop?: boolean
}

const strategy = (text: string): StrategyName => {
  const found = strategyNames.find((name) => name === text)
  if (found !== undefined) return found
  throw invalid(`"${text}"`, `the strategies are ${strategyNames.join(', ')}`)
}

const fanout = (text: string): number => {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= FANOUT_MAX) return Number(text)
  throw invalid(`"${text}"`, `it is a number from 1 to ${FANOUT_MAX}`)
}

export const keyOf = ({ idempotencyKey }: { readonly idempotencyKey?: string }): KeyOption =>
  idempotencyKey === undefined ? {} : { idempotencyKey }

/** What the flags of a job say, with its policy. */
export const openOptions = (flags: OpenFlags, nowMs: number): OpenOptions => ({
  site: flags.site,
  ...(flags.group === undefined ? {} : { group: flags.group }),
  allowEmpty: flags.allowEmpty ?? false,
  ...(flags.maxDelete === undefined ? {} : { maxDeleteRatio: flag('--max-delete', flags.maxDelete, parseRatio) }),
  ...policyFlags(flags, nowMs),
  ...(flags.strategy === undefined ? {} : { strategy: flag('--strategy', flags.strategy, strategy) }),
  ...(flags.fanout === undefined ? {} : { fanout: flag('--fanout', flags.fanout, fanout) }),
  ...(flags.order === undefined ? {} : { order: flags.order.split(',').map((name) => name.trim()) }),
  ...(flags.probe === undefined ? {} : { probe: flags.probe }),
  ...(flags.period === undefined ? {} : { periodMs: flag('--period', flags.period, parseDurationMs) }),
  ...(flags.message === undefined ? {} : { reason: flags.message }),
  ...keyOf(flags),
})

const optionsOf = (flags: PublishFlags, nowMs: number): PublishOptions => ({
  ...openOptions(flags, nowMs),
  stageOnly: flags.stageOnly ?? false,
  ...(flags.upload === undefined ? {} : { upload: flags.upload }),
})

/** Where the end of the job is to be told; the secret is read from a file, so that no list of processes shows it. */
export async function callbackOf({
  callback: url,
  callbackSecretFile: path,
}: CallbackFlags): Promise<{ readonly callback?: Callback }> {
  if (url === undefined) {
    if (path === undefined) return {}
    throw invalid('--callback-secret-file', 'say with --callback where to call')
  }
  if (path === undefined) return { callback: { url } }
  try {
    return { callback: { url, secret: (await readFile(path, 'utf8')).trim() } }
  } catch (error) {
    throw invalid('--callback-secret-file', toEngineError(error).message)
  }
}

/** Asks for the job: of a directory, a file, or (`-`) standard input. A signal meanwhile ends it in order. */
async function ask(context: Context, api: CommandApi, source: string, flags: PublishFlags): Promise<Stopped<Job>> {
  const asked = { ...optionsOf(flags, context.clock.nowMs()), ...(await callbackOf(flags)) }
  const told = new UploadNotes(context)
  return stoppable(context, async (signal) => {
    const options = { ...asked, signal, onUpload: (event: UploadEvent) => told.hear(event) }
    if (source !== '-') return api.publish(source, options)
    if (flags.name === undefined || api.publishContent === undefined) {
      throw invalid('-', 'say what it is called with --name')
    }
    return api.publishContent(process.stdin, { ...options, name: flags.name })
  })
}

/** `engine publish DIR`: asks for the job and follows it to its end. */
export async function publish(context: Context, source: string, flags: PublishFlags): Promise<number> {
  if (source !== '-' && flags.name !== undefined)
    throw invalid('--name', 'it is of standard input: publish - --name NAME')
  const api = await context.connect()
  const asked = await ask(context, api, source, flags)
  if ('exitCode' in asked) return asked.exitCode
  const job = asked.value
  if (flags.detach === true) {
    if (context.output.json) context.output.data({ type: 'accepted', jobId: job.id })
    else context.output.print(job.id)
    // What is still being sent is sent to its end: only then may the process go.
    await job.sent?.()
    return 0
  }
  return followJob(job, {
    ...context,
    api,
    exitCodeOnNoop: flags.exitCodeOnNoop ?? false,
    stageOnly: flags.stageOnly ?? false,
  })
}
