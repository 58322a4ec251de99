// A list of servers is shared out: each is approached exactly once, whoever is gone and however lists are split on.
import fc from 'fast-check'
import t from 'tap'
import { seededRandom } from '../../../../src/base/random.js'
import { type Approach, Carrying } from '../../../../src/node/words/carrying.js'
import { Seeking } from '../../../../src/node/words/seeking.js'

const word = { site: 'www', revision: 5 }

/** Carries a list through a fleet until nothing is on its way; gives how often each server was approached. */
function spread(count: number, start: number, gone: ReadonlySet<number>): Map<number, number> {
  const nodes = Array.from({ length: count }, () => new Carrying())
  const approached = new Map<number, number>()
  const underWay: { from: number; approach: Approach }[] = []
  const begin = (node: number, indexes: readonly number[]): void => {
    for (const approach of nodes[node]?.take(word, indexes, node) ?? []) underWay.push({ from: node, approach })
  }
  begin(
    start,
    Array.from({ length: count }, (_, index) => index),
  )
  for (let next = underWay.shift(); next !== undefined; next = underWay.shift()) {
    const { from, approach } = next
    approached.set(approach.to, (approached.get(approach.to) ?? 0) + 1)
    if (!gone.has(approach.to)) begin(approach.to, approach.rest)
    else {
      const again = nodes[from]?.failed(approach) ?? null
      if (again !== null) underWay.push({ from, approach: again })
    }
  }
  return approached
}

t.test('each server of a list is approached exactly once, whatever subset is gone', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 80 }), fc.nat(79), fc.uniqueArray(fc.nat(79)), (count, start, gone) => {
      const first = start % count
      const approached = spread(count, first, new Set(gone.filter((index) => index !== first)))
      for (let index = 0; index < count; index++) {
        if ((approached.get(index) ?? 0) !== (index === first ? 0 : 1)) return false
      }
      return true
    }),
  )
})

t.test('the first of each half gets the rest of its half', async (t) => {
  t.same(new Carrying().take(word, [1, 2, 3, 4, 5], 0), [
    { to: 1, rest: [2, 3] },
    { to: 4, rest: [5] },
  ])
  t.same(new Carrying().take(word, [7], 0), [{ to: 7, rest: [] }])
})

t.test('who was seen to is not approached again with the same word, nor by an older one', async (t) => {
  const carrying = new Carrying()
  t.same(carrying.take(word, [1, 2], 0), [
    { to: 1, rest: [] },
    { to: 2, rest: [] },
  ])
  t.same(carrying.take(word, [2, 1, 3, 3], 0), [{ to: 3, rest: [] }])
  t.same(carrying.take({ site: 'www', revision: 4 }, [4], 0), [], 'it is older')
  t.same(carrying.take({ site: 'www', revision: 6 }, [1], 0), [{ to: 1, rest: [] }])
  t.same(carrying.take({ site: 'other', revision: 1 }, [1], 0), [{ to: 1, rest: [] }])
})

// 200 nodes without a coordinator in virtual time; one of them has a word, a third of the calls is lost, and half of
// the nodes stand still for a minute.
t.test('two hundred nodes without a coordinator all learn what one of them knows', async (t) => {
  for (const seed of [1, 2, 3]) {
    const random = seededRandom(seed)
    const count = 200
    const all = Array.from({ length: count }, (_, index) => index)
    const seekers = all.map(() => new Seeking(random, 0))
    const carriers = all.map(() => new Carrying())
    const knows = new Set([0])
    const isUp = (node: number, nowMs: number): boolean => node % 2 === 0 || nowMs >= 60_000
    const isLost = (): boolean => random.next() < 1 / 3
    let calls = 0
    const push = (from: number, indexes: readonly number[], nowMs: number): void => {
      const open = [...(carriers[from]?.take(word, indexes, from) ?? [])]
      for (let approach = open.shift(); approach !== undefined; approach = open.shift()) {
        calls += 1
        if (isUp(approach.to, nowMs) && !isLost()) {
          knows.add(approach.to)
          push(approach.to, approach.rest, nowMs)
        } else {
          const next = carriers[from]?.failed(approach) ?? null
          if (next !== null) open.push(next)
        }
      }
    }
    push(0, all, 0)
    const pushed = knows.size
    t.ok(pushed > 30, `seed ${seed}: most who are there have it by the first way: ${pushed}`)
    t.ok(calls < count, `seed ${seed}: nobody is called twice: ${calls}`)
    const ask = (node: number, nowMs: number): void => {
      const others = all.filter((each) => each !== node)
      const peer = seekers[node]?.next(others, nowMs) ?? null
      if (peer === null) return
      const isNews = isUp(peer, nowMs) && !isLost() && knows.has(peer) && !knows.has(node)
      if (isNews) knows.add(node)
      seekers[node]?.answered(isNews, nowMs)
    }
    let nowMs = 0
    for (; knows.size < count && nowMs < 600_000; nowMs += 100) {
      for (const node of all) if (isUp(node, nowMs)) ask(node, nowMs)
    }
    t.equal(knows.size, count, `seed ${seed}: all know it`)
    t.ok(nowMs <= 180_000, `seed ${seed}: soon after the last came back: ${nowMs} ms`)
  }
})
