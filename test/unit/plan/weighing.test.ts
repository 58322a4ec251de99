// Goal: the node whose link is slow is found, and nobody else, whatever others say of it.
// Method: flows as senders would tell them, a look after the other.
import t from 'tap'
import type { Flow } from '../../../src/model/flow.js'
import { type FlowsOf, type Probed, Weighing, type WeightChange } from '../../../src/plan/weighing.js'

const MBIT = 1_000_000
const LOOK_MS = 250
const flow = (to: string, rateMbit: number, busyRatio = 1): Flow => ({ to, rateBps: rateMbit * MBIT, busyRatio })
const says = (from: string, ...flows: readonly Flow[]): FlowsOf => ({ from, flows })

/** Each node of a ring serves the next two: half of its uplink each. */
const ring = (count: number, change: (from: number, flow: Flow) => Flow = (_, same) => same): FlowsOf[] =>
  Array.from({ length: count }, (_, at) => {
    const flows = [1, 2].map((step) => flow(`n${(at + step) % count}`, 50))
    return says(`n${at}`, ...flows.map((each) => change(at, each)))
  })

function looks(weighing: Weighing, count: number, reports: readonly FlowsOf[], startMs = 0): readonly WeightChange[] {
  const all = Array.from({ length: count }, (_, look) => weighing.look(startMs + look * LOOK_MS, reports, 'source'))
  return all.flat()
}

t.test('nobody is slow where all are alike, held up or not', async (t) => {
  const weighing = new Weighing()
  t.same(looks(weighing, 10, ring(8)), [])
  t.same(
    looks(
      weighing,
      10,
      ring(8, (_, each) => ({ ...each, busyRatio: 0.2, rateBps: 10 * MBIT })),
    ),
    [],
  )
  t.same(
    looks(
      weighing,
      10,
      ring(8, (_, each) => ({ ...each, busyRatio: 1, rateBps: MBIT })),
    ),
    [],
    'it is not they',
  )
  t.equal(weighing.weightOf('n1'), 1)
})

t.test('an uplink that breaks down is found at the second look, with its rate', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  const decayed = ring(8, (from, each) => (from === 3 ? { ...each, rateBps: 2.5 * MBIT, busyRatio: 1 } : each))
  t.same(looks(weighing, 1, decayed), [])
  t.same(looks(weighing, 1, decayed, LOOK_MS), [
    { nodeId: 'n3', why: 'uplink', rateBps: 5 * MBIT, usualBps: 100 * MBIT, weight: 0.05 },
  ])
  t.equal(weighing.weightOf('n3'), 0.05)
  t.same(looks(weighing, 10, decayed, 2 * LOOK_MS), [], 'it is told once')
})

t.test('of many nodes one is found a look later: of so many some look slow by chance', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(64))
  const decayed = ring(64, (from, each) => (from === 3 ? { ...each, rateBps: 2.5 * MBIT, busyRatio: 1 } : each))
  t.same(looks(weighing, 2, decayed), [])
  t.match(looks(weighing, 1, decayed, 2 * LOOK_MS), [{ nodeId: 'n3', why: 'uplink' }])
})

t.test('one slow look says nothing', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  const decayed = ring(8, (from, each) => (from === 3 ? { ...each, rateBps: 2 * MBIT, busyRatio: 1 } : each))
  for (let turn = 0; turn < 5; turn++) t.same([...looks(weighing, 1, decayed), ...looks(weighing, 1, ring(8))], [])
})

t.test('a downlink that breaks down is found, and not those who serve it', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  const slow = ring(8, (_, each) => (each.to === 'n5' ? { ...each, rateBps: 10 * MBIT, busyRatio: 1 } : each))
  t.match(looks(weighing, 2, slow), [{ nodeId: 'n5', why: 'downlink', rateBps: 20 * MBIT, weight: 0.2 }])
})

t.test('who serves only somebody that takes all it can is not slow', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  const last = [says('n1', flow('n4', 25)), says('n2', flow('n4', 25)), says('n3', flow('n4', 30))]
  t.same(looks(weighing, 10, last), [])
})

