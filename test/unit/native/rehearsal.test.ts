// Goal: where a link is slow, breaks down or dies in mid-transfer, all others are done nearly as soon as without that.
// Method: the real planner and the real spreading core on a virtual network, whose time is virtual and may be asserted.
import t from 'tap'
import { seededRandom } from '../../../src/base/random.js'
import type { PlanNode, PlanPart } from '../../../src/model/plan.js'
import { Rehearsal } from '../../../src/native/rehearsal.js'
import { startPlanning } from '../../../src/plan/index.js'
import { MBIT, type Play, play, type Played } from '../../support/rehearse.js'

const equal = (nodes: number, mbit = 100): readonly number[] => Array.from({ length: nodes + 1 }, () => mbit)
const worst = ({ ratios }: Played, ...without: readonly number[]): number =>
  Math.max(...ratios.map((ratio, at) => (without.includes(at + 1) ? 0 : (ratio ?? Number.POSITIVE_INFINITY))))

t.test('on equal links all have it within two percent of the bound, and the source sends one copy', async (t) => {
  for (const nodes of [8, 16, 64]) {
    const played = play({ ratesMbit: equal(nodes) })
    t.ok(worst(played) < 1.03, `${nodes}: ${worst(played)}`)
    t.ok(played.sourceCopies < 1.06, `${nodes}: ${played.sourceCopies}`)
    t.same(played.changes, [], 'nobody is slow')
  }
})

t.test('an uplink that breaks down to a twentieth is found within a second, and costs little', async (t) => {
  for (const [nodes, slow] of [
    [8, 1],
    [8, 2],
    [8, 4],
    [16, 1],
    [64, 4],
  ] as const) {
    const act = (rehearsal: Rehearsal, ids: readonly string[]): void =>
      rehearsal.setRates(ids[slow] ?? '', { upBps: 5 * MBIT, downBps: 100 * MBIT })
    const played = play({ ratesMbit: equal(nodes), chunks: 4096, event: { atRatio: 0.5, act } })
    t.match(played.changes, [{ node: slow, why: 'uplink' }], `${nodes}`)
    t.ok((played.changes[0]?.atRatio ?? 1) < 0.6, `found at ${played.changes[0]?.atRatio}`)
    t.ok(worst(played) < 1.1, `${slow} of ${nodes}: ${worst(played)}`)
  }
})

t.test('without a look at links it costs a third and more: that is what the look is for', async (t) => {
  const act = (rehearsal: Rehearsal, ids: readonly string[]): void =>
    rehearsal.setRates(ids[1] ?? '', { upBps: 5 * MBIT, downBps: 100 * MBIT })
  const played = play({ ratesMbit: equal(8), chunks: 4096, event: { atRatio: 0.5, act }, isWeighed: false })
  t.ok(worst(played) > 1.3, `${worst(played)}`)
})

/** By seed, over the fluid bound: eight nodes whose uplinks are spread by ten. */
const spreadByTen = (how: Pick<Play, 'isKnown' | 'isWeighed'>): readonly number[] =>
  [1, 2, 3, 4, 5].map((seed) => {
    const random = seededRandom(seed)
    const uplinks = Array.from({ length: 8 }, () => Math.round(32 * 10 ** random.next()))
    const played = play({ ratesMbit: [100, ...uplinks], downMbit: 1000, chunks: 4096, ...how })
    const all = uplinks.reduce((sum, mbit) => sum + mbit, 100)
    return worst(played) / Math.max(1, (uplinks.length * 100) / all)
  })

t.test('uplinks that differ by ten and are known are used by what they can give', async (t) => {
  const ratios = spreadByTen({ isKnown: true })
  t.ok(Math.max(...ratios) < 1.15, ratios.join(' '))
})

t.test('uplinks that differ by ten and are not known cost less where links are looked at', async (t) => {
  const median = (ratios: readonly number[]): number => ratios.toSorted((a, b) => a - b)[2] ?? 9
  const [looked, blind] = [spreadByTen({}), spreadByTen({ isWeighed: false })]
  t.ok(median(looked) < 1.3, looked.join(' '))
  t.ok(median(looked) < 0.7 * median(blind), blind.join(' '))
})

