import { formatBytes, formatCount, formatRate } from '../base/quantities.js'
import {
  bringsNew,
  type ChangeSummary,
  type CommandRequest,
  type CommandView,
  isPublish,
  type JobCommand,
  type JobNode,
  type JobView,
  remainingOf,
} from '../model/job.js'
import { fit, type Output, printable } from './output.js'
import { canaryText } from './waiting.js'

/** Time between two plain lines of one phase, where nothing can be redrawn. */
const PLAIN_INTERVAL_MS = 10_000
const BAR_WIDTH = 24
const SLOWEST_SHOWN = 3

const settled = (node: JobNode): boolean => node.state === 'staged' || node.state === 'live'

const countsOf = ({ fileCount, totalBytes, filesAdded, filesChanged, filesDeleted }: ChangeSummary): string =>
  `  ${formatCount(fileCount, 'file')}  ${formatBytes(totalBytes)}  (+${filesAdded} ~${filesChanged} −${filesDeleted})`

/** A publish of what is live already: nothing was packed. Before the switch nobody knows that yet. */
export const isNoop = (job: JobView): boolean =>
  isPublish(job) && job.assignment === null && job.release !== null && ['committing', 'succeeded'].includes(job.state)

/** The command that nodes carry out by themselves just now; undefined: none is. Pure. */
export const onNodes = (job: JobView): JobCommand | undefined =>
  job.commands.find(({ state, request }) => state === 'in-progress' && isByNodes(request))

const isByNodes = ({ type }: CommandRequest): boolean => type === 'run-hook' || type === 'verify'

/** What an open job does, or that it waits to be told. */
function doing(job: JobView, commands: readonly CommandView[]): string {
  const command = onNodes(job)
  if (command === undefined) {
    const isIdle = job.state === 'open' && job.commands.every(({ finishedAtMs }) => finishedAtMs !== null)
    return isIdle ? '  waits for commands' : ''
  }
  const { number, request } = command
  const what = request.type === 'run-hook' ? `${request.type} ${request.hook}` : request.type
  const nodes = commands.find((each) => each.number === number)?.nodes
  const done = nodes?.filter(({ state }) => state === 'completed' || state === 'failed').length
  const where = done === undefined ? '' : ` on ${formatCount(done, 'node', remainingOf(job.nodes).length)}`
  return `  ${number} ${printable(what)}${where}`
}

const title = (job: JobView): string => {
  const release = job.release === null ? job.site : `${job.site}@${job.release}`
  const step = job.baseRelease === null ? release : `${job.site}@${job.baseRelease} → ${release}`
  const counts = job.changes === null ? '' : countsOf(job.changes)
  const length = job.assignment?.streamBytes ?? null
  const canary = canaryText(job)
  const sends = length === null ? '' : `  sends ${formatBytes(length)}`
  return `${step}${counts}${sends}  ${job.state}${canary === null ? '' : `  ${canary}`}`
}

/** What a new line is worth. */
const phaseOf = (job: JobView): string => `${job.state} ${canaryText(job) ?? ''} ${doing(job, [])}`

/** Whether its nodes' parts say anything: in a session without a release there is nothing to bring. */
const isOfRelease = (job: JobView): boolean =>
  job.release !== null || job.commands.some(({ request }) => bringsNew(request) || request.type === 'rollback')

const share = (node: JobNode, lengthBytes: number | null): number => {
  if (settled(node) || node.state === 'received') return 1
  return lengthBytes === null || lengthBytes === 0 ? 0 : Math.min(1, node.bytesHave / lengthBytes)
}

const bar = (ratio: number): string => {
  const full = Math.round(ratio * BAR_WIDTH)
  return `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`
}

/** One line a segment: how full it is, how many of its nodes are ready. */
export function segmentLines(job: JobView): string[] {
  const lengthBytes = job.assignment?.streamBytes ?? null
  const segments = [...new Set(remainingOf(job.nodes).map((node) => node.segment))].toSorted()
  return segments.map((segment) => {
    const nodes = remainingOf(job.nodes).filter((node) => node.segment === segment)
    const ratio = nodes.reduce((sum, node) => sum + share(node, lengthBytes), 0) / nodes.length
    const ready = nodes.filter(settled).length
    const rateBps = nodes.reduce((sum, node) => sum + (settled(node) ? 0 : node.rateBps), 0)
    const rate = rateBps > 0 ? `  ${formatRate(rateBps)}` : ''
    return `  ${fit(segment, 12)} ${bar(ratio)} ${ready}/${nodes.length}${rate}`
  })
}

/** The nodes that are furthest behind, by name, with the reason where there is one. */
export function slowestLines(job: JobView): string[] {
  const lengthBytes = job.assignment?.streamBytes ?? null
  return remainingOf(job.nodes)
    .filter((node) => !settled(node))
    .toSorted((a, b) => share(a, lengthBytes) - share(b, lengthBytes))
    .slice(0, SLOWEST_SHOWN)
    .map((node) => {
      const percent = `${Math.floor(share(node, lengthBytes) * 100)}%`
      const reason = node.reason === null ? '' : `: ${node.reason}`
      return printable(`  ${fit(node.name, 12)} ${percent.padStart(4)}  ${node.state}${reason}`)
    })
}

/** Shows a job as it goes: redrawn on a terminal, a plain line for each phase and every 10 s elsewhere. */
export class JobProgress {
  readonly #output: Output
  #state = ''
  #plainAtMs = Number.NEGATIVE_INFINITY
  #idleAtMs: number | null = null

  constructor(output: Output) {
    this.#output = output
  }

  /** @param commands  where nodes stand with each command, as far as that was asked. */
  show(job: JobView, nowMs: number, commands: readonly CommandView[] = []): void {
    if (this.#output.json || this.#output.quiet) return
    // There is nothing to switch: it is a phase only where a node that lags behind makes it last.
    if (isNoop(job) && nowMs - (this.#idleAtMs ??= nowMs) < PLAIN_INTERVAL_MS) return
    if (this.#output.animated) {
      const nodes = isOfRelease(job) ? [...segmentLines(job), ...slowestLines(job)] : []
      const lines = [`${title(job)}${doing(job, commands)}`, ...nodes]
      this.#output.redraw(lines.map((line) => fit(line, this.#output.columns - 1).trimEnd()))
      return
    }
    const phase = phaseOf(job)
    if (phase === this.#state && nowMs - this.#plainAtMs < PLAIN_INTERVAL_MS) return
    this.#state = phase
    this.#plainAtMs = nowMs
    const ready = formatCount(job.nodes.filter(settled).length, 'node', remainingOf(job.nodes).length)
    this.#output.note(`${title(job)}${doing(job, commands)}${isOfRelease(job) ? `  ${ready} ready` : ''}`)
  }
}