t.test('what somebody slow takes of one says nothing of that one', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  const slow = ring(8, (_, each) => (each.to === 'n5' ? { ...each, rateBps: 10 * MBIT, busyRatio: 1 } : each))
  t.match(looks(weighing, 2, slow), [{ nodeId: 'n5', why: 'downlink' }])
  const last = [says('n3', flow('n5', 2)), says('n4', flow('n5', 15))]
  t.same(looks(weighing, 10, last, 5000), [])
})

t.test('with no other to compare with, one receiver is not enough', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  t.same(looks(weighing, 10, [says('n1', flow('a', 1))]), [])
  t.match(looks(weighing, 2, [says('n1', flow('a', 1), flow('b', 1))]), [{ nodeId: 'n1', why: 'uplink' }])
})

t.test('the source is never weighed', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  t.same(looks(weighing, 10, [says('source', flow('n1', 1), flow('n2', 1)), ...ring(8)]), [])
})

t.test('who is not seen to be slow for a minute is trusted again, the next time after two', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  const decayed = ring(8, (from, each) => (from === 3 ? { ...each, rateBps: 2 * MBIT, busyRatio: 1 } : each))
  looks(weighing, 2, decayed, 1000)
  t.same(weighing.look(60_000, ring(8), 'source'), [])
  t.match(weighing.look(61_250, ring(8), 'source'), [{ nodeId: 'n3', why: 'rested', weight: 1 }])
  t.equal(weighing.weightOf('n3'), 1)
  looks(weighing, 2, decayed, 63_000)
  t.same(weighing.look(63_250 + 119_000, ring(8), 'source'), [])
  t.match(weighing.look(63_250 + 120_000, ring(8), 'source'), [{ nodeId: 'n3', why: 'rested' }])
})

t.test('where uplinks are uneven and the source waits, an overloaded one counts by what it could give', async (t) => {
  const weighing = new Weighing()
  // All serve two at 16 Mbit/s, n3 as well as it can; what the others could give nobody knows.
  const busyRatios = [0.3, 0.5, 0.3, 1]
  const uneven = ring(8, (from, each) => ({ ...each, rateBps: 16 * MBIT, busyRatio: busyRatios[from] ?? 0.5 }))
  const source = says('source', flow('n0', 16, 0.32), flow('n1', 16, 0.32))
  t.same(looks(weighing, 1, [source, ...uneven]), [])
  t.match(looks(weighing, 1, [source, ...uneven]), [{ nodeId: 'n3', why: 'uneven', rateBps: 32 * MBIT }])
  t.same(
    ['n0', 'n1', 'n2', 'n3'].map((nodeId) => Math.round(weighing.weightOf(nodeId) * 10) / 10),
    [1, 1, 1, 0.5],
  )
})

t.test('uneven uplinks are left alone while the source is held up itself', async (t) => {
  const weighing = new Weighing()
  const uneven = ring(8, (from, each) => ({ ...each, rateBps: 16 * MBIT, busyRatio: from === 3 ? 0.7 : 0.16 }))
  t.same(looks(weighing, 10, [says('source', flow('n0', 16), flow('n1', 16)), ...uneven]), [])
})

t.test(
  'who gives what it was measured to be able to, or all that its receivers take, is not asked too much',
  async (t) => {
    // At the end of a path n3 and n4 have half of the others' links, which was known.
    const slow = new Set(['n3', 'n4'])
    const reports = [
      says('source', flow('n0', 95, 0.5)),
      ...['n0', 'n1', 'n2', 'n3'].map((from, at) => {
        const to = `n${at + 1}`
        return says(from, flow(to, slow.has(to) ? 47 : 95, 1))
      }),
    ]
    const rates = ['n0', 'n1', 'n2', 'n3', 'n4'].map((nodeId): [string, Probed] => {
      const rateBps = (slow.has(nodeId) ? 50 : 100) * MBIT
      return [nodeId, { sendsBps: rateBps, takesBps: rateBps }]
    })
    const weigh = (probed: ReadonlyMap<string, Probed>): readonly WeightChange[] => {
      const weighing = new Weighing()
      const all = Array.from({ length: 10 }, (_, look) => weighing.look(look * LOOK_MS, reports, 'source', { probed }))
      return all.flat()
    }
    t.same(weigh(new Map(rates)), [])
    t.match(weigh(new Map()), [{ why: 'uneven' }], 'without that it is')
    const less = rates.map(([nodeId]): [string, Probed] => [nodeId, { sendsBps: 100 * MBIT, takesBps: 100 * MBIT }])
    t.match(weigh(new Map(less)), [{ why: 'uneven' }], 'who gives less than it was measured to is')
  },
)

