import { END_PERIOD_MS_DEFAULT, QUERY_ANSWER_MS, REPAIR_ATTEMPTS_MAX } from '../base/ending-limits.js'
import { toEngineError } from '../base/errors.js'
import { type AccountEvent, rungs, type Rung } from '../model/account.js'
import type { NodeAnswer } from '../model/node-state.js'
import {
  type AccountPolicy,
  type Answer,
  type NodeAction,
  type NodeFacts,
  openAccount,
  stepAccount,
  type Tried,
} from '../track/accounting.js'
import { partsIn } from '../track/commands.js'
import { markBehind, type NodePart, settled } from '../track/fold.js'
import { holds } from '../track/reconcile.js'
import { absenceOf } from './audience.js'
import { isEffect } from './executing.js'
import type { LiveJob } from './live-job.js'
import { askState } from './querying.js'
import { canRestart, repair } from './repairing.js'
import type { KnownNode } from './roster.js'
import { nextFor } from './steering.js'
import { deadlineOf } from './waiting.js'
import { advance, inBackground, type World } from './world.js'

/** How a job deals with nodes that have not done what it asked when it ends. Pure. */
export function accountPolicyOf({ record: { policy } }: LiveJob): AccountPolicy {
  const { periodMs = END_PERIOD_MS_DEFAULT, repair: asked } = policy
  // The question ends by itself before that: this is for an answer that is lost in this process.
  const answerMs = 2 * QUERY_ANSWER_MS
  return { periodMs, answerMs, rungs: asked?.rungs ?? rungs, attemptsMax: asked?.attemptsMax ?? REPAIR_ATTEMPTS_MAX }
}

/**
 * Waits until every node of a job that ends has done what was asked or is left behind, asking, waiting and mending as
 * the policy says. All of it is on record but the last words, which belong to the step that ends the job.
 */
export async function accountForAll(world: World, job: LiveJob, number: number): Promise<readonly AccountEvent[]> {
  const ending = new Ending(world, job)
  return ending.run(number)
}

/** One job's end, from its first look at the nodes to the last. */
class Ending {
  readonly #world: World
  readonly #job: LiveJob
  readonly #answers = new Map<string, Answer>()
  /** Bytes that each node had by its last answer: who gets no more is not at work. */
  readonly #bytes = new Map<string, number>()
  /** Why nodes were left. */
  readonly #left = new Map<string, string>()
  #events: AccountEvent[] = []
  /** Repairs that are at work, by node. */
  readonly #mending = new Map<string, Rung>()
  /** Repairs that begin once they are on record. */
  #repairs: (() => void)[] = []
  readonly #over = new AbortController()

  constructor(world: World, job: LiveJob) {
    this.#world = world
    this.#job = job
  }

  async run(number: number): Promise<readonly AccountEvent[]> {
    try {
      return await this.#run(number)
    } finally {
      this.#over.abort()
    }
  }

  async #run(number: number): Promise<readonly AccountEvent[]> {
    const [world, job] = [this.#world, this.#job]
    const policy = accountPolicyOf(job)
    const nodeIds = job.remaining.map(({ nodeId }) => nodeId)
    let account = openAccount(nodeIds, job.waitingSinceMs + policy.periodMs, await this.#tried())
    let isFirst = true
    for (;;) {
      const facts = await this.#facts()
      if (isFirst) await this.#begin(number, facts)
      isFirst = false
      const step = stepAccount(account, facts, policy, world.clock.monotonicMs())
      account = step.account
      for (const action of step.actions) this.#act(action)
      if (step.isClosed) return this.#closed([...account.values()].filter(({ phase }) => phase === 'left').length)
      await this.#flush()
      for (const begin of this.#repairs.splice(0)) begin()
      await job.bell.wait(world.closing)
    }
  }

  /** What the last life of the coordinator has done for each node. */
  async #tried(): Promise<Tried> {
    const tried = new Map<string, Rung[]>()
    for (const { node, rung } of await this.#world.store.accounts.list(this.#job.id)) {
      const part = rung === null ? undefined : this.#job.parts.find(({ name }) => name === node)
      if (part !== undefined && rung !== null) tried.set(part.nodeId, [...(tried.get(part.nodeId) ?? []), rung])
    }
    return tried
  }

  async #begin(number: number, facts: readonly NodeFacts[]): Promise<void> {
    const [world, job] = [this.#world, this.#job]
    const missing = facts.filter(({ isDone }) => !isDone).length
    if (missing === 0) return
    const isResumed = job.record.state === 'ending'
    this.#note(isResumed ? 'resumed' : 'ended', null, `${missing} of ${facts.length} nodes have not done all of it`)
    const { state } = job.record
    if (isResumed || (state !== 'open' && state !== 'committing')) return
    const started = { number, state: 'in-progress', startedAtMs: world.clock.nowMs() } as const
    await advance(world, job, { type: 'ending' }, { commands: [started] })
  }

  #closed(leftCount: number): readonly AccountEvent[] {
    const total = this.#job.remaining.length
    const reason =
      leftCount === 0 ? `all ${total} nodes have done all of it` : `${leftCount} of ${total} nodes are left`
    this.#markLeft()
    this.#note('closed', null, reason)
    return this.#events
  }