t.test('a slow node among fast ones holds up nobody, and has all as soon as its own link allows', async (t) => {
  const played = play({ ratesMbit: [100, 20, 500, ...equal(5)], chunks: 4096 })
  t.match(played.changes[0], { node: 1, why: 'downlink' })
  t.ok(worst(played, 1) < 1.09, `others: ${worst(played, 1)}`)
  t.ok((played.ratios[0] ?? 9) < 1.06 * 5, `itself: ${played.ratios[0]}`)
  const known = play({ ratesMbit: [100, 20, 500, ...equal(5)], chunks: 4096, isKnown: true })
  t.ok(worst(known, 1) < 1.02, `others, where it is known: ${worst(known, 1)}`)
})

t.test('links on which a chunk takes a tenth of a second and more are as good as fast ones', async (t) => {
  for (const mbit of [2, 0.5]) {
    const played = play({ ratesMbit: equal(64, mbit), chunks: 768, isTcp: true })
    const early = played.changes.filter(({ atRatio }) => atRatio < 1)
    t.same(early, [], `nobody is called slow at ${mbit} Mbit/s`)
    t.ok(worst(played, 0) < 1.15, `${mbit} Mbit/s: ${worst(played, 0)}`)
    t.ok(played.sourceCopies < 1.1, `${mbit} Mbit/s: ${played.sourceCopies} copies`)
  }
})

t.test('a machine that is gone without a word is left within a second', async (t) => {
  for (const [nodes, gone] of [
    [8, 1],
    [8, 2],
    [16, 1],
  ] as const) {
    const act = (rehearsal: Rehearsal, ids: readonly string[]): void => void rehearsal.kill(ids[gone] ?? '', 'silent')
    const played = play({ ratesMbit: equal(nodes), chunks: 4096, event: { atRatio: 0.5, act } })
    t.ok(worst(played, gone) < 1.2, `${gone} of ${nodes}: ${worst(played, gone)}`)
    t.equal(played.ratios[gone - 1], null)
  }
})

t.test('a node that dies in the middle and comes back goes on from what it had', async (t) => {
  const rehearsal = new Rehearsal({ chunkCount: 256, chunkBytes: 32_768, madePer10Ms: 0, seed: 1 })
  const rates = { upBps: 100 * MBIT, downBps: 100 * MBIT }
  const [source, node] = [rehearsal.add(rates), rehearsal.add(rates)]
  const part = { strandCount: 1, parents: [[{ nodeId: source, host: '127.0.0.1', port: 1 }]], peers: [] }
  rehearsal.setPlan(source, { strandCount: 1, parents: [], peers: [] })
  rehearsal.setPlan(node, part)
  t.notOk(rehearsal.run(400_000))
  const had = rehearsal.poll()[1]?.chunksHave ?? 0
  t.ok(had > 100)
  t.ok(rehearsal.kill(node, 'reset'))
  t.notOk(rehearsal.kill(node, 'reset'), 'it is dead')
  t.equal(rehearsal.poll().length, 1)
  rehearsal.restart(node, part)
  t.ok(rehearsal.run(10_000_000))
  const [served, serving] = rehearsal.poll()
  t.equal(serving?.chunksHave, 256)
  t.ok((served?.bytesSent ?? 0) < 1.05 * 256 * 32_768 + 200_000, 'hardly anything was sent twice')
})

t.test('what passes between segments is counted at their gates', async (t) => {
  const rehearsal = new Rehearsal({ chunkCount: 64, chunkBytes: 32_768, madePer10Ms: 0, seed: 1 })
  const rates = { upBps: 100 * MBIT, downBps: 100 * MBIT }
  const way = { upBps: 10 * MBIT, downBps: 10 * MBIT, delayUs: 10_000, windowBytes: 524_288 }
  const [near, far] = [rehearsal.addGate(way), rehearsal.addGate(way)]
  const [source, node] = [rehearsal.add(rates, near), rehearsal.add(rates, far)]
  rehearsal.setPlan(source, { strandCount: 1, parents: [], peers: [] })
  const parents = [[{ nodeId: source, host: '127.0.0.1', port: 1 }]]
  rehearsal.setPlan(node, { strandCount: 1, parents, peers: [] })
  t.ok(rehearsal.run(10_000_000))
  t.ok(rehearsal.nowUs > (64 * 32_768 * 8) / 10, 'it takes what the gate allows')
  t.ok(rehearsal.gateBytes(near).out > 64 * 32_768)
  t.ok(rehearsal.gateBytes(far).into > 64 * 32_768)
})

t.test('a node that was never added is refused', async (t) => {
  const rehearsal = new Rehearsal({ chunkCount: 1, chunkBytes: 1024, madePer10Ms: 0, seed: 1 })
  t.throws(() => rehearsal.setPlan('ab'.repeat(16), { strandCount: 1, parents: [], peers: [] }), {
    code: 'ENGINE_ERR_INVALID_ARGUMENT',
  })
})

