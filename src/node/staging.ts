import { EngineError, type ErrorCode, isErrorCode } from '../base/errors.js'
import { STRAND_COUNT_MAX } from '../base/limits.js'
import { PROGRESS_PARTS, PROGRESS_TELL_MS, PROGRESS_TELL_MS_MAX } from '../base/transfer-limits.js'
import { ALONE_MS } from '../base/word-limits.js'
import { BITS_PER_BYTE, SECOND_MS } from '../base/units.js'
import type { Commit, Progress, Stage } from '../control/schema/channel.js'
import type { ReleaseRef } from '../model/node.js'
import { type Pace, usualPace } from '../model/pace.js'
import { isWaiting, type NodePlan } from '../model/plan.js'
import type { ReceiverSessionOptions, SessionStatus } from '../native/relay.js'
import type { ApplyOptions, ApplyResult } from '../native/sites.js'

/** The execution of an assignment, as `native` gives it. */
export interface Execution {
  result(): Promise<ApplyResult>
  cancel(): void
}

/** The native side as stagings use it: fetching, and executing while it is fetched. */
export interface DataPlane {
  openReceiver(options: ReceiverSessionOptions): Promise<number>
  setPlan(session: number, plan: NodePlan): void
  setPace(session: number, pace: Pace): void
  closeSession(session: number): void
  poll(): readonly SessionStatus[]
  /** @param options.session  the session that fetches the stream. */
  apply(options: Omit<ApplyOptions, 'relay' | 'session'> & { readonly session: number }): Execution
}

/** The newest rate counts this much beside what it was before. */
const RATE_SHARE = 0.5

const wasted: ReadonlySet<ErrorCode> = new Set([
  'ENGINE_ERR_NO_SPACE',
  'ENGINE_ERR_ASSIGNMENT_CORRUPT',
  'ENGINE_ERR_DIGEST_MISMATCH',
  'ENGINE_ERR_TREE_MISMATCH',
  'ENGINE_ERR_PATH_ESCAPES',
  'ENGINE_ERR_BASE_MISSING',
  'ENGINE_ERR_RELEASE_CONFLICT',
  'ENGINE_ERR_CANCELLED',
])

/** Whether what was fetched is of no use after an error, or takes the space that is missing. */
export const isWasted = (code: ErrorCode): boolean => wasted.has(code)

/** One assignment from the command to the staged release. Several commands may ask for it; each is answered. */
export class Staging {
  readonly assignmentId: string
  readonly site: string
  readonly ref: ReleaseRef
  readonly base: ReleaseRef | null
  readonly chunkBytes: number
  /** Commits that came before the release was there. */
  readonly commits: Commit[] = []
  readonly commands: Stage[] = []
  session: number | null = null
  pace: Pace
  bytesFetched = 0
  receiptTold = false
  readonly #controller = new AbortController()
  #plan: NodePlan
  #reserve: NodePlan | null
  /** When the coordinator was last seen to be there. */
  #metMs: number | null = null
  #onTurn: () => void = () => {}
  #execution: Execution | null = null
  #cause: EngineError | null = null
  #lastProgress: Progress | null = null
  #lastAtMs: number | null = null
  #told: Progress | null = null
  #toldAtMs = Number.NEGATIVE_INFINITY
  #rateBps = 0
  #answeredCount = 0

  constructor(command: Stage) {
    this.assignmentId = command.assignment.id
    this.site = command.site
    this.ref = { release: command.release, treeHash: command.treeHash }
    this.base = command.base
    this.chunkBytes = command.assignment.chunkBytes
    this.#plan = command.plan
    this.pace = command.pace ?? usualPace
    this.#reserve = command.reserve ?? null
    this.commands.push(command)
  }

  /** Bytes of the assignment that are here, by the last look. */
  get bytesHave(): number {
    return this.#lastProgress?.bytesHave ?? 0
  }

  brings(site: string, { release, treeHash }: ReleaseRef): boolean {
    return this.site === site && this.ref.release === release && this.ref.treeHash === treeHash
  }

  get plan(): NodePlan {
    return this.#plan
  }

  /** Fires when it is to stop. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Why it was stopped; null while it was not. */
  get cause(): EngineError | null {
    return this.#cause
  }

  /** The same is asked for again: answered together with the first, by the newest plan. */
  join(command: Stage): void {
    const again = this.commands.some(({ commandId }) => commandId === command.commandId)
    if (!again) this.commands.push(command)
  }

  /** Every command so far, to be answered now. */
  takeCommands(): readonly Stage[] {
    this.#answeredCount = this.commands.length
    return [...this.commands]
  }

