import { EngineError, toEngineError } from '../base/errors.js'
import { COMMANDS_WAITING_MAX } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { Execute, Report } from '../control/schema/channel.js'
import type { Ledger } from './ledger.js'
import { type Answered, failureOf, type Outcome, type Reports } from './reports.js'
import { type ExecutedCommand, executedKey } from './state.js'
import type { Turns } from './turns.js'

type CommandOf<T extends Execute['command']['type']> = Extract<Execute['command'], { type: T }>

/** An order as the executor of its type is given it. */
export interface Execution<T extends Execute['command']['type'] = Execute['command']['type']> {
  readonly jobId: string
  readonly number: number
  readonly site: string
  readonly command: CommandOf<T>
}

/** What came of it; an error makes it a failure, and what it left is kept either way. */
export interface Executed {
  readonly output: string | null
  readonly error: EngineError | null
}

/** Carries one type of command out. */
export interface Executor<T extends Execute['command']['type'] = Execute['command']['type']> {
  /** Stops early, with an error, when `signal` fires. What it throws is its failure. */
  run(order: Execution<T>, signal: AbortSignal): Promise<Executed>
  /** Whether an execution that was cut off by a crash, somewhere in the middle, may be begun again. */
  mayRepeat(order: Execution<T>): boolean
}

export type Executors = { readonly [T in Execute['command']['type']]?: Executor<T> }

export interface ExecutionsOptions {
  readonly ledger: Ledger
  readonly reports: Reports
  readonly turns: Turns
  readonly log: Logger
  readonly executors: Executors
}

function answered({ commandId, jobId, number, site, command }: Execute): Answered {
  return { commandId, jobId, number, command: command.type, site, release: null, treeHash: null }
}

const received: Outcome = { kind: 'receipt', bytesFetched: 0, output: null, error: null }

/**
 * Carries out commands that are no step towards a release: each once, whatever is delivered twice, those of one
 * job in the order of their numbers, those of one site one at a time.
 */
export class Executions {
  readonly #options: ExecutionsOptions
  readonly #closing = new AbortController()
  /** By the key of the command that each waits for. */
  readonly #waiting = new Map<string, Execute[]>()
  readonly #underWay = new Set<string>()

  constructor(options: ExecutionsOptions) {
    this.#options = options
  }

  /** Commands that were received and are not done. */
  get underWay(): ReadonlySet<string> {
    return this.#underWay
  }

  /** Orders that wait for the one before them. */
  get waiting(): readonly Execute[] {
    return [...this.#waiting.values()].flat()
  }

  /** Takes an order; settles when it is answered, or waits for the one before it. Failures are answers, not throws. */
  async execute(order: Execute): Promise<void> {
    const key = executedKey(order)
    const before = this.#options.ledger.state.executed.get(key)
    if (before !== undefined && before.phase !== 'executing') {
      await this.#answerAgain(order, before)
      return
    }
    if (this.#underWay.has(key)) return
    if (this.#waits(order)) return
    this.#underWay.add(key)
    try {
      await this.#options.reports.tell([], [this.#report(order, received)])
      await this.#options.turns.run(`execute ${order.site}`, () => this.#carryOut(order))
    } finally {
      this.#underWay.delete(key)
    }
    await this.#release(key)
  }

  /** Stops what is under way; what was cut off is answered after the next start. */
  close(): void {
    this.#closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
  }

  /** Keeps an order whose turn has not come. One that is delivered again takes the older one's place. */
  #waits(order: Execute): boolean {
    if (order.after === null) return false
    const awaited = executedKey({ jobId: order.jobId, number: order.after })
    const phase = this.#options.ledger.state.executed.get(awaited)?.phase ?? 'executing'
    if (phase !== 'executing') return false
    const others = (this.#waiting.get(awaited) ?? []).filter(({ number }) => number !== order.number)
    if (this.#waiting.size >= COMMANDS_WAITING_MAX) this.#waiting.clear()
    this.#waiting.set(awaited, [...others, order])
    return true
  }

  async #release(key: string): Promise<void> {
    const next = this.#waiting.get(key) ?? []
    this.#waiting.delete(key)
    for (const order of next) await this.execute(order)
  }

  async #carryOut(order: Execute): Promise<void> {
    const { ledger, reports, log } = this.#options
    const { jobId, number, site, revision } = order
    if (this.#closing.signal.aborted) return
    const { output, error } = await this.#run(order)
    // What stopped because the node closes is not over: its journal says that it began.
    if (this.#closing.signal.aborted && error !== null) return
    const outcome = { ...(error === null ? { ...received, kind: 'completion' as const } : failureOf(error)), output }
    const phase = error === null ? 'completion' : 'failure'
    const since = revision === undefined ? {} : { site, revision }
    const fact = { type: 'executed', jobId, number, phase, error: outcome.error, ...since } as const
    await reports.tell([fact], [this.#report(order, outcome)])
    const facts = { jobId, number, site, command: order.command.type, phase }
    log.info(error === null ? facts : { ...facts, err: error }, 'command executed')
    if (ledger.isDamaged) log.warn(facts, 'the journal was damaged: a command may have been executed before')
  }

  async #run(order: Execute): Promise<Executed> {
    const { ledger, executors } = this.#options
    const { jobId, number, site, command } = order
    const executor = executors[command.type] as Executor | undefined
    const execution = { jobId, number, site, command }
    try {
      if (executor === undefined) throw new EngineError('ENGINE_ERR_COMMAND_UNKNOWN', { command: command.type })
      const wasCut = ledger.state.executed.get(executedKey(order))?.phase === 'executing'
      if (wasCut && !executor.mayRepeat(execution)) {
        throw new EngineError('ENGINE_ERR_COMMAND_INTERRUPTED', { command: command.type, jobId, number })
      }
      if (!wasCut) await ledger.record({ type: 'executing', jobId, number })
      return await executor.run(execution, this.#closing.signal)
    } catch (error) {
      return { output: null, error: toEngineError(error) }
    }
  }

  async #answerAgain(order: Execute, { phase, error }: ExecutedCommand): Promise<void> {
    const kind = phase === 'failure' ? 'failure' : 'completion'
    await this.#options.reports.tell([], [this.#report(order, { ...received, kind, error })])
  }

  #report(order: Execute, outcome: Outcome): Report {
    return this.#options.reports.make(answered(order), outcome)
  }
}