/** The source serves n0, and each node the next. */
const path = (count: number, change: (from: number, flow: Flow) => Flow = (_, same) => same): FlowsOf[] => [
  says('source', flow('n0', 95)),
  ...Array.from({ length: count - 1 }, (_, at) => says(`n${at}`, change(at, flow(`n${at + 1}`, 95)))),
]

t.test('links are known when all get what the source can give, at four looks in a row', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 3, path(8))
  t.notOk(weighing.knows('n5'))
  looks(weighing, 1, path(8), 750)
  t.ok(weighing.knows('n5'))
  const star = new Weighing()
  const shares = Array.from({ length: 8 }, (_, at) => flow(`n${at}`, 12))
  looks(star, 10, [says('source', ...shares)])
  t.notOk(star.knows('n5'), 'of equal shares nobody knows what they could be')
})

t.test(
  'on a path that was known, the sender of the slowest link is slow, and those who wait for it are not',
  async (t) => {
    const weighing = new Weighing()
    looks(weighing, 4, path(8))
    // The acknowledgements of n3 are late: n2 seems slow, too. Whoever is below has nothing to pass on.
    const decayed = path(8, (from, each) => {
      if (from < 2) return each
      return { ...each, rateBps: (from === 2 ? 18 : 5) * MBIT, busyRatio: from < 4 ? 1 : 0.1 }
    })
    t.match(looks(weighing, 2, decayed, 1000), [{ nodeId: 'n3', why: 'uplink', rateBps: 5 * MBIT, starved: ['n4'] }])
    t.ok(weighing.knows('n5'), 'of the others nothing is new')
  },
)

t.test('who is starved by two has links that nobody knows', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, path(8))
  const slowTo = (from: string) => [...path(3), says(from, flow('n4', 5)), says('n5', flow('n6', 95))]
  t.match(looks(weighing, 2, slowTo('n3'), 1000), [{ nodeId: 'n3' }])
  t.match(looks(weighing, 2, slowTo('n6'), 3000), [{ nodeId: 'n6' }])
  t.ok(weighing.isDoubted(4000))
  looks(weighing, 40, path(8), 5000)
  t.notOk(weighing.knows('n5'), 'not for a while')
})

t.test('who says nothing serves nobody until it is heard, and who sends to it is not blamed', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, path(8))
  const heard = (nowMs: number, silentSinceMs: number) =>
    new Map(
      ring(8).map(({ from }) => [from, { heardMs: from === 'n3' ? silentSinceMs : nowMs, serves: true, quietMs: 0 }]),
    )
  // What is known of n3 itself is from before.
  const stalled = path(8, (from, each) =>
    from < 2 || from === 3 ? each : { ...each, rateBps: 0, busyRatio: from === 2 ? 1 : 0 },
  )
  for (const nowMs of [1000, 1250, 1500])
    t.same(weighing.look(nowMs, stalled, 'source', { heard: heard(nowMs, 900) }), [])
  t.match(weighing.look(1750, stalled, 'source', { heard: heard(1750, 900) }), [{ nodeId: 'n3', why: 'silent' }])
  t.same(weighing.look(2000, stalled, 'source', { heard: heard(2000, 900) }), [], 'it is told once')
  t.ok(weighing.weightOf('n3') < 0.001)
  t.same(weighing.look(3500, path(8), 'source', { heard: heard(3500, 3400) }), [], 'not at once')
  t.match(weighing.look(3750, path(8), 'source', { heard: heard(3750, 3700) }), [
    { nodeId: 'n3', why: 'rested', weight: 1 },
  ])
})

t.test('who gets little of senders that have no more to give has no slow downlink', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  // Everybody is asked for six halves of what it has.
  const asked = Array.from({ length: 8 }, (_, at) => {
    const flows = [1, 2, 3, 4, 5, 6].map((step) => flow(`n${(at + step) % 8}`, 100 / 6))
    return says(`n${at}`, ...(at === 0 ? flows.slice(0, 2).map((each) => ({ ...each, rateBps: 50 * MBIT })) : flows))
  })
  const fewer = asked.map(({ from, flows }) => says(from, ...flows.filter(({ to }) => to !== 'n7' || from < 'n3')))
  t.same(looks(weighing, 10, fewer), [])
})

