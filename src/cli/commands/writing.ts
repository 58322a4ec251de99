import { basename } from 'node:path'
import type { EditOptions, SitePath } from '../../control/door/files.js'
import type { Job } from '../../control/door/jobs.js'
import type { EditRequest } from '../../model/edit.js'
import { escapedOf } from '../../model/file-name.js'
import type { UploadEvent } from '../../model/upload.js'
import type { CommandApi, Context } from '../context.js'
import { followJob } from '../follow.js'
import { stoppable } from '../stopping.js'
import { UploadNotes } from '../upload-notes.js'
import { sitePlaceOf } from './files.js'
import { flag, invalid } from './flag.js'
import { type OpenFlags, openOptions } from './publish.js'

/** What every command that changes a site may say. */
export interface EditFlags extends Omit<OpenFlags, 'site'> {
  readonly stageOnly?: boolean
  readonly detach?: boolean
  readonly exitCodeOnNoop?: boolean
}

const optionsOf = (flags: EditFlags, nowMs: number): EditOptions => {
  const { site: _site, commands: _commands, ...options } = openOptions({ ...flags, site: '' }, nowMs)
  return { ...options, stageOnly: flags.stageOnly ?? false }
}

/** Follows a job as a publish is followed, or only says its id. */
async function told(context: Context, api: CommandApi, job: Job, flags: EditFlags): Promise<number> {
  const { output } = context
  if (flags.detach === true) {
    if (output.json) output.data({ type: 'accepted', jobId: job.id })
    else output.print(job.id)
    return 0
  }
  const { exitCodeOnNoop = false, stageOnly = false } = flags
  return followJob(job, { ...context, api, exitCodeOnNoop, stageOnly })
}

/** Several paths of one site, changed in their order by one job. */
async function editAll(
  context: Context,
  places: readonly string[],
  flags: EditFlags,
  edit: (path: string) => EditRequest,
): Promise<number> {
  const [first, ...others] = places.map(sitePlaceOf)
  if (first === undefined) throw invalid('the paths', 'name one at least')
  const other = others.find(({ site }) => site !== first.site)
  if (other !== undefined)
    throw invalid('the paths', `${first.site} and ${other.site} are two sites: one job is of one`)
  const api = await context.connect()
  const edits = [first, ...others].map(({ path }) => edit(path))
  return told(context, api, await api.files.edit(first.site, edits, optionsOf(flags, context.clock.nowMs())), flags)
}

export interface PutFlags extends EditFlags {
  readonly mode?: string
  readonly parents?: boolean
}

/** `engine put FILE|- PLACE`: a file of this machine, or standard input, on every node of a site. */
export async function put(
  context: Context,
  [source, place]: readonly [string, string],
  flags: PutFlags,
): Promise<number> {
  const api = await context.connect()
  const at = targetOf(source, place)
  const notes = new UploadNotes(context)
  const options = {
    ...optionsOf(flags, context.clock.nowMs()),
    ...(flags.mode === undefined ? {} : { mode: modeOf(flags.mode) }),
    parents: flags.parents ?? false,
    onUpload: (event: UploadEvent) => notes.hear(event),
  }
  const asked = await stoppable(context, async (signal) => {
    if (api.putFile === undefined || api.putContent === undefined) throw invalid('put', 'nothing can be sent from here')
    if (source === '-') return api.putContent(process.stdin, at, { ...options, signal })
    return api.putFile(source, at, { ...options, signal })
  })
  return 'exitCode' in asked ? asked.exitCode : told(context, api, asked.value, flags)
}

/** Where a file goes: into what ends with a slash, and into the site itself, under its own name. */
export function targetOf(source: string, place: string): SitePath {
  const at = sitePlaceOf(place)
  if (at.path !== '' && !place.endsWith('/')) return at
  if (source === '-') throw invalid('the place', 'say what standard input is to be called: :/site/path')
  const own = escapedOf(basename(source).replaceAll('%', '%25'))
  return { ...at, path: at.path === '' ? own : `${at.path}/${own}` }
}

/** Octal digits. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT. */
export function modeOf(text: string): string {
  if (/^[0-7]{1,4}$/.test(text) && Number.parseInt(text, 8) <= 0o777) return text
  throw invalid(`"${text}"`, 'write a mode as octal digits up to 777, such as 644')
}

interface MkdirFlags extends EditFlags {
  readonly mode?: string
  readonly parents?: boolean
}

export const mkdir = (context: Context, places: readonly string[], flags: MkdirFlags): Promise<number> => {
  const mode = flags.mode === undefined ? null : modeOf(flags.mode)
  return editAll(context, places, flags, (path) => ({ type: 'mkdir', path, mode, parents: flags.parents ?? false }))
}

export const chmod = (
  context: Context,
  [text = '', ...places]: readonly string[],
  flags: EditFlags,
): Promise<number> => {
  const mode = modeOf(text)
  return editAll(context, places, flags, (path) => {
    return { type: 'set-properties', path, mode, mtimeNs: null, create: false }
  })
}

/** Reads `2026-12-01T02:00Z`, `2026-12-01` or `@1700000000.5`. @returns nanoseconds since 1970. */
export function timeNsOf(text: string): string {
  const [, seconds, fraction = ''] = /^@(-?\d{1,10})(?:\.(\d{1,9}))?$/.exec(text) ?? []
  if (seconds !== undefined) return `${BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))}`
  const timeMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text).getTime() : Number.NaN
  if (Number.isFinite(timeMs)) return `${BigInt(timeMs) * 1_000_000n}`
  throw invalid(`"${text}"`, 'write it like 2026-12-01T02:00:00Z, or @1700000000 for seconds since 1970')
}

interface TouchFlags extends EditFlags {
  readonly date?: string
  readonly create?: boolean
}

/** The time that `touch` gives. @throws {EngineError} under a key: now is another time when it is asked again. */
export function touchTimeNs(
  { date, idempotencyKey }: { readonly date?: string; readonly idempotencyKey?: string },
  nowMs: number,
): string {
  if (date !== undefined) return flag('--date', date, timeNsOf)
  if (idempotencyKey === undefined) return `${BigInt(nowMs) * 1_000_000n}`
  throw invalid('--idempotency-key', 'say with --date which time: now is another one when the same is asked again')
}

export const touch = (context: Context, places: readonly string[], flags: TouchFlags): Promise<number> => {
  const mtimeNs = touchTimeNs(flags, context.clock.nowMs())
  return editAll(context, places, flags, (path) => {
    return { type: 'set-properties', path, mode: null, mtimeNs, create: flags.create ?? true }
  })
}

export const remove = (
  context: Context,
  places: readonly string[],
  flags: EditFlags & { readonly recursive?: boolean },
): Promise<number> =>
  editAll(context, places, flags, (path) => ({ type: 'remove', path, recursive: flags.recursive ?? false }))
