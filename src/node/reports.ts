import type { Clock } from '../base/clock.js'
import { toEngineError } from '../base/errors.js'
import { HINT_CHARS_MAX, MESSAGE_CHARS_MAX, OUTPUT_CHARS_MAX, REPORTS_KEPT_MAX } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { Signer } from '../base/signing.js'
import type { FromNode, Report } from '../control/schema/channel.js'
import type { JobError } from '../model/job.js'
import { signReport } from '../model/proof.js'
import type { Ledger } from './ledger.js'
import { type JournalRecord, owedReports } from './state.js'

/** The command that a report answers, and what it was about. */
export interface Answered {
  readonly commandId: string
  readonly jobId: string
  readonly number: number
  readonly command: Report['command']
  readonly site: string
  readonly release: number | null
  readonly treeHash: string | null
}

export interface Outcome {
  readonly kind: Report['kind']
  readonly bytesFetched: number
  /** What the command left; cut to OUTPUT_CHARS_MAX. */
  readonly output: string | null
  readonly error: JobError | null
}

export interface ReportsOptions {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly log: Logger
  readonly nodeId: string
  /** Signs what is sent: a signature is always the same, so it need not be kept. */
  readonly signer: Signer
  /** Gives a message to the channel. @returns false when no coordinator is there. */
  readonly send: (message: FromNode) => boolean
}

/**
 * What the coordinator is owed. A report is durable before it is sent, sent again to each new
 * connection until the coordinator has acknowledged it, and never after.
 */
export class Reports {
  readonly #options: ReportsOptions
  #sent = new Set<number>()
  /** Acknowledged, but the journal could not take it: recorded with the next that are. */
  readonly #unrecorded = new Set<number>()
  #lastId = 0

  constructor(options: ReportsOptions) {
    this.#options = options
    this.#lastId = options.ledger.state.lastReportId
  }

  /** Makes reports, to be recorded together with what they tell of. Numbers are never used twice. */
  make(of: Answered, outcome: Outcome): Report {
    const atMs = Math.max(0, Math.round(this.#options.clock.nowMs()))
    // The time as a floor: numbers stay new even if the last record of a journal was lost.
    this.#lastId = Math.max(this.#lastId + 1, this.#options.ledger.state.lastReportId + 1, atMs)
    const { commandId, jobId, number, command, site, release, treeHash } = of
    const about = { commandId, jobId, number, command, site, release, treeHash }
    const { kind, bytesFetched, error } = outcome
    const output = outcome.output?.slice(0, OUTPUT_CHARS_MAX) ?? null
    return { type: 'report', reportId: this.#lastId, ...about, kind, atMs, bytesFetched, output, error: clipped(error) }
  }

  /**
   * Records facts and the reports that tell of them in one durable step, then sends the reports.
   * @throws {EngineError} ENGINE_ERR_NO_SPACE, ENGINE_ERR_IO: nothing was recorded and nothing is told.
   */
  async tell(facts: readonly JournalRecord[], reports: readonly Report[]): Promise<void> {
    const records = reports.map((report): JournalRecord => ({ type: 'reported', report }))
    await this.#options.ledger.record(...facts, ...this.#tooMany(reports.length), ...records)
    for (const report of reports) this.#send(report)
  }

  /**
   * Answers commands that failed. Where even the journal cannot be written (no space), the answer is
   * sent once all the same: a coordinator that hears nothing would wait.
   */
  async tellFailure(facts: readonly JournalRecord[], reports: readonly Report[]): Promise<void> {
    try {
      await this.tell(facts, reports)
    } catch (error) {
      this.#options.log.error({ err: toEngineError(error) }, 'a failure cannot be recorded; it is told once')
      for (const report of reports) this.#give(report)
    }
  }

  /** A coordinator is there anew: it gets what was not acknowledged, oldest first. */
  resend(): void {
    this.#sent = new Set()
    for (const report of owedReports(this.#options.ledger.state)) this.#send(report)
  }

  /** The coordinator has it. A number that is not owed is ignored. */
  async acked(reportId: number): Promise<void> {
    if (!this.#options.ledger.state.unacked.has(reportId)) return
    this.#sent.delete(reportId)
    this.#unrecorded.add(reportId)
    const acked = [...this.#unrecorded]
    this.#unrecorded.clear()
    try {
      await this.#options.ledger.record(...acked.map((each) => ({ type: 'acked' as const, reportId: each })))
    } catch (error) {
      for (const each of acked) this.#unrecorded.add(each)
      throw error
    }
  }

  /** The coordinator will never have it: what it says, this node's holdings say too. */
  async refused(reportId: number, why: { readonly code: string; readonly message: string }): Promise<void> {
    const { code, message } = why
    this.#options.log.error(
      { reportId, code, reason: message },
      'the coordinator refuses a report; it is not sent again',
    )
    await this.acked(reportId)
  }

  /** Reports nobody has acknowledged. */
  get owed(): number {
    return [...this.#options.ledger.state.unacked.keys()].filter((each) => !this.#unrecorded.has(each)).length
  }

  #send(report: Report): void {
    const { reportId } = report
    if (this.#sent.has(reportId) || !this.#options.ledger.state.unacked.has(reportId)) return
    if (this.#give(report)) this.#sent.add(reportId)
  }

  #give(report: Report): boolean {
    const { nodeId, signer, send } = this.#options
    return send({ ...report, signature: signReport({ ...report, nodeId }, signer) })
  }

  /** Makes room by forgetting the oldest, receipts first: what a node holds is said in its hello anyway. */
  #tooMany(coming: number): readonly JournalRecord[] {
    const owed = owedReports(this.#options.ledger.state)
    const excess = owed.length + coming - REPORTS_KEPT_MAX
    if (excess <= 0) return []
    const receipts = owed.filter(({ kind }) => kind === 'receipt')
    const others = owed.filter(({ kind }) => kind !== 'receipt')
    this.#options.log.warn({ excess }, 'too many reports are owed, the oldest are forgotten')
    return [...receipts, ...others].slice(0, excess).map(({ reportId }) => ({ type: 'acked', reportId }))
  }
}

function clipped(error: JobError | null): JobError | null {
  if (error === null) return null
  const { code, message, hint } = error
  return { code, message: message.slice(0, MESSAGE_CHARS_MAX), hint: hint.slice(0, HINT_CHARS_MAX) }
}

/** The outcome of a command that could not be done. */
export function failureOf(error: unknown, bytesFetched = 0): Outcome {
  return { kind: 'failure', bytesFetched, output: null, error: toEngineError(error).toReport() }
}
