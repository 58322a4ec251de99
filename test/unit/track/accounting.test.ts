// Goal: a job that ends always closes, never while a node is unaccounted for, and says why of each that is left.
// Method: nodes that do anything at any time; a clock of our own.
import fc from 'fast-check'
import t from 'tap'
import { type Rung, rungs } from '../../../src/model/account.js'
import {
  type Account,
  type AccountPolicy,
  type Answer,
  type NodeAction,
  type NodeFacts,
  openAccount,
  stepAccount,
} from '../../../src/track/accounting.js'

const policy: AccountPolicy = { periodMs: 10, answerMs: 6, rungs, attemptsMax: 4 }
const nothing = { isDone: false, isOnline: true, away: null, trouble: null, answer: null, isMending: false, rungs }

/** One node, step by step. */
function node(of: Partial<AccountPolicy> = {}) {
  let account = openAccount(['n'], 10)
  return (nowMs: number, facts: Partial<NodeFacts> = {}): readonly NodeAction[] => {
    const step = stepAccount(account, [{ nodeId: 'n', ...nothing, ...facts }], { ...policy, ...of }, nowMs)
    account = step.account
    return step.isClosed ? [...step.actions, { do: 'done', nodeId: 'closed' }] : step.actions
  }
}
const closed = { do: 'done', nodeId: 'closed' }
const underWay = (query: number): { answer: Answer } => ({
  answer: { query, says: 'under-way', reason: 'a hook runs' },
})
const silent = (query: number): { answer: Answer } => ({ answer: { query, says: 'silent', reason: 'no answer' } })

t.test('who is at work is waited for another period, as often as needed', async (t) => {
  const look = node()
  t.same(look(9), [])
  for (let query = 1; query < 50; query++) {
    t.match(look(query * 10), [{ do: 'query', query }])
    t.match(look(query * 10, underWay(query)), [{ do: 'extend', reason: 'a hook runs' }])
  }
  t.match(look(499, { isDone: true }), [{ do: 'done' }, closed])
})

t.test('who does not answer is mended rung by rung, asked again after each, and left with the reason', async (t) => {
  const look = node({ attemptsMax: 2 })
  t.match(look(10), [{ do: 'query', query: 1 }])
  t.match(look(13, silent(1)), [{ do: 'repair', rung: 'resend', reason: 'no answer' }])
  t.same(look(22, silent(1)), [], 'the old answer counts no more')
  t.match(look(23, silent(1)), [{ do: 'query', query: 2 }])
  t.match(look(26, silent(2)), [{ do: 'repair', rung: 'self-check' }])
  t.match(look(36), [{ do: 'query', query: 3 }])
  t.match(look(39, silent(3)), [{ do: 'leave', reason: 'no answer, after resend, self-check' }, closed])
})

t.test('an error is seen to at once, each once; only what can help is tried', async (t) => {
  const look = node()
  const trouble = (atMs: number) => ({ trouble: { reason: 'disk full', atMs }, rungs: ['resync'] as const })
  t.match(look(1, trouble(0)), [{ do: 'repair', rung: 'resync', reason: 'disk full' }])
  t.same(look(2, trouble(0)), [])
  t.match(look(3, trouble(3)), [{ do: 'leave', reason: 'disk full, after resync' }, closed])
})

t.test('while a repair is at work nothing else is tried, and its time to show begins when that is over', async (t) => {
  const look = node()
  const trouble = (atMs: number) => ({ trouble: { reason: 'disk full', atMs } })
  t.match(look(1, trouble(0)), [{ do: 'repair', rung: 'resend' }])
  for (let nowMs = 2; nowMs < 60; nowMs++) t.same(look(nowMs, { ...trouble(nowMs), isMending: true }), [])
  t.same(look(68, trouble(0)), [], 'nine of the ten of its period')
  t.match(look(69, trouble(0)), [{ do: 'query' }])
  t.match(look(70, trouble(70)), [{ do: 'repair', rung: 'self-check' }])
  t.match(look(71, { isMending: true, away: 'gone' }), [{ do: 'leave', reason: 'gone' }, closed])
  const well = node()
  well(1, trouble(0))
  t.match(well(2, { isMending: true, isDone: true }), [{ do: 'done' }, closed])
})

t.test('what an earlier life has tried is not tried again, and counts', async (t) => {
  const tried = new Map([['n', ['resend', 'restart'] as const]])
  const facts = { nodeId: 'n', ...nothing, trouble: { reason: 'disk full', atMs: 0 } }
  const step = stepAccount(openAccount(['n'], 10, tried), [facts], policy, 1)
  t.match(step.actions, [{ do: 'repair', rung: 'self-check' }])
  const few = stepAccount(openAccount(['n'], 10, tried), [facts], { ...policy, attemptsMax: 2 }, 1)
  t.match(few.actions, [{ do: 'leave', reason: 'disk full, after resend, restart' }])
})