const refOf = (nodeId: string): PlanNode => ({ nodeId, host: '127.0.0.1', port: 1, segment: 'here', weight: 1 })
const RATES = { upBps: 100 * MBIT, downBps: 100 * MBIT }
const CHUNKS = 2048
const WHOLE_US = (CHUNKS * 32_768 * 8) / 100

/** A braid at work on equal links, of which the planner hears what happens. */
function braidOf(nodes: number, mbitOf: (at: number) => number = () => 100) {
  const rehearsal = new Rehearsal({ chunkCount: CHUNKS, chunkBytes: 32_768, madePer10Ms: 0, seed: 1 })
  const source = rehearsal.add(RATES)
  const ids = Array.from({ length: nodes }, (_, at) => {
    const rate = mbitOf(at) * MBIT
    return rehearsal.add({ upBps: rate, downBps: rate })
  })
  const all = ids.map((id, at) => ({ ...refOf(id), weight: mbitOf(at) / 100 }))
  const planning = startPlanning({ source: refOf(source), home: 'here', nodes: all, strategy: 'braid', seed: 1 })
  rehearsal.setPlan(source, { strandCount: planning.strandCount, parents: [], peers: [] })
  const tell = (parts: readonly PlanPart[]): void => {
    for (const { nodeId, plan } of parts) rehearsal.setPlan(nodeId, plan)
  }
  tell(ids.flatMap((id) => planning.partOf(id) ?? []))
  const completed = (): ReadonlyMap<string, number | null> =>
    new Map(rehearsal.poll().map(({ nodeId, completedUs }) => [nodeId, completedUs]))
  return { rehearsal, source, ids, planning, tell, completed }
}

t.test('who joins at half-time disturbs nobody, and has all within 1.6 times what its link needs', async (t) => {
  for (const nodes of [8, 16, 64]) {
    const last = (isJoined: boolean): { readonly others: number; readonly joiner: number } => {
      const { rehearsal, ids, planning, tell, completed } = braidOf(nodes)
      rehearsal.run(WHOLE_US / 2)
      const joiner = isJoined ? rehearsal.add(RATES, null, rehearsal.nowUs) : null
      if (joiner !== null) {
        const changed = planning.take([{ type: 'joined', node: refOf(joiner) }])
        tell(changed)
      }
      t.ok(rehearsal.run(20 * WHOLE_US), 'all complete')
      const times = completed()
      const others = Math.max(...ids.map((id) => times.get(id) ?? Number.POSITIVE_INFINITY)) / WHOLE_US
      return { others, joiner: ((times.get(joiner ?? '') ?? 0) - WHOLE_US / 2) / WHOLE_US }
    }
    const [alone, joined] = [last(false), last(true)]
    t.comment(`${nodes}: others ${alone.others.toFixed(3)} → ${joined.others.toFixed(3)}, joiner ${joined.joiner}`)
    t.ok(joined.others <= 1.01 * alone.others, `${nodes}: others ${alone.others} → ${joined.others}`)
    t.ok(joined.joiner <= 1.6, `${nodes}: joiner ${joined.joiner}`)
  }
})

t.test('a source that dies when one copy is out, with half of the work left, is needed by nobody', async (t) => {
  for (const how of ['reset', 'silent'] as const) {
    for (const nodes of [8, 16, 64]) {
      const { rehearsal, source, ids, completed } = braidOf(nodes, (at) => (at < nodes / 2 ? 100 : 50))
      const sentBytes = (): number => rehearsal.poll().find(({ nodeId }) => nodeId === source)?.bytesSent ?? 0
      while (sentBytes() < CHUNKS * 32_768) rehearsal.run(rehearsal.nowUs + 10_000)
      // What is in its port is still on its way.
      rehearsal.run(rehearsal.nowUs + 50_000)
      const killedUs = rehearsal.nowUs
      t.ok([...completed().values()].includes(null), 'there is work left')
      rehearsal.kill(source, how)
      t.ok(rehearsal.run(20 * WHOLE_US), `${how} ${nodes}: all complete`)
      const last = Math.max(...ids.map((id) => completed().get(id) ?? Number.POSITIVE_INFINITY)) / WHOLE_US
      t.comment(`${how} ${nodes}: killed at ${(killedUs / WHOLE_US).toFixed(3)}, the last at ${last.toFixed(3)}`)
      t.ok(last < 3, `${last}`)
    }
  }
})