  /** Commands that came when the answers were already on their way. */
  get unanswered(): readonly Stage[] {
    return this.commands.slice(this.#answeredCount)
  }

  setPlan(plan: NodePlan, reserve: NodePlan | null): void {
    this.#plan = plan
    this.#reserve = reserve
    if (!isWaiting(plan)) this.#onTurn()
  }

  /** What waits for its turn goes by its reserve when the coordinator, who would give it one, is gone for long. */
  look(isConnected: boolean, nowMs: number): void {
    if (isConnected) this.#metMs = nowMs
    this.#metMs ??= nowMs
    if (nowMs - this.#metMs < ALONE_MS || !isWaiting(this.#plan) || this.#reserve === null) return
    this.setPlan(this.#reserve, null)
  }

  /** Settles when it may fetch from somebody. @throws {EngineError} what it was stopped with. */
  async turn(): Promise<void> {
    if (isWaiting(this.#plan) && this.#cause === null) {
      await new Promise<void>((resolve) => {
        this.#onTurn = resolve
        this.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    this.checkGoing()
  }

  /** @throws {EngineError} what it was stopped with. */
  checkGoing(): void {
    if (this.#cause !== null) throw this.#cause
  }

  /** What is to be told to stop when this is. */
  follow(execution: Execution): void {
    this.#execution = execution
    if (this.#cause !== null) execution.cancel()
  }

  /** Stops it; the first reason counts. */
  stop(cause: EngineError): void {
    if (this.#cause !== null) return
    this.#cause = cause
    this.#controller.abort()
    this.#execution?.cancel()
  }

  /**
   * Takes in how its session stands.
   * @returns progress to be told, or null when nothing changed, or not long after the last was told.
   */
  observe(status: SessionStatus, nowMs: number): Progress | null {
    this.bytesFetched = status.bytesReceived
    if (status.failure !== null) {
      const { code, message } = status.failure
      const known = isErrorCode(code) ? code : 'ENGINE_ERR_INTERNAL'
      this.stop(new EngineError(known, { why: message }, { message }))
      return null
    }
    const before = this.#lastProgress
    const progress = this.#progressOf(status, nowMs)
    if (progress === null) return null
    this.#lastProgress = progress
    const isFirst = (before?.bytesHave ?? 0) === 0
    const isServedAnew = before?.parents.join() !== progress.parents.join()
    if (!isFirst && !isServedAnew && !this.#isDue(progress, status, nowMs)) return null
    this.#told = progress
    this.#toldAtMs = nowMs
    return progress
  }

  /** @returns null: nothing has changed, and that it stands still has been told. */
  #progressOf(status: SessionStatus, nowMs: number): Progress | null {
    const before = this.#lastProgress
    const { bytesHave } = status
    const parents = status.parents.slice(0, STRAND_COUNT_MAX)
    const isAsBefore = before?.bytesHave === bytesHave && before.parents.join() === parents.join()
    if (isAsBefore && before.rateBps === 0 && this.#told?.rateBps === 0) return null
    this.#measure(bytesHave - (before?.bytesHave ?? bytesHave), nowMs)
    const { jobId } = this.commands.at(-1) as Stage
    const { assignmentId } = this
    return { type: 'progress', jobId, assignmentId, bytesHave, rateBps: Math.round(this.#rateBps), parents }
  }

  /** All has come, or a part that shows, or much time has passed. */
  #isDue({ bytesHave }: Progress, { chunkCount, complete }: SessionStatus, nowMs: number): boolean {
    const sinceMs = nowMs - this.#toldAtMs
    const grownBytes = bytesHave - (this.#told?.bytesHave ?? 0)
    if (complete && grownBytes > 0) return true
    const hasGrown = grownBytes >= ((chunkCount ?? 0) * this.chunkBytes) / PROGRESS_PARTS
    return sinceMs >= PROGRESS_TELL_MS_MAX || (sinceMs >= PROGRESS_TELL_MS && hasGrown)
  }

  #measure(bytes: number, nowMs: number): void {
    const elapsedMs = nowMs - (this.#lastAtMs ?? nowMs)
    this.#lastAtMs = nowMs
    if (elapsedMs <= 0) return
    const newest = (Math.max(bytes, 0) * BITS_PER_BYTE * SECOND_MS) / elapsedMs
    const smooth = this.#rateBps * (1 - RATE_SHARE) + newest * RATE_SHARE
    // Less than a bit a second is nothing: the end of a decay, not news.
    this.#rateBps = smooth < 1 ? 0 : smooth
  }
}
