import { formatBytes, formatCount, formatRate } from '../base/quantities.js'
import { type ChangeSummary, isPublish, type JobNode, type JobView } from '../model/job.js'
import { fit, type Output } from './output.js'

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

const title = (job: JobView): string => {
  const release = job.release === null ? job.site : `${job.site}@${job.release}`
  const step = job.baseRelease === null ? release : `${job.site}@${job.baseRelease} → ${release}`
  const counts = job.changes === null ? '' : countsOf(job.changes)
  const length = job.assignment?.streamBytes ?? null
  return `${step}${counts}${length === null ? '' : `  sends ${formatBytes(length)}`}  ${job.state}`
}

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
  const segments = [...new Set(job.nodes.map((node) => node.segment))].toSorted()
  return segments.map((segment) => {
    const nodes = job.nodes.filter((node) => node.segment === segment)
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
  return job.nodes
    .filter((node) => !settled(node))
    .toSorted((a, b) => share(a, lengthBytes) - share(b, lengthBytes))
    .slice(0, SLOWEST_SHOWN)
    .map((node) => {
      const percent = `${Math.floor(share(node, lengthBytes) * 100)}%`
      const reason = node.reason === null ? '' : `: ${node.reason}`
      return `  ${fit(node.name, 12)} ${percent.padStart(4)}  ${node.state}${reason}`
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

  show(job: JobView, nowMs: number): void {
    if (this.#output.json || this.#output.quiet) return
    // There is nothing to switch: it is a phase only where a node that lags behind makes it last.
    if (isNoop(job) && nowMs - (this.#idleAtMs ??= nowMs) < PLAIN_INTERVAL_MS) return
    if (this.#output.animated) {
      const lines = [title(job), ...segmentLines(job), ...slowestLines(job)]
      this.#output.redraw(lines.map((line) => fit(line, this.#output.columns - 1).trimEnd()))
      return
    }
    if (job.state === this.#state && nowMs - this.#plainAtMs < PLAIN_INTERVAL_MS) return
    this.#state = job.state
    this.#plainAtMs = nowMs
    const ready = job.nodes.filter(settled).length
    this.#output.note(`${title(job)}  ${formatCount(ready, 'node', job.nodes.length)} ready`)
  }
}
