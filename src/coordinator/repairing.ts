import { REPAIR_MS_MAX, RESTART_BACK_MS, RESTART_BEGIN_MS } from '../base/ending-limits.js'
import { toEngineError } from '../base/errors.js'
import { EXECUTE_STALLED_MS, JOB_COMMANDS_MAX } from '../base/limits.js'
import { formatDuration } from '../base/quantities.js'
import type { NodeLink } from '../control/door/channel.js'
import type { Rung } from '../model/account.js'
import { describe, type Verification } from '../model/verification.js'
import type { Answer } from '../track/accounting.js'
import { checkNode } from './checking.js'
import { executeOf } from './executing.js'
import type { LiveJob, Restart } from './live-job.js'
import type { KnownNode } from './roster.js'
import { steer } from './steering.js'
import type { World } from './world.js'

/** The hook that a node declares to be restarted by. */
const RESTART_HOOK = 'restart'

/** Whether a node declares that hook, for this site, without an argument that must be given. Pure. */
export function canRestart({ hooks }: KnownNode, site: string): boolean {
  const hook = hooks?.find(({ name }) => name === RESTART_HOOK)
  if (hook === undefined || hook.on !== null) return false
  return (hook.sites?.includes(site) ?? true) && hook.arguments.every(({ required }) => !required)
}

/** What is done for a node; that it is, is on record already. */
export interface Repair {
  readonly rung: Rung
  /** What it said last, when it was asked. */
  readonly answer: Answer | null
}

/**
 * Does for a node what a rung says, then has it begin anew. Settles when what came of it is known; what it comes to
 * after that the node reports.
 * @param signal  fires when nobody waits for the node any longer.
 * @returns what came of it, in a sentence; null: that shows later.
 * @throws {Error} the signal's reason, when it fires.
 */
export async function repair(
  world: World,
  job: LiveJob,
  known: KnownNode,
  { rung, answer }: Repair,
  signal: AbortSignal,
): Promise<string | null> {
  const { site } = job.record
  switch (rung) {
    case 'resend':
      // Who reads nothing on this connection may on the next.
      if (answer?.says === 'silent') known.link?.close('ENGINE_ERR_NODE_SILENT', answer.reason)
      else again(world, known, site)
      return null
    case 'resync':
      known.task(site).wholeOnly = true
      again(world, known, site)
      return null
    case 'self-check': {
      const said = await selfCheck(world, job, known, signal)
      again(world, known, site)
      return said
    }
    case 'restart':
      return new Restarting(world, job, known, signal).run()
  }
}

/** What it was told counts for nothing: it is told anew. */
function again(world: World, known: KnownNode, site: string): void {
  const task = known.task(site)
  task.failure = null
  task.underWay = null
  known.owedTold = null
  steer(world, known, site)
}

/** Has it read the job's release, and mend it. One that cannot is no worse off than before. */
async function selfCheck(
  world: World,
  { release, record: { site } }: LiveJob,
  known: KnownNode,
  signal: AbortSignal,
): Promise<string> {
  const late = new AbortController()
  const cancel = world.clock.setTimer(REPAIR_MS_MAX, () => late.abort())
  try {
    const asked = { site, release: release?.release ?? null, rateBps: null, repair: true }
    return foundText(await checkNode(world, known, asked, AbortSignal.any([signal, late.signal])))
  } catch (caught) {
    signal.throwIfAborted()
    const error = toEngineError(caught)
    world.log.warn({ err: error, node: known.identity.name, site }, 'a node could not check itself')
    return `it could not check itself: ${error.message}`
  } finally {
    cancel()
  }
}

const mendings = { none: '', restaged: ': staged anew', removed: ': removed, and sent again' } as const

function foundText(found: Verification): string {
  return `${found.site}@${found.release} there: ${describe(found)}${mendings[found.mended]}`
}

/** One node's run of its own hook, as a command of the job that none asked for, and what follows it. */
class Restarting {
  readonly #world: World
  readonly #job: LiveJob
  readonly #known: KnownNode
  readonly #signal: AbortSignal

  constructor(world: World, job: LiveJob, known: KnownNode, signal: AbortSignal) {
    this.#world = world
    this.#job = job
    this.#known = known
    this.#signal = signal
  }

  async run(): Promise<string> {
    const { id } = this.#known.identity
    const { restarts } = this.#job
    const number = await this.#number()
    restarts.set(id, { number, state: 'new', reason: null })
    try {
      return await this.#run(number)
    } finally {
      restarts.delete(id)
    }
  }

  /**
   * Of no command that the job has or may be given, and of no earlier restart, also where that was never answered: a
   * node does nothing about a number that it knows. This restart is on record among the others.
   */
  async #number(): Promise<number> {
    const { store } = this.#world
    const { id } = this.#job
    const restarts = (await store.accounts.list(id)).filter(({ rung }) => rung === RESTART_HOOK)
    return Math.max(JOB_COMMANDS_MAX, await store.receipts.lastNumber(id)) + restarts.length
  }

  async #run(number: number): Promise<string> {
    const [world, job, known] = [this.#world, this.#job, this.#known]
    const { link } = known
    if (link === null) return 'it could not be told to restart: its connection is gone'
    const { site } = job.record
    const request = { type: 'run-hook', hook: RESTART_HOOK, args: {} } as const
    link.send(executeOf({ jobId: job.id, number, site, request }, null))
    const isGone = (): boolean => known.link !== link
    const isTaken = await this.#wait(EXECUTE_STALLED_MS, () => isGone() || this.#told.state !== 'new')
    if (isTaken) await this.#wait(REPAIR_MS_MAX, () => isGone() || this.#isAnswered)
    if (this.#told.state === 'completed') await this.#wait(RESTART_BEGIN_MS, isGone)
    if (isGone()) return this.#back(link)
    again(world, known, site)
    return this.#saidText()
  }

  #saidText(): string {
    const { state, reason } = this.#told
    const said = {
      new: `has not been taken for ${formatDuration(EXECUTE_STALLED_MS)}`,
      'in-progress': `has not ended for ${formatDuration(REPAIR_MS_MAX)}`,
      completed: 'ended well, and it stayed connected',
      failed: `failed: ${reason ?? 'it gave no reason'}`,
    }
    return `its hook ${RESTART_HOOK} ${said[state]}`
  }

  /** What failed before counts no more: what it fails with once it is back is news. */
  async #back(before: NodeLink): Promise<string> {
    const [world, known] = [this.#world, this.#known]
    const sinceMs = world.clock.monotonicMs()
    known.task(this.#job.record.site).failure = null
    const isBack = await this.#wait(RESTART_BACK_MS, () => known.link !== null && known.link !== before)
    const tookMs = world.clock.monotonicMs() - sinceMs
    if (isBack) return `it has restarted, and was back after ${formatDuration(tookMs)}`
    return `its connection ended, and it was not back after ${formatDuration(tookMs)}`
  }

  get #told(): Restart {
    return this.#job.restarts.get(this.#known.identity.id) ?? { number: 0, state: 'new', reason: null }
  }

  get #isAnswered(): boolean {
    const { state } = this.#told
    return state === 'completed' || state === 'failed'
  }

  /** @returns whether it came to be in that time. */
  async #wait(forMs: number, isOver: () => boolean): Promise<boolean> {
    const { clock } = this.#world
    const untilMs = clock.monotonicMs() + forMs
    while (!isOver() && clock.monotonicMs() < untilMs) await this.#job.bell.wait(this.#signal)
    return isOver()
  }
}