t.test('what was counted at one look is not counted at the next', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, ring(8))
  const decayed = ring(8, (from, each) => (from === 3 ? { ...each, rateBps: 2 * MBIT, busyRatio: 1 } : each))
  t.same(looks(weighing, 1, decayed), [])
  t.same(
    looks(
      weighing,
      4,
      decayed.map((report) => ({ ...report, isOld: true })),
    ),
    [],
  )
  t.match(looks(weighing, 1, decayed, 5 * LOOK_MS), [{ nodeId: 'n3' }])
})

t.test('where links are known, what is said in a hurry counts; elsewhere it does not', async (t) => {
  const starved = (from: number): Partial<Flow> => (from > 3 ? { rateBps: 5 * MBIT, busyRatio: 0.1 } : {})
  const decayed = path(8, (from, each) => ({ ...each, ...starved(from), ...(from === 3 ? { rateBps: 5 * MBIT } : {}) }))
  const known = new Weighing()
  looks(known, 4, path(8))
  t.same(known.glance(1000, decayed, 'source'), [])
  t.match(known.glance(1125, decayed, 'source'), [{ nodeId: 'n3', why: 'uplink' }])
  t.same(known.glance(1250, decayed, 'source'), [], 'it has to settle')
  const fresh = new Weighing()
  looks(fresh, 2, path(8))
  for (const nowMs of [500, 625, 750]) t.same(fresh.glance(nowMs, decayed, 'source'), [])
})

t.test('after a node has gone nothing counts for a second, but not again and again', async (t) => {
  const decayed = path(8, (from, each) =>
    from < 3 ? each : { ...each, rateBps: 5 * MBIT, busyRatio: from === 3 ? 1 : 0.1 },
  )
  const weighing = new Weighing()
  looks(weighing, 4, path(8))
  weighing.glance(990, decayed, 'source')
  for (const nowMs of [1000, 1900]) weighing.leave(nowMs)
  for (const nowMs of [1100, 1300, 1500, 1700, 1900]) t.same(weighing.glance(nowMs, decayed, 'source'), [])
  t.same(weighing.glance(2000, decayed, 'source'), [])
  t.match(weighing.glance(2100, decayed, 'source'), [{ nodeId: 'n3' }])
})

t.test('what those below say of it counts as a look at who is slow', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, path(8))
  const slow = path(8, (from, each) =>
    from < 3 ? each : { ...each, rateBps: 5 * MBIT, busyRatio: from === 3 ? 1 : 0.1 },
  )
  const saidBy = (who: string): FlowsOf[] => slow.map((report) => ({ ...report, isOld: report.from !== who }))
  t.same(weighing.glance(1000, saidBy('n3'), 'source'), [])
  t.same(weighing.glance(1010, saidBy('n4'), 'source'), [], 'of one moment')
  t.same(weighing.glance(1070, saidBy('n5'), 'source'), [], 'who is further below says nothing of it')
  t.match(weighing.glance(1080, saidBy('n4'), 'source'), [{ nodeId: 'n3', why: 'uplink' }])
})

t.test('what others said of it before its own word comes is a look', async (t) => {
  const slow = path(8, (from, each) =>
    from < 3 ? each : { ...each, rateBps: 5 * MBIT, busyRatio: from === 3 ? 1 : 0.1 },
  )
  const saidBy = (who: string): FlowsOf[] => slow.map((report) => ({ ...report, isOld: report.from !== who }))
  const found = (from: string, first: number, second: number, flows: Flow): readonly unknown[] => {
    const weighing = new Weighing()
    looks(weighing, 4, path(8))
    weighing.hear(first, from, [flows])
    weighing.hear(second, from, [flows])
    const said = saidBy('n3').map((report) => (report.from === from ? { ...report, flows: [flows] } : report))
    return weighing.glance(1070, said, 'source')
  }
  const dry = flow('n5', 5, 0.1)
  t.match(found('n4', 1000, 1062, dry), [{ nodeId: 'n3', why: 'uplink' }], 'who waits for it')
  t.match(found('n2', 1000, 1062, flow('n3', 5, 1)), [{ nodeId: 'n3' }], 'who is held up by it')
  t.same(found('n4', 1050, 1062, dry), [], 'of one moment')
  t.same(found('n4', 400, 600, dry), [], 'long ago')
  t.same(found('n5', 1000, 1062, flow('n6', 5, 0.1)), [], 'further below')
  t.same(found('n4', 1000, 1062, flow('n5', 100, 0.1)), [], 'it has enough')
})