  /** Who came back after it was left, and is not there yet, is shown with why it was. */
  #markLeft(): void {
    const nowMs = this.#world.clock.monotonicMs()
    for (const [nodeId, reason] of this.#left) {
      const part = this.#job.part(nodeId)
      if (part !== undefined && !settled.has(part.state)) this.#job.setPart(markBehind(part, reason), nowMs)
    }
  }

  async #flush(): Promise<void> {
    const events = this.#events
    this.#events = []
    if (events.length > 0) await this.#world.store.transaction((tables) => tables.accounts.add(this.#job.id, events))
  }

  #note(kind: AccountEvent['kind'], nodeId: string | null, reason: string, rung: Rung | null = null): void {
    const node = nodeId === null ? null : (this.#job.part(nodeId)?.name ?? nodeId)
    this.#events.push({ atMs: this.#world.clock.nowMs(), kind, node, reason, rung })
    this.#world.log.info({ jobId: this.#job.id, kind, node, reason, rung }, 'account of a job')
  }

  #act(action: NodeAction): void {
    const { nodeId } = action
    const known = this.#world.roster.get(nodeId)
    switch (action.do) {
      case 'done':
        return
      case 'extend':
        this.#note('extended', nodeId, action.reason)
        return
      case 'leave':
        this.#leave(nodeId, action.reason)
        return
      case 'query':
        this.#note('queried', nodeId, action.reason)
        if (known !== undefined) inBackground(this.#world, 'a query', () => this.#ask(known, action.query))
        return
      case 'repair':
        this.#note('repaired', nodeId, action.reason, action.rung)
        if (known !== undefined) this.#repairs.push(() => this.#repair(known, action.rung))
        return
    }
  }

  #repair(known: KnownNode, rung: Rung): void {
    const [world, job, nodeId] = [this.#world, this.#job, known.identity.id]
    const answer = this.#answers.get(nodeId) ?? null
    const signal = AbortSignal.any([world.closing, this.#over.signal])
    this.#mending.set(nodeId, rung)
    inBackground(world, `a repair (${rung})`, async () => {
      try {
        const said = await repair(world, job, known, { rung, answer }, signal)
        if (said !== null && !signal.aborted) this.#note('answered', nodeId, said)
      } catch (error) {
        if (!signal.aborted) throw error
      } finally {
        this.#mending.delete(nodeId)
        job.bell.ring()
      }
    })
  }

  #leave(nodeId: string, reason: string): void {
    this.#left.set(nodeId, reason)
    const part = this.#job.part(nodeId)
    // What it failed with says more than that it is left; who serves the release owes only a command.
    const keeps = part === undefined || part.state === 'live' || part.state === 'failed' || part.state === 'behind'
    if (!keeps) this.#job.setPart(markBehind(part, reason), this.#world.clock.monotonicMs())
    this.#note('left', nodeId, reason)
  }

  async #ask(known: KnownNode, query: number): Promise<void> {
    const nodeId = known.identity.id
    let answer: Answer
    try {
      answer = { query, ...this.#judge(nodeId, await askState(this.#world, known)) }
    } catch (caught) {
      answer = { query, says: 'silent', reason: toEngineError(caught).message }
    }
    this.#answers.set(nodeId, answer)
    this.#note('answered', nodeId, answer.reason)
    this.#job.bell.ring()
  }

  #judge(nodeId: string, { commands }: NodeAnswer): Pick<Answer, 'says' | 'reason'> {
    const numbers = new Set(this.#job.commands.map(({ number }) => number))
    // Not what no client asked for: the hook that a node was restarted by is never over there.
    const own = commands.filter(
      ({ jobId, number, state }) =>
        jobId === this.#job.id && numbers.has(number) && (state === 'new' || state === 'in-progress'),
    )
    const [first] = own
    if (first === undefined) return { says: 'idle', reason: 'it has nothing under way of what it was told' }
    const bytes = Math.max(...own.map(({ bytesHave }) => bytesHave))
    const hasMoved = this.#bytes.get(nodeId) !== bytes || this.#job.part(nodeId)?.state === 'received'
    this.#bytes.set(nodeId, bytes)
    const isFetching = bytes > 0 || this.#job.part(nodeId)?.state === 'receiving'
    if (isFetching && !hasMoved) return { says: 'idle', reason: 'it has received nothing since it was asked last' }
    return { says: 'under-way', reason: `command ${first.number} is ${first.state} there` }
  }

  async #facts(): Promise<readonly NodeFacts[]> {
    const { receipts } = this.#world.store
    const { id, commands } = this.#job
    const effects = commands.filter(({ request, state }) => isEffect(request) && state === 'completed')
    const partsOn = await Promise.all(
      effects.map(async ({ number }) => partsIn(await receipts.list(id, { number }), number)),
    )
    const owes = (nodeId: string): boolean => partsOn.some((partOn) => partOn(nodeId).state !== 'completed')
    return this.#job.remaining.map((part) => this.#factsOf(part, owes(part.nodeId)))
  }

  #factsOf(part: NodePart, owes: boolean): NodeFacts {
    const [world, job, { nodeId }] = [this.#world, this.#job, part]
    const isRestarting = this.#mending.get(nodeId) === 'restart'
    const isDone = !owes && !isRestarting && (job.record.release === null || part.state === 'live')
    const known = world.roster.get(nodeId)
    const presence = known?.presence ?? { online: false, lastHeardMs: null }
    const away = this.#goneWhy(nodeId)
    const failure = part.state === 'failed' && known !== undefined ? known.task(job.record.site).failure : null
    const trouble = failure === null ? null : { reason: failure.message, atMs: failure.atMs }
    const able = known === undefined ? [] : rungsFor(world, job, known, failure)
    const isMending = this.#mending.has(nodeId)
    const answer = this.#answerOf(nodeId)
    return { nodeId, isDone, isOnline: presence.online, away, trouble, answer, isMending, rungs: able }
  }

  /** Why nobody waits for a node any longer; null: it is waited for. */
  #goneWhy(nodeId: string): string | null {
    const [world, job] = [this.#world, this.#job]
    if (job.isHurried) return 'the job was told to wait no longer'
    const deadlineMs = deadlineOf(job)
    const isLate = deadlineMs !== null && world.clock.nowMs() >= deadlineMs
    if (isLate) return 'the time of the job was over before it had done all of it'
    // Who restarts because it was told to has its own time to come back.
    return this.#mending.get(nodeId) === 'restart' ? null : absenceOf(world, nodeId)
  }

  /** A whole copy that is being packed for it here is as good as one under way there. */
  #answerOf(nodeId: string): Answer | null {
    const answer = this.#answers.get(nodeId) ?? null
    const known = this.#world.roster.get(nodeId)
    if (answer?.says !== 'idle' || known === undefined) return answer
    const { site } = this.#job.record
    const next = nextFor(this.#world, known, site)
    const isPacked = next?.action.do === 'replicate' && this.#world.wholes.isPacking(site, next.goal.release)
    return isPacked ? { ...answer, says: 'under-way', reason: 'a whole copy is being packed for it' } : answer
  }
}

type Failure = KnownNode['task'] extends (site: string) => { failure: infer F } ? F : never

const refusedByHook: ReadonlySet<string> = new Set(['ENGINE_ERR_HOOK_FAILED', 'ENGINE_ERR_HOOK_TIMEOUT'])

/**
 * What may help a node: what failed for good is not sent again. A hook that refuses may have found bytes that went bad,
 * which the node finds too when it reads them; no copy mends anything else of it. Pure.
 */
function rungsFor(world: World, job: LiveJob, known: KnownNode, failure: Failure): readonly Rung[] {
  const { site } = job.record
  const { release } = job
  const isHook = failure !== null && refusedByHook.has(failure.error.code)
  const able: Rung[] = failure === null || failure.retryable ? ['resend'] : []
  const isHeld = release !== null && holds(known.holdings(site), release)
  if (isHeld) able.push('self-check')
  else if (release !== null && !isHook) able.push('resync')
  if (canRestart(known, site)) able.push('restart')
  return able.filter(() => world.roster.get(known.identity.id)?.link !== null)
}
