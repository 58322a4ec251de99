// Goal: what those around a node say of it counts once they have said it for a time, and until they take it back.
// Method: words of one moment after the other.
import t from 'tap'
import type { Flow } from '../../../src/model/flow.js'
import { Signs } from '../../../src/plan/signs.js'

const EVEN_BPS = 100_000_000
const to = (nodeId: string, rateBps: number, busyRatio: number): Flow => ({ to: nodeId, rateBps, busyRatio })
const dry = [to('below', 1_000_000, 0.2)]
const heldUp = [to('n', 1_000_000, 1)]
const well = [to('n', 90_000_000, 0.5)]

function told(...words: readonly [atMs: number, from: string, flows: readonly Flow[]][]): Signs {
  const signs = new Signs()
  for (const [atMs, from, flows] of words) signs.hear(atMs, from, flows, EVEN_BPS)
  return signs
}

t.test('they are dry when all say twice that they have nothing', async (t) => {
  const one = told([0, 'a', dry], [60, 'a', dry])
  t.ok(one.areDry(80, ['a'], 45))
  t.notOk(one.areDry(80, ['a', 'b'], 45), 'another has not said so')
  t.notOk(one.areDry(80, ['a'], 61), 'not for so long')
  t.notOk(one.areDry(436, ['a'], 45), 'that was long ago')
  t.notOk(told([0, 'a', dry]).areDry(80, ['a'], 45), 'once is no time')
  t.notOk(told().areDry(80, [], 45), 'nobody says anything')
})

t.test('they are held up by a node when all who serve it say so twice', async (t) => {
  const one = told([0, 'a', heldUp], [60, 'a', heldUp])
  t.ok(one.areHeldUp(80, ['a'], 'n', 45))
  t.notOk(one.areHeldUp(80, ['a'], 'm', 45), 'by another')
  t.notOk(one.areHeldUp(80, ['a', 'b'], 'n', 45), 'another has not said so')
  t.notOk(one.areHeldUp(80, [], 'n', 45), 'nobody serves it')
  t.notOk(told([0, 'a', well], [60, 'a', well]).areHeldUp(80, ['a'], 'n', 45))
})

t.test('what is taken back, or was said long before, does not count', async (t) => {
  t.notOk(told([0, 'a', dry], [60, 'a', dry], [70, 'a', well]).areDry(80, ['a'], 45))
  t.notOk(told([0, 'a', heldUp], [60, 'a', heldUp], [70, 'a', well]).areHeldUp(80, ['a'], 'n', 45))
  t.notOk(told([0, 'a', dry], [1000, 'a', dry]).areDry(1010, ['a'], 45))
  t.ok(told([0, 'a', dry], [60, 'a', dry], [70, 'a', []]).areDry(80, ['a'], 45), 'who serves nobody')
  const signs = told([0, 'a', dry], [60, 'a', dry])
  signs.clear()
  t.notOk(signs.areDry(80, ['a'], 45))
})