t.test('a word of another that serves those below says nothing of who is slow', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, path(8))
  const slow = path(8, (from, each) =>
    from < 3 ? each : { ...each, rateBps: 5 * MBIT, busyRatio: from === 3 ? 1 : 0.1 },
  )
  const other = says('n9', flow('n4', 20, 0.1))
  const saidBy = (who: string): FlowsOf[] =>
    [...slow, other].map((report) => ({ ...report, isOld: report.from !== who }))
  for (const nowMs of [1000, 1100, 1200, 1300]) t.same(weighing.glance(nowMs, saidBy('n9'), 'source'), [])
})

t.test('who is held up by one that says nothing speaks against its sender all the same', async (t) => {
  const weighing = new Weighing()
  const held = [says('n4', flow('n5', 5, 0.1), flow('q', 1))]
  looks(weighing, 4, path(8))
  const slow = [...path(4), says('n3', flow('n4', 5)), ...held]
  const heard = (nowMs: number, ofQ: number) =>
    new Map(['n3', 'n4', 'q'].map((who) => [who, { heardMs: who === 'q' ? ofQ : nowMs, serves: true, quietMs: 0 }]))
  const at = (startMs: number, ofQ: (nowMs: number) => number) =>
    [startMs, startMs + 250].flatMap((nowMs) =>
      weighing.look(nowMs, slow, 'source', { heard: heard(nowMs, ofQ(nowMs)) }).map(({ nodeId }) => nodeId),
    )
  t.same(
    at(1000, (nowMs) => nowMs),
    [],
    'q may be who holds it up',
  )
  t.same(
    at(1500, () => 1250),
    ['n3'],
  )
})

t.test('who sends to one that is held up itself is not blamed, however often it says so', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, path(8))
  // n3 has just begun to be slow: what it says is of a time of which that was a part.
  const early = path(8, (from, each) => {
    if (from < 2) return each
    return from === 2
      ? { ...each, rateBps: 20 * MBIT }
      : { ...each, rateBps: 40 * MBIT, busyRatio: from === 3 ? 1 : 0.2 }
  })
  t.same(looks(weighing, 3, early, 1000), [])
})

t.test('nodes are not compared with those that served others long ago', async (t) => {
  const weighing = new Weighing()
  looks(
    weighing,
    4,
    ring(8, (_, each) => ({ ...each, rateBps: 5000 * MBIT })),
  )
  const slower = [0, 1, 2].map((at) => says(`m${at}`, flow(`m${(at + 1) % 3}`, 5), flow(`m${(at + 2) % 3}`, 5)))
  t.same(looks(weighing, 10, slower, 400_000), [])
})

t.test('who sends to one whose word is late is not blamed before that has come', async (t) => {
  const weighing = new Weighing()
  looks(weighing, 4, path(8))
  const slowTo = (from: number, change: (at: number) => Partial<Flow>) =>
    path(8, (at, each) => (at < from ? each : { ...each, ...change(at) }))
  const early = slowTo(2, (at) => (at === 2 ? { rateBps: 20 * MBIT } : {}))
  t.same(looks(weighing, 2, early, 1000), [])
  const starved = { rateBps: 5 * MBIT, busyRatio: 0.1 }
  const late = slowTo(2, (at) => (at === 2 ? { rateBps: 20 * MBIT } : at === 3 ? { rateBps: 5 * MBIT } : starved))
  t.match(looks(weighing, 2, late, 1500), [{ nodeId: 'n3', why: 'uplink' }])
  const other = new Weighing()
  looks(other, 4, path(8))
  const sender = slowTo(2, (at) => (at === 2 ? { rateBps: 5 * MBIT } : starved))
  t.match(looks(other, 2, sender, 1000), [{ nodeId: 'n2', why: 'uplink' }], 'it passes on little: it is the sender')
})
