import { isDeepStrictEqual } from 'node:util'
import { EngineError } from '../../base/errors.js'
import { formatDuration } from '../../base/quantities.js'
import type { JobsApi } from '../../control/door/api.js'
import type { Job } from '../../control/door/jobs.js'
import type { CommandRequest, CommandView, JobView } from '../../model/job.js'
import type { UploadEvent } from '../../model/upload.js'
import type { CommandApi, Context } from '../context.js'
import { followJob } from '../follow.js'
import { printable, table } from '../output.js'
import { outputLines, wordsOf } from '../summary.js'
import { UploadNotes } from '../upload-notes.js'
import { canaryText } from '../waiting.js'
import { release } from './jobs.js'
import { flag } from './flag.js'
import { type CallbackFlags, callbackOf, keyOf, type OpenFlags, openOptions } from './publish.js'
import { rateBps } from './verify.js'

interface SessionFlags extends OpenFlags, CallbackFlags {
  readonly only?: string
}

const namesOf = (only: string | undefined): { readonly only?: readonly string[] } =>
  only === undefined ? {} : { only: only.split(',').map((name) => name.trim()) }

const follow = (
  context: Context,
  api: JobsApi,
  job: Job,
  more: { readonly onlyWatches?: boolean; readonly commandNumber?: number } = {},
): Promise<number> => followJob(job, { ...context, api, exitCodeOnNoop: false, stageOnly: false, ...more })

/** `engine job open`: prints the id of the new job, and nothing else. */
export async function open(context: Context, flags: SessionFlags): Promise<number> {
  const { output, clock } = context
  const asked = { ...openOptions(flags, clock.nowMs()), ...namesOf(flags.only), ...(await callbackOf(flags)) }
  const job = await (await context.connect()).openJob(asked)
  if (output.json) output.data({ type: 'accepted', jobId: job.id })
  else output.print(job.id)
  return 0
}

/** What `engine job add` may say beside its command. */
interface AddFlags {
  readonly release?: string
  readonly arg?: readonly string[]
  readonly repair?: boolean
  readonly rate?: string
  readonly upload?: boolean
  readonly idempotencyKey?: string
  readonly wait?: boolean
}

const invalid = (what: string, why: string): EngineError =>
  new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why })

/** Reads `--arg name=value …`. */
export function argsOf(given: readonly string[] = []): Readonly<Record<string, string>> {
  const args = new Map<string, string>()
  for (const text of given) {
    const [name = '', ...value] = text.split('=')
    if (name === '' || value.length === 0) throw invalid(`--arg "${text}"`, 'write it like name=value')
    if (args.has(name)) throw invalid(`--arg "${text}"`, `${name} is given twice`)
    args.set(name, value.join('='))
  }
  return Object.fromEntries(args)
}

/** Which flags belong to which command, and whether it is followed by something. */
const grammar: Readonly<Record<string, { readonly what: boolean; readonly flags: readonly (keyof AddFlags)[] }>> = {
  publish: { what: true, flags: ['upload'] },
  commit: { what: false, flags: [] },
  rollback: { what: false, flags: ['release'] },
  'run-hook': { what: true, flags: ['arg'] },
  verify: { what: false, flags: ['release', 'repair', 'rate'] },
}

const own: readonly (keyof AddFlags)[] = ['release', 'arg', 'repair', 'rate', 'upload']

function checkGrammar(type: string, what: string | undefined, flags: AddFlags): void {
  const rule = Object.hasOwn(grammar, type) ? grammar[type] : undefined
  if (rule === undefined) throw invalid(`"${type}"`, `commands are ${Object.keys(grammar).join(', ')}`)
  if (rule.what && what === undefined) throw invalid(type, `say what: engine job add JOB ${type} NAME`)
  if (!rule.what && what !== undefined) throw invalid(`"${what}"`, `${type} takes nothing after it`)
  const strange = own.find((name) => flags[name] !== undefined && !rule.flags.includes(name))
  if (strange !== undefined) throw invalid(`--${strange}`, `it is no option of ${type}`)
}

/** The command that the words and flags of `engine job add` name; a publish is made where its directory is. */
export function requestOf(type: string, what: string | undefined, flags: AddFlags): CommandRequest | null {
  checkGrammar(type, what, flags)
  const of = flags.release === undefined ? null : flag('--release', flags.release, release)
  switch (type) {
    case 'commit':
      return { type }
    case 'rollback':
      return { type, release: of }
    case 'run-hook':
      return { type, hook: what ?? '', args: argsOf(flags.arg) }
    case 'verify': {
      const rate = flags.rate === undefined ? null : flag('--rate', flags.rate, rateBps)
      return { type, release: of, rateBps: rate, repair: flags.repair === true }
    }
    default:
      return null
  }
}

interface Added {
  readonly job: JobView
  sent(): Promise<void>
}

async function addTo(context: Context, api: CommandApi, jobId: string, asked: Asked): Promise<Added> {
  const { request, what, flags } = asked
  if (request !== null) {
    return { job: await api.addCommands(jobId, [request], keyOf(flags)), sent: async () => {} }
  }
  if (api.addDirectory === undefined) throw invalid('publish', 'nothing can be sent from here')
  const told = new UploadNotes(context)
  const upload = flags.upload === undefined ? {} : { upload: flags.upload }
  const onUpload = (event: UploadEvent): void => told.hear(event)
  return api.addDirectory(jobId, what, { ...keyOf(flags), ...upload, onUpload })
}

