import { isDeepStrictEqual } from 'node:util'
import { formatDuration } from '../../base/quantities.js'
import type { JobsApi } from '../../control/door/api.js'
import type { Job } from '../../control/door/jobs.js'
import type { CommandRequest, CommandView, JobView } from '../../model/job.js'
import type { UploadEvent } from '../../model/upload.js'
import type { AddedContent } from '../../sending/index.js'
import type { CommandApi, Context } from '../context.js'
import { followJob } from '../follow.js'
import { printable, table } from '../output.js'
import { outputLines, wordsOf } from '../summary.js'
import { UploadNotes } from '../upload-notes.js'
import { canaryText } from '../waiting.js'
import { type AddFlags, argsOf, placeOf, putOf, requestOf } from './adding.js'
import { invalid } from './flag.js'
import { type CallbackFlags, callbackOf, keyOf, type OpenFlags, openOptions } from './publish.js'

interface SessionFlags extends OpenFlags, CallbackFlags {
  readonly only?: string
}

const namesOf = (only: string | undefined): { readonly only?: readonly string[] } =>
  only === undefined ? {} : { only: only.split(',').map((name) => name.trim()) }

const follow = (
  context: Context,
  api: JobsApi,
  job: Job,
  more: { readonly onlyWatches?: boolean; readonly commandNumber?: number; readonly signal?: AbortSignal } = {},
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

async function addTo(context: Context, api: CommandApi, jobId: string, asked: Asked): Promise<AddedContent> {
  const { type, request, words, flags } = asked
  const at = placeOf(type, words)
  if (at !== null) await requireSite(api, jobId, at.site)
  if (request !== null) {
    return { job: await api.addCommands(jobId, [request], keyOf(flags)), sent: async () => {} }
  }
  const [source = ''] = words
  const told = new UploadNotes(context)
  const onUpload = (event: UploadEvent): void => told.hear(event)
  if (at !== null) {
    if (api.addFile === undefined) throw invalid(type, 'nothing can be sent from here')
    return api.addFile(jobId, source === '-' ? process.stdin : source, {
      ...putOf(at, flags),
      ...keyOf(flags),
      onUpload,
    })
  }
  if (api.addDirectory === undefined) throw invalid(type, 'nothing can be sent from here')
  const upload = flags.upload === undefined ? {} : { upload: flags.upload }
  return api.addDirectory(jobId, source, { ...keyOf(flags), ...upload, onUpload })
}

/** A path names its site, a job has one: both must be the same. */
async function requireSite(api: JobsApi, jobId: string, site: string): Promise<void> {
  const job = await api.job(jobId)
  if (job.site !== site) throw invalid('the place', `the job is of ${job.site}, not of ${site}`)
}

interface Asked {
  readonly type: string
  readonly request: CommandRequest | null
  readonly words: readonly string[]
  readonly flags: AddFlags
}

/** A request under a key that was carried out before is answered with the job as it is now, which may be longer. */
function numberOf({ commands }: JobView, { type, request }: Asked): number {
  const isSame = (other: CommandRequest): boolean =>
    request === null ? other.type === type : isDeepStrictEqual(other, request)
  return (commands.findLast((command) => isSame(command.request)) ?? commands.at(-1))?.number ?? 1
}

/** `engine job add JOB COMMAND …`: on record when it returns; with --wait it returns when the command is over. */
export async function add(context: Context, args: readonly string[], flags: AddFlags): Promise<number> {
  const { output } = context
  const [jobId = '', type = '', ...words] = args
  const request = requestOf(type, words, flags, context.clock.nowMs())
  const api = await context.connect()
  const asked = { type, request, words, flags }
  const added = await addTo(context, api, jobId, asked)
  const commandNumber = numberOf(added.job, asked)
  if (flags.wait === true) {
    const stop = new AbortController()
    const more = { commandNumber, onlyWatches: true, signal: stop.signal }
    const followed = follow(context, api, await api.attach(jobId), more)
    followed.catch(() => {})
    // What could not be sent is not waited for.
    return Promise.race([followed, added.sent().then(() => followed)]).finally(() => stop.abort())
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
  const departed = job.nodes.filter(({ state }) => state === 'departed')
  for (const { name: node, reason } of departed) output.print(printable(`${node} has departed: ${reason ?? ''}`))
  if (job.error !== null) output.note(printable(`${job.error.code}: ${job.error.message}`))
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