t.test('who is away is left at once, who may be on its way back is not asked', async (t) => {
  const look = node()
  t.same(look(100, { isOnline: false }), [])
  t.match(look(101, { isOnline: false, away: 'gone for 11 s' }), [{ do: 'leave', reason: 'gone for 11 s' }, closed])
})

t.test(
  'who failed and has lost its connection may be on its way back: nothing is tried, and it is not left',
  async (t) => {
    const look = node()
    const failed = { trouble: { reason: 'disk full', atMs: 1 }, rungs: [] }
    t.same(look(2, { ...failed, isOnline: false }), [])
    t.match(look(3, { ...failed, rungs }), [{ do: 'repair', rung: 'resend', reason: 'disk full' }])
  },
)

t.test('who joins meanwhile is asked after a period of its own, who departs is accounted for no longer', async (t) => {
  const of = (...ids: readonly string[]) => ids.map((nodeId) => ({ nodeId, ...nothing, isDone: nodeId === 'a' }))
  const first = stepAccount(openAccount(['a', 'b'], 10), of('a', 'b'), policy, 5)
  const joined = stepAccount(first.account, of('a', 'b', 'c'), policy, 12)
  t.match(joined.actions, [{ do: 'query', nodeId: 'b' }])
  t.match(stepAccount(joined.account, of('a', 'c'), policy, 22), { isClosed: false, actions: [{ nodeId: 'c' }] })
  const alone = stepAccount(joined.account, of('a'), policy, 22)
  t.same([alone.isClosed, alone.actions, [...alone.account.keys()]], [true, [], ['a']])
})

t.test('without a node a job closes at once', async (t) => {
  t.equal(stepAccount(openAccount([], 0), [], policy, 0).isClosed, true)
})

const fact = fc.record({
  isDone: fc.boolean(),
  isOnline: fc.boolean(),
  away: fc.option(fc.constant('away'), { nil: null }),
  fails: fc.boolean(),
  isMending: fc.boolean(),
  says: fc.constantFrom('under-way' as const, 'idle' as const, 'silent' as const),
  rungs: fc.subarray<Rung>([...rungs]),
})
const fuzzedPolicy = fc.record({
  periodMs: fc.integer({ min: 1, max: 50 }),
  answerMs: fc.integer({ min: 1, max: 50 }),
  rungs: fc.shuffledSubarray<Rung>([...rungs]),
  attemptsMax: fc.integer({ min: 0, max: 6 }),
})

/** Runs a job's end: for a while nodes do as `script` says, then they are at work no more. */
function run(nodeCount: number, script: readonly (readonly Omit<NodeFacts, 'nodeId'>[])[], of: AccountPolicy) {
  const ids = Array.from({ length: nodeCount }, (_, i) => `n${i}`)
  let account: Account = openAccount(ids, of.periodMs)
  const all: NodeAction[] = []
  for (let i = 0; i < script.length + 40; i++) {
    const facts = ids.map((nodeId, n) => {
      const query = account.get(nodeId)?.queries ?? 0
      const now = script[i]?.[n] ?? { ...nothing, answer: { query, says: 'idle' as const, reason: 'idle' } }
      return { nodeId, ...now, answer: now.answer === null ? null : { ...now.answer, query } }
    })
    const step = stepAccount(account, facts, of, i * of.periodMs)
    account = step.account
    all.push(...step.actions)
    if (step.isClosed) return { all, account, isClosed: true }
  }
  return { all, account, isClosed: false }
}

t.test(
  'whatever nodes do, the job closes with each accounted for, few repairs, a reason for each that is left',
  async () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.array(fact, { minLength: 4, maxLength: 4 })),
        fuzzedPolicy,
        (count, looks, of) => {
          const script = looks.map((nodes, i) =>
            nodes.map(({ says, fails, ...rest }) => ({
              ...rest,
              trouble: fails ? { reason: 'it failed', atMs: i * of.periodMs } : null,
              answer: { query: 0, says, reason: says },
            })),
          )
          const { all, account, isClosed } = run(count, script, of)
          const again = run(count, script, of)
          const isSame = JSON.stringify(all) === JSON.stringify(again.all)
          const areFew = [...account.keys()].every((id) => {
            const tried = all.filter((each) => each.do === 'repair' && each.nodeId === id)
            return tried.length <= of.attemptsMax
          })
          const areReasoned = [...account].every(([id, { phase }]) => {
            const left = all.filter((each) => each.do === 'leave' && each.nodeId === id)
            if (phase === 'done') return true
            return phase === 'left' && left.length === 1 && left[0]?.do === 'leave' && left[0].reason !== ''
          })
          return isClosed && isSame && areFew && areReasoned
        },
      ),
    )
  },
)
