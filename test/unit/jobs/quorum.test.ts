// Goal: a switch happens when enough are ready and nobody is at work. Method: small groups, every verdict.
import t from 'tap'
import { judgeQuorum, quorumError } from '../../../src/jobs/quorum.js'

t.test('a node at work is waited for even when enough are ready', async (t) => {
  t.equal(judgeQuorum(['staged', 'staged', 'receiving'], 0.5).verdict, 'waiting')
  t.equal(judgeQuorum(['staged', 'new'], 0.5).verdict, 'waiting')
})

t.test('half of the group is enough once the others are out', async (t) => {
  t.same(judgeQuorum(['staged', 'live', 'behind', 'failed'], 0.5), {
    verdict: 'reached',
    ready: 2,
    needed: 2,
    total: 4,
  })
  t.equal(judgeQuorum(['staged', 'behind', 'failed'], 0.5).verdict, 'missed')
})

t.test('a quorum that cannot be reached any more is missed at once', async (t) => {
  t.equal(judgeQuorum(['failed', 'failed', 'receiving'], 1).verdict, 'missed')
})

t.test('all means all, and rounding does not ask for one more', async (t) => {
  t.equal(judgeQuorum(['staged', 'staged', 'staged'], 1).verdict, 'reached')
  t.equal(
    judgeQuorum(
      Array.from({ length: 10 }, (_, at) => (at < 7 ? 'staged' : 'behind')),
      0.7,
    ).verdict,
    'reached',
  )
})

t.test('who has departed is neither of the group nor missing from it', async (t) => {
  const count = judgeQuorum(['staged', 'departed', 'departed'], 1)
  t.same(count, { verdict: 'reached', ready: 1, needed: 1, total: 1 })
  t.equal(judgeQuorum(['staged', 'behind', 'departed'], 1).verdict, 'missed')
  t.equal(judgeQuorum(['departed'], 0).verdict, 'missed')
})

t.test('nobody ready is never enough', async (t) => {
  t.equal(judgeQuorum([], 0).verdict, 'missed')
  t.equal(judgeQuorum(['behind'], 0).verdict, 'missed')
})

t.test('a missed quorum says how many are ready and needed', async (t) => {
  const missed = quorumError(judgeQuorum(['staged', 'behind', 'failed'], 0.5))
  t.match(missed, { code: 'ENGINE_ERR_QUORUM', exitCode: 7, message: /1 of 3 nodes are ready, 2 are needed/ })
})