interface Asked {
  readonly request: CommandRequest | null
  readonly what: string
  readonly flags: AddFlags
}

/** A request under a key that was carried out before is answered with the job as it is now, which may be longer. */
function numberOf({ commands }: JobView, request: CommandRequest | null): number {
  const isSame = (other: CommandRequest): boolean =>
    request === null ? other.type === 'publish' : isDeepStrictEqual(other, request)
  return (commands.findLast((command) => isSame(command.request)) ?? commands.at(-1))?.number ?? 1
}

/** `engine job add JOB COMMAND …`: on record when it returns; with --wait it returns when the command is over. */
export async function add(context: Context, args: readonly string[], flags: AddFlags): Promise<number> {
  const { output } = context
  const [jobId = '', type = '', what] = args
  const request = requestOf(type, what, flags)
  const api = await context.connect()
  const added = await addTo(context, api, jobId, { request, what: what ?? '', flags })
  const { job } = added
  const commandNumber = numberOf(job, request)
  if (flags.wait === true) {
    const followed = follow(context, api, await api.attach(jobId), { commandNumber, onlyWatches: true })
    followed.catch(() => {})
    return Promise.race([followed, added.sent().then(() => followed)])
  }
  if (output.json) output.data({ type: 'accepted', jobId, number: commandNumber })
  else output.print(`${commandNumber}`)
  await added.sent()
  return 0
}

/** `engine job end JOB`: closes it. */
export async function end(context: Context, jobId: string, flags: { readonly wait?: boolean }): Promise<number> {
  const { output } = context
  const api = await context.connect()
  const job = await api.end(jobId)
  if (flags.wait === true) return follow(context, api, await api.attach(jobId), { onlyWatches: true })
  if (output.json) output.data({ type: 'accepted', jobId, state: job.state })
  else output.print(`job ${jobId} ends when its commands are done`)
  return 0
}

/** `engine job watch JOB`: follows it, by whomever it was opened. */
export async function watch(context: Context, jobId: string): Promise<number> {
  const api = await context.connect()
  return follow(context, api, await api.attach(jobId), { onlyWatches: true })
}

const when = (atMs: number | null): string => (atMs === null ? '' : new Date(atMs).toISOString())

const row = (command: CommandView): string[] => {
  const { number, request, state, release: made, startedAtMs, finishedAtMs, error, nodes } = command
  const took = startedAtMs === null || finishedAtMs === null ? '' : formatDuration(finishedAtMs - startedAtMs)
  const done = nodes.filter((node) => node.state === 'completed').length
  const of = made === null ? '' : `@${made}`
  const on = request.type === 'end-job' ? '' : `${done}/${nodes.length}`
  return [`${number}`, wordsOf(request), state, of, on, when(startedAtMs), took, error?.message ?? '']
}

function printNodes({ output }: Context, commands: readonly CommandView[]): void {
  for (const { number, request, nodes } of commands) {
    if (request.type === 'end-job') continue
    output.print(printable(`${number} ${wordsOf(request)}`))
    for (const node of nodes) {
      output.print(printable(`  ${node.name}  ${node.state}${node.reason === null ? '' : `: ${node.reason}`}`))
      for (const line of outputLines(node, Number.POSITIVE_INFINITY)) output.print(line)
    }
  }
}

/** `engine job show JOB`: each command and what became of it; with --nodes on which node. */
export async function show(context: Context, jobId: string, flags: { readonly nodes?: boolean }): Promise<number> {
  const { output } = context
  const api = await context.connect()
  const [job, commands] = await Promise.all([api.job(jobId), api.commands(jobId)])
  if (output.json) {
    output.data({ ...job, commands })
    return 0
  }
  const name = job.release === null ? job.site : `${job.site}@${job.release}`
  const only = job.only === null ? '' : `  only ${job.only.join(', ')}`
  output.print(printable(`job ${job.id}  ${name}  group ${job.group}${only}  ${job.state}`))
  const canary = canaryText(job)
  if (canary !== null) output.print(printable(canary))
  const head = ['NO', 'COMMAND', 'STATE', 'RELEASE', 'NODES', 'BEGUN', 'TOOK', 'WHY']
  for (const line of table(head, commands.map(row), output.dataColumns)) output.print(line)
  if (flags.nodes === true) printNodes(context, commands)
  if (job.error !== null) output.note(`${job.error.code}: ${job.error.message}`)
  return 0
}

interface HookFlags extends OpenFlags {
  readonly only?: string
  readonly arg?: readonly string[]
}

/** `engine run-hook NAME`: a job of this one command. */
export async function runHook(context: Context, hook: string, flags: HookFlags): Promise<number> {
  const commands: readonly CommandRequest[] = [{ type: 'run-hook', hook, args: argsOf(flags.arg) }, { type: 'end-job' }]
  const api = await context.connect()
  return follow(
    context,
    api,
    await api.openJob({ ...openOptions(flags, context.clock.nowMs()), ...namesOf(flags.only), commands }),
  )
}
