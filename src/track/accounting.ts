// In: what is known of each node of a job that ends, and the time. Out: what to do for each, and when the job closes.
// Never: I/O, a clock, an order to a node; a job that closes while a node is not accounted for.
import type { RepairPolicy, Rung } from '../model/account.js'

export interface AccountPolicy extends RepairPolicy {
  /** Between two looks at a node that has not done what was asked. */
  readonly periodMs: number
  /** A query that is not answered for so long counts as not answered. */
  readonly answerMs: number
}

/** What came of the newest query to a node. */
export interface Answer {
  /** Which query of this account it answers. */
  readonly query: number
  /** `idle`: it has not what it was told; `silent`: it did not answer. */
  readonly says: 'under-way' | 'idle' | 'silent'
  readonly reason: string
}

/** What is known of one node at one moment. Times are of a clock that never goes back. */
export interface NodeFacts {
  readonly nodeId: string
  /** It has done all that the job asks of it. */
  readonly isDone: boolean
  readonly isOnline: boolean
  /** Why nobody should wait for it any longer; null: it is there, or may be on its way back. */
  readonly away: string | null
  /** What it failed with last, and when. */
  readonly trouble: { readonly reason: string; readonly atMs: number } | null
  readonly answer: Answer | null
  /** A repair of it is at work and has not said what came of it: nothing else is tried meanwhile. */
  readonly isMending: boolean
  /** Repairs that could help it now. */
  readonly rungs: readonly Rung[]
}

/** How the account with one node stands. */
export interface NodeAccount {
  readonly phase: 'waiting' | 'asked' | 'mending' | 'done' | 'left'
  /** When it is looked at next although nothing was heard. */
  readonly dueMs: number
  /** Queries so far: the number of the newest. */
  readonly queries: number
  readonly tried: readonly Rung[]
  /** Trouble up to then was seen to. */
  readonly mendedAtMs: number
}

export type Account = ReadonlyMap<string, NodeAccount>

export type NodeAction =
  | { readonly do: 'query'; readonly nodeId: string; readonly query: number; readonly reason: string }
  | { readonly do: 'extend'; readonly nodeId: string; readonly reason: string }
  | { readonly do: 'repair'; readonly nodeId: string; readonly rung: Rung; readonly reason: string }
  | { readonly do: 'leave'; readonly nodeId: string; readonly reason: string }
  | { readonly do: 'done'; readonly nodeId: string }

export interface Step {
  readonly account: Account
  readonly actions: readonly NodeAction[]
  /** Every node is accounted for: nothing more will happen. */
  readonly isClosed: boolean
}

const fresh = { phase: 'waiting', queries: 0, tried: [], mendedAtMs: Number.NEGATIVE_INFINITY } as const

/** Repairs that were tried of each node. */
export type Tried = ReadonlyMap<string, readonly Rung[]>

/**
 * The account before anything was heard.
 * @param dueMs  when who is not done is asked.
 * @param tried  what an earlier life of the coordinator has tried: it is not tried again. Pure.
 */
export function openAccount(nodeIds: readonly string[], dueMs: number, tried: Tried = new Map()): Account {
  return new Map(nodeIds.map((nodeId) => [nodeId, { ...fresh, tried: tried.get(nodeId) ?? [], dueMs }]))
}

/** The account after a look at its nodes: who is new among them is waited for, who is gone from them is not. Pure. */
export function stepAccount(account: Account, facts: readonly NodeFacts[], policy: AccountPolicy, nowMs: number): Step {
  const next = new Map<string, NodeAccount>()
  const actions: NodeAction[] = []
  for (const known of facts) {
    const { nodeId } = known
    const before = account.get(nodeId) ?? { ...fresh, dueMs: nowMs + policy.periodMs }
    const step = stepNode(before, known, policy, nowMs)
    next.set(nodeId, step.after)
    if (step.action !== null) actions.push(step.action)
  }
  return { account: next, actions, isClosed: [...next.values()].every(isOver) }
}

interface NodeStep {
  readonly after: NodeAccount
  readonly action: NodeAction | null
}

const isOver = ({ phase }: NodeAccount): boolean => phase === 'done' || phase === 'left'

function stepNode(before: NodeAccount, facts: NodeFacts, policy: AccountPolicy, nowMs: number): NodeStep {
  const { nodeId } = facts
  const stays: NodeStep = { after: before, action: null }
  if (before.phase === 'done') return stays
  if (facts.isDone) return { after: { ...before, phase: 'done' }, action: { do: 'done', nodeId } }
  if (before.phase === 'left') return stays
  if (facts.away !== null) return left(before, nodeId, facts.away)
  // Its time to show what came of it begins when the repair is over.
  if (facts.isMending) return { after: { ...before, dueMs: nowMs + policy.periodMs }, action: null }
  // It is on its way back, or will count as away: nothing helps it meanwhile.
  if (!facts.isOnline) return stays
  const { trouble } = facts
  if (trouble !== null && trouble.atMs > before.mendedAtMs) return mend(before, facts, policy, nowMs, trouble.reason)
  if (before.phase === 'asked') return heard(before, facts, policy, nowMs)
  if (nowMs < before.dueMs) return stays
  const queries = before.queries + 1
  const reason = 'it has not reported in time'
  const after: NodeAccount = { ...before, phase: 'asked', queries, dueMs: nowMs + policy.answerMs }
  return { after, action: { do: 'query', nodeId, query: queries, reason } }
}

function heard(before: NodeAccount, facts: NodeFacts, policy: AccountPolicy, nowMs: number): NodeStep {
  const { answer, nodeId } = facts
  if (answer === null || answer.query !== before.queries) {
    if (nowMs < before.dueMs) return { after: before, action: null }
    return mend(before, facts, policy, nowMs, 'its answer did not come')
  }
  if (answer.says !== 'under-way') return mend(before, facts, policy, nowMs, answer.reason)
  const after: NodeAccount = { ...before, phase: 'waiting', dueMs: nowMs + policy.periodMs }
  return { after, action: { do: 'extend', nodeId, reason: answer.reason } }
}

/** The next rung that was not tried and can help; when there is none the node is left. */
function mend(before: NodeAccount, facts: NodeFacts, policy: AccountPolicy, nowMs: number, reason: string): NodeStep {
  const { nodeId } = facts
  const { tried } = before
  const rung = policy.rungs.find((each) => facts.rungs.includes(each) && !tried.includes(each))
  if (rung === undefined || tried.length >= policy.attemptsMax) {
    const count = tried.length === 0 ? '' : `, after ${tried.join(', ')}`
    return left(before, nodeId, `${reason}${count}`)
  }
  const due = { phase: 'mending', dueMs: nowMs + policy.periodMs, mendedAtMs: nowMs } as const
  return { after: { ...before, ...due, tried: [...tried, rung] }, action: { do: 'repair', nodeId, rung, reason } }
}

const left = (before: NodeAccount, nodeId: string, reason: string): NodeStep => ({
  after: { ...before, phase: 'left' },
  action: { do: 'leave', nodeId, reason },
})
