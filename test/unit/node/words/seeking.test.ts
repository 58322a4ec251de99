// A node asks others when its coordinator has been away for a while, not at once, and ever more seldom.
import t from 'tap'
import { seededRandom } from '../../../../src/base/random.js'
import { ALONE_MS, SEEK_MS_MAX } from '../../../../src/base/word-limits.js'
import { Seeking } from '../../../../src/node/words/seeking.js'

const peers = ['a', 'b', 'c']

/** When it asks within a time, each question answered at once with nothing new. */
function asked(seeking: Seeking, fromMs: number, toMs: number): number[] {
  const times: number[] = []
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 50) {
    if (seeking.next(peers, nowMs) === null) continue
    times.push(nowMs)
    seeking.answered(false, nowMs)
  }
  return times
}

t.test('nobody is asked while the coordinator is there, or has only just gone', async (t) => {
  const seeking = new Seeking(seededRandom(1), 0)
  t.same(asked(seeking, 0, ALONE_MS), [], 'a start is no loss')
  seeking.found()
  t.same(asked(seeking, 0, 10 * SEEK_MS_MAX), [])
  seeking.lost(1_000_000)
  t.same(asked(seeking, 1_000_000, 1_000_000 + ALONE_MS - 50), [])
  t.equal(seeking.isAlone(1_000_000), false)
  t.ok(seeking.isAlone(1_000_000 + ALONE_MS))
})

t.test('the waits grow to their limit, and news make them short again', async (t) => {
  const seeking = new Seeking(seededRandom(2), 0)
  const times = asked(seeking, 0, 40 * SEEK_MS_MAX)
  const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0))
  t.ok(gaps.every((gap) => gap <= 1.5 * SEEK_MS_MAX + 50))
  t.ok(Math.max(...gaps.slice(0, 2)) < Math.min(...gaps.slice(5)) * 2, 'they grow')
  t.ok(times.length >= 26, 'and it never gives up')
  const nowMs = 50 * SEEK_MS_MAX
  t.not(seeking.next(peers, nowMs), null)
  t.equal(seeking.next(peers, nowMs), null, 'one question at a time')
  seeking.answered(true, nowMs)
  const [first = 0, second = 0] = asked(seeking, nowMs, nowMs + 4 * SEEK_MS_MAX)
  t.ok(second - first < SEEK_MS_MAX / 2)
})

t.test('a node that knows nobody asks nobody', async (t) => {
  const seeking = new Seeking(seededRandom(3), 0)
  t.equal(seeking.next([], 100_000), null)
  t.ok(peers.includes(String(seeking.next(peers, 100_000))), 'and asks once it does')
})
