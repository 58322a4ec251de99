// Goal: what those around a node say of it counts once they have said it for a time, and until they take it back.
// Method: words of one moment after the other.
import t from 'tap'
import type { Flow } from '../../../src/model/flow.js'
import { Signs } from '../../../src/plan/signs.js'

const EVEN_BPS = 100_000_000
const to = (nodeId: string, rateBps: number, busyRatio: number): Flow => ({ to: nodeId, rateBps, busyRatio })
const dry = [to('below', 1_000_000, 0.2)]
const heldUp = [to('n', 1_000_000, 1)]
const well = [to('n', 90_000_000, 1)]

function told(...words: readonly [atMs: number, from: string, flows: readonly Flow[]][]): Signs {
  const signs = new Signs()
  for (const [atMs, from, flows] of words) signs.hear(atMs, from, flows, EVEN_BPS)
  return signs
}

t.test('all whom it serves say twice that they have nothing', async (t) => {
  const one = told([0, 'a', dry], [60, 'a', dry])
  t.ok(one.speakAgainst(80, 'n', ['a'], 45))
  t.notOk(one.speakAgainst(80, 'n', ['a', 'b'], 45), 'another has not said so')
  t.notOk(one.speakAgainst(80, 'n', ['a'], 61), 'not for so long')
  t.notOk(one.speakAgainst(311, 'n', ['a'], 45), 'that was long ago')
  t.notOk(told([0, 'a', dry]).speakAgainst(80, 'n', ['a'], 45), 'once is no time')
  t.notOk(told().speakAgainst(80, 'n', [], 45), 'nobody says anything')
})

t.test('who serves it says twice that it takes little', async (t) => {
  t.ok(told([0, 'a', heldUp], [60, 'a', heldUp]).speakAgainst(80, 'n', ['b'], 45))
  t.notOk(told([0, 'a', well], [60, 'a', well]).speakAgainst(80, 'n', ['b'], 45))
})

t.test('what is taken back, or was said long before, does not count', async (t) => {
  t.notOk(told([0, 'a', dry], [60, 'a', dry], [70, 'a', well]).speakAgainst(80, 'n', ['a'], 45))
  t.notOk(told([0, 'a', heldUp], [60, 'a', heldUp], [70, 'a', well]).speakAgainst(80, 'n', [], 45))
  t.notOk(told([0, 'a', dry], [1000, 'a', dry]).speakAgainst(1010, 'n', ['a'], 45))
  t.ok(told([0, 'a', dry], [60, 'a', dry], [70, 'a', []]).speakAgainst(80, 'n', ['a'], 45), 'who serves nobody')
})
