// Goal: what each strategy costs in time and in copies from the source, as docs/guide/strategies.md says it.
// Method: all six bring 128 MiB over the same virtual network, of 16 equal nodes at 100 Mbit/s; once more one dies
// half-way.
import t from 'tap'
import { isHanded, strategyNames, type StrategyName } from '../../../src/model/plan.js'
import type { PlanEvent, PlanPart } from '../../../src/model/plan.js'
import { Rehearsal } from '../../../src/native/rehearsal.js'
import { startPlanning } from '../../../src/plan/index.js'

const NODES = 16
const CHUNKS = 4096
const CHUNK_BYTES = 32 * 1024
const RATE_BPS = 100_000_000
const BOUND_US = (CHUNKS * CHUNK_BYTES * 8 * 1_000_000) / RATE_BPS
/** How often a coordinator looks. */
const LOOK_US = 250_000

const refOf = (nodeId: string) => ({ nodeId, host: '127.0.0.1', port: 1 })

/** What a coordinator would see of nodes. */
function eventsOf(rehearsal: Rehearsal, source: string): readonly PlanEvent[] {
  return rehearsal.poll().flatMap(({ nodeId, chunksHave, completedUs }): readonly PlanEvent[] => {
    if (nodeId === source || chunksHave === 0) return []
    return [{ type: completedUs === null ? 'ready' : 'finished', nodeId }]
  })
}

/** @param killed the node that dies half-way; null: none. */
function rehearse(strategy: StrategyName, killed: number | null, fanout: number | null = null) {
  const rehearsal = new Rehearsal({ chunkCount: CHUNKS, chunkBytes: CHUNK_BYTES, madePer10Ms: 0, seed: 1 })
  const rates = { upBps: RATE_BPS, downBps: RATE_BPS }
  const source = rehearsal.add(rates)
  // Who waits for its turn opens nothing.
  const opensUs = isHanded(strategy) ? null : 0
  const receivers = Array.from({ length: NODES }, () => rehearsal.add(rates, null, opensUs))
  const nodes = receivers.map((nodeId) => ({ ...refOf(nodeId), segment: 'here', weight: 1 }))
  const planning = startPlanning({ source: refOf(source), home: 'here', nodes, strategy, seed: 1, fanout })
  const tell = (parts: readonly (PlanPart | null)[]): void => {
    for (const part of parts) if (part !== null) rehearsal.setPlan(part.nodeId, part.plan)
  }
  rehearsal.setPlan(source, { strandCount: planning.strandCount, parents: [], peers: [] })
  tell(receivers.map((id) => planning.partOf(id)))
  const dying = killed === null ? [] : receivers.slice(killed, killed + 1)
  for (let untilUs = LOOK_US; !rehearsal.run(untilUs); untilUs += LOOK_US) {
    if (untilUs > 100 * BOUND_US) throw new Error(`${strategy} never ends`)
    const dead = untilUs * 2 > BOUND_US ? dying.splice(0) : []
    for (const nodeId of dead) rehearsal.kill(nodeId, 'reset')
    const left = dead.map((nodeId) => ({ type: 'left', nodeId }) as const)
    tell(planning.take([...left, ...eventsOf(rehearsal, source)]))
  }
  const [own, ...others] = rehearsal.poll()
  const lastUs = Math.max(...others.map(({ completedUs }) => completedUs ?? Number.POSITIVE_INFINITY))
  return { time: lastUs / BOUND_US, copies: (own?.bytesSent ?? 0) / (CHUNKS * CHUNK_BYTES) }
}

/** Time over size ÷ rate, and copies from the source, at most. */
const most: Readonly<Record<StrategyName, readonly [number, number]>> = {
  star: [17.5, 17],
  chain: [1.3, 1.1],
  tree: [2.5, 2.1],
  braid: [1.2, 1.1],
  handout: [7, 6],
  cascade: [3, 2.1],
}

for (const strategy of strategyNames) {
  t.test(`${strategy}: it takes no longer, and costs the source no more, than the guide says`, async (t) => {
    const { time, copies } = rehearse(strategy, null)
    const died = rehearse(strategy, 0)
    t.comment(`${time.toFixed(2)} ${copies.toFixed(2)}; one dies: ${died.time.toFixed(2)} ${died.copies.toFixed(2)}`)
    t.ok(time <= most[strategy][0], `time ${time}`)
    t.ok(copies <= most[strategy][1], `copies ${copies}`)
    t.ok(Number.isFinite(died.time), 'all others have it when one dies')
  })
}

for (const [strategy, time, copies] of [
  ['handout', 6, 4.2],
  ['cascade', 1.5, 1.1],
] as const) {
  t.test(`${strategy} with one server at a time costs the source less`, async (t) => {
    const one = rehearse(strategy, null, 1)
    t.comment(`${one.time.toFixed(2)} ${one.copies.toFixed(2)}`)
    t.ok(one.time <= time, `time ${one.time}`)
    t.ok(one.copies <= copies, `copies ${one.copies}`)
  })
}
