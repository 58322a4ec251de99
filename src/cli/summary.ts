import { errorTable, isErrorCode } from '../base/errors.js'
import { formatBytes, formatCount, formatDuration } from '../base/quantities.js'
import {
  type CommandOnNode,
  type CommandRequest,
  type CommandView,
  isPublish,
  type JobError,
  type JobView,
  remainingOf,
} from '../model/job.js'
import { shownOf } from '../model/file-name.js'
import { type Output, printable } from './output.js'
import { isNoop } from './progress.js'

/** Of what a command left on a node that failed, so many lines are shown; `job show --nodes` has the rest. */
const OUTPUT_LINES_SHOWN = 5

/** What came of a job, in lines of data; and what may be done next. */
interface Summary {
  readonly isWell: boolean
  readonly lines: readonly string[]
  readonly hint: string | null
}

/** A command in words: `run-hook reload unit=nginx`. Pure. */
export function wordsOf(request: CommandRequest): string {
  switch (request.type) {
    case 'publish':
      return `publish ${request.upload === null ? request.directory : `upload ${request.upload}`}`
    case 'rollback':
      return request.release === null ? 'rollback' : `rollback to ${request.release}`
    case 'put':
    case 'mkdir':
    case 'set-properties':
    case 'remove':
      return `${request.type} ${shownOf(request.path)}`
    case 'run-hook': {
      const args = Object.entries(request.args).map(([name, value]) => ` ${name}=${value}`)
      return `run-hook ${request.hook}${args.join('')}`
    }
    default:
      return request.type
  }
}

/** Commands that each node carries out by itself and leaves an output of. */
export const isOnNodes = ({ type }: CommandRequest): boolean => type === 'run-hook' || type === 'verify'

/** The first lines that a command has left, indented. Pure. */
export function outputLines({ output }: CommandOnNode, linesMax: number, indent = '    '): readonly string[] {
  const lines = (output ?? '').split('\n').filter((line) => line.trim() !== '')
  const more = lines.length > linesMax ? [`${indent}… ${lines.length - linesMax} more lines`] : []
  return [...lines.slice(0, linesMax).map((line) => `${indent}${printable(line)}`), ...more]
}

const nodeLines = (node: CommandOnNode): readonly string[] => [
  printable(`  ${node.name}: ${node.reason ?? (node.state === 'new' ? 'it has not answered' : node.state)}`),
  ...(node.state === 'failed' ? outputLines(node, OUTPUT_LINES_SHOWN) : []),
]

/** What became of a command that each node carries out: a line, and some for each where it did not go well. Pure. */
export function commandLines({ number, request, state, nodes }: CommandView): readonly string[] {
  const done = nodes.filter(({ state }) => state === 'completed').length
  const out = nodes.filter(({ state }) => state !== 'completed')
  const head = printable(`${number} ${wordsOf(request)} done on ${formatCount(done, 'node', nodes.length)}`)
  // What failed before a node was told of it is said of the command, not of each node.
  if (state === 'failed' && nodes.every((node) => node.state === 'new' && node.reason === null)) return [head]
  return [head, ...out.flatMap(nodeLines)]
}

const releaseOf = (job: JobView): string => (job.release === null ? job.site : `${job.site}@${job.release}`)

/** What a session without a release of its own has come to. */
function sessionSummary(job: JobView, effects: readonly string[], took: string): Summary {
  const done = job.commands.filter(({ state, request }) => state === 'completed' && request.type !== 'end-job').length
  const [first, ...rest] = effects
  const isAlone = done <= 1 && first !== undefined
  const head = isAlone ? `${job.site}: ${first}` : `${job.site}: ${formatCount(done, 'command')} done`
  return { isWell: job.state !== 'partial', lines: [`${head}${took}`, ...(isAlone ? rest : effects)], hint: null }
}

