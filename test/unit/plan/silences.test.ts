// Goal: who is gone is found within a second, and nobody is taken for gone because the one who looks was held up.
// Method: looks one after the other, with when each node was heard before it.
import t from 'tap'
import { type Heard, type Silence, Silences } from '../../../src/plan/silences.js'

const LOOK_MS = 250
const names = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `n${at}`)

/** A look at nodes who serve others; those that are silent were heard long ago. */
function lookAt(silences: Silences, nowMs: number, count: number, silent: readonly string[] = []): Silence {
  const heard = names(count).map((nodeId) => [
    nodeId,
    { heardMs: silent.includes(nodeId) ? -1 : nowMs - 1, serves: true, quietMs: 0 },
  ])
  return silences.look(nowMs, new Map(heard as [string, Heard][]))
}

const lostIn = (silences: Silences, looks: number, count: number, silent: readonly string[], startMs = LOOK_MS) =>
  Array.from({ length: looks }, (_, look) => lookAt(silences, startMs + look * LOOK_MS, count, silent).lost)

t.test('who serves others and is not heard at three looks is gone, and is quiet before', async (t) => {
  const silences = new Silences()
  lookAt(silences, 0, 8)
  t.same(lostIn(silences, 5, 8, ['n3']), [[], [], ['n3'], [], []].slice(0, 5))
  const quiet = new Silences()
  lookAt(quiet, 0, 8)
  t.same([...lookAt(quiet, 250, 8, ['n3']).quiet], ['n3'])
  t.same([...lookAt(quiet, 500, 8).quiet], [])
})

t.test('when the one who looks was held up for seconds nobody is gone', async (t) => {
  const silences = new Silences()
  for (const nowMs of [0, 250, 3000, 6000]) {
    t.same(lookAt(silences, nowMs, 8, nowMs === 3000 ? names(8) : []).lost, [])
  }
})

t.test('when many are not heard it is not they', async (t) => {
  for (const [count, silent, gone] of [
    [8, 2, 2],
    [8, 3, 0],
    [64, 8, 8],
    [64, 9, 0],
  ] as const) {
    const silences = new Silences()
    lookAt(silences, 0, count)
    t.equal(lostIn(silences, 6, count, names(silent)).flat().length, gone, `${silent} of ${count}`)
  }
})

t.test('who is heard again is back after two seconds, the next time after four', async (t) => {
  const silences = new Silences()
  lookAt(silences, 0, 8)
  t.same(lostIn(silences, 3, 8, ['n3']).flat(), ['n3'])
  const backAt = (startMs: number): number => {
    for (let nowMs = startMs; nowMs < startMs + 60_000; nowMs += LOOK_MS) {
      if (lookAt(silences, nowMs, 8).back.includes('n3')) return nowMs
    }
    return Number.NaN
  }
  t.equal(backAt(1000), 750 + 2000)
  t.same(lostIn(silences, 3, 8, ['n3'], 10_000).flat(), ['n3'])
  t.equal(backAt(11_000), 10_500 + 4000)
})

t.test('who serves nobody is not listened to, and who was gone is until it is heard', async (t) => {
  const silences = new Silences()
  const look = (nowMs: number, heardMs: number, serves: boolean) =>
    silences.look(nowMs, new Map([['n0', { heardMs, serves, quietMs: 0 }]]))
  for (const nowMs of [0, 250, 500, 750, 1000]) t.same(look(nowMs, 0, false).lost, [])
  for (const nowMs of [1250, 1500, 1750]) t.same(look(nowMs, 0, true).lost, [])
  t.same(look(2000, 0, true).lost, ['n0'])
  t.same(silences.look(2250, new Map()).back, [], 'not while it is not there')
  t.same(look(5000, 4900, false).back, ['n0'])
})

t.test('those that were gone long ago do not hide one that goes now', async (t) => {
  const silences = new Silences()
  lookAt(silences, 0, 8)
  t.same(lostIn(silences, 3, 8, ['n1', 'n2']).flat(), ['n1', 'n2'])
  t.same(lostIn(silences, 3, 8, ['n1', 'n2', 'n3'], 60_000).flat(), ['n3'])
})

t.test('who said that it may be quiet for a while has that while, and then three looks', async (t) => {
  const silences = new Silences()
  const look = (nowMs: number) =>
    silences.look(nowMs, new Map([['n0', { heardMs: 0, serves: true, quietMs: 1000 }]])).lost
  const lostAt = [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000].filter((nowMs) => look(nowMs).length > 0)
  t.same(lostAt, [2000])
})