function releaseSummary(job: JobView, effects: readonly string[], took: string): Summary {
  const live = job.nodes.filter((node) => node.state === 'live').length
  const behind = job.nodes.filter((node) => node.state === 'behind' || node.state === 'failed')
  const departed = job.nodes.filter((node) => node.state === 'departed')
  const length = job.assignment?.streamBytes ?? null
  const sent = length === null ? '  nothing was sent' : `  ${formatBytes(length)} a node`
  const isWell = job.state !== 'partial'
  const rest = isWell || behind.length === 0 ? '' : `; ${formatCount(behind.length, 'node')} will follow`
  const lines = [
    `${releaseOf(job)} live on ${formatCount(live, 'node', remainingOf(job.nodes).length)}${rest}${sent}${took}`,
    ...[...behind, ...departed].map(({ name, state, reason }) =>
      printable(`  ${name} is ${state}: ${reason ?? 'no reason given'}`),
    ),
    ...effects,
  ]
  const back = `go back: engine rollback --site ${job.site} --group ${job.group} --reason TEXT`
  return { isWell, lines, hint: isPublish(job) ? back : null }
}

/** What came of a job, for people. Pure. */
export function summary(job: JobView, commands: readonly CommandView[], tookMs: number | null): Summary {
  const took = tookMs === null ? '' : `  in ${formatDuration(tookMs)}`
  const effects = commands.filter(({ request, state }) => isOnNodes(request) && state !== 'new').flatMap(commandLines)
  if (isNoop(job)) {
    return { isWell: true, lines: [`${releaseOf(job)} is live already: nothing has changed`, ...effects], hint: null }
  }
  if (job.state === 'staged') {
    const line = `${releaseOf(job)} is staged on ${formatCount(remainingOf(job.nodes).length, 'node')}`
    return { isWell: true, lines: [line, ...effects], hint: `go live: engine commit ${job.id}` }
  }
  return job.release === null ? sessionSummary(job, effects, took) : releaseSummary(job, effects, took)
}

const statusOf = (job: JobView): string =>
  ({ succeeded: 'success', partial: 'partial', failed: 'failed', aborted: 'aborted', staged: 'staged' })[
    job.state as string
  ] ?? job.state

function complain(output: Output, error: JobError | null, why: string): void {
  const code = error !== null && isErrorCode(error.code) ? error.code : 'ENGINE_ERR_JOB_FAILED'
  const { message, hint } = error ?? { message: why, hint: errorTable[code].hint }
  output.complain({ code, message, hint })
}

function show(output: Output, { isWell, lines, hint }: Summary): void {
  const sign = isWell ? output.colors.green('✔') : output.colors.yellow('⚠')
  const [first, ...rest] = lines
  output.print(`${sign} ${first ?? ''}`)
  for (const line of rest) output.print(line)
  if (hint !== null) output.note(`  ${hint}`)
}

/** Tells how a job ended, once: as a result with --json, in lines for people. */
export function reportJob(output: Output, job: JobView, commands: readonly CommandView[], tookMs: number | null): void {
  if (output.json) {
    const error = job.error === null ? {} : { error: job.error }
    output.data({ type: 'result', status: statusOf(job), ...error, job })
  }
  if (job.state === 'failed' || job.state === 'aborted') {
    complain(output, job.error, `the job was ${job.state}`)
    const failed = commands.filter(({ request, state }) => isOnNodes(request) && state === 'failed')
    if (!output.json) for (const line of failed.flatMap(commandLines)) output.note(line)
    return
  }
  if (!output.json) show(output, summary(job, commands, tookMs))
}

/** Tells what came of one command of a job, while the job goes on. */
export function reportCommand(output: Output, job: JobView, command: CommandView): void {
  const out = command.nodes.filter(({ state }) => state !== 'completed')
  const isWell = command.state === 'completed' && out.length === 0
  if (output.json) {
    const status = isWell ? 'success' : command.state === 'completed' ? 'partial' : 'failed'
    const error = command.error === null ? {} : { error: command.error }
    output.data({ type: 'result', status, ...error, command, job })
  }
  if (command.state === 'failed') complain(output, command.error, `command ${command.number} failed`)
  if (!output.json) show(output, { isWell, lines: commandLines(command), hint: null })
}
