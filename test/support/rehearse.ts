// Spreads a file over a virtual network as a coordinator would: it plans, listens to what senders say of their links
// every quarter second, and plans anew when one of them is found to be slow.
import { BITS_PER_BYTE } from '../../src/base/units.js'
import type { PeerRef } from '../../src/model/node.js'
import { FlowMeter } from '../../src/native/flow-meter.js'
import { Rehearsal } from '../../src/native/rehearsal.js'
import { Weighing, type WeightChange } from '../../src/plan/weighing.js'
import { planOf } from './plans.js'

export const MBIT = 1_000_000
const CHUNK_BYTES = 32 * 1024
const LOOK_US = 250_000
/** From the look until nodes have their new parts. */
const TELL_US = 20_000
const GIVEN_UP_US = 600_000_000

export interface Play {
  /** Of the source and of each node, both ways. */
  readonly ratesMbit: readonly number[]
  /** Every downlink, if that is not like the uplink. */
  readonly downMbit?: number
  readonly chunks?: number
  /** What happens, at a part of the time that the content takes over the source's link. */
  readonly event?: { readonly atRatio: number; act(rehearsal: Rehearsal, ids: readonly string[]): void }
  readonly isWeighed?: boolean
  /** As TCP would carry it, not as links alone allow. */
  readonly isTcp?: boolean
  /** The coordinator knows all rates beforehand. */
  readonly isKnown?: boolean
}

export interface Played {
  /** By node: when it had all, over the time that the content takes over the source's link; null: never. */
  readonly ratios: readonly (number | null)[]
  readonly changes: readonly (WeightChange & { readonly node: number; readonly atRatio: number })[]
  /** What the source sent, over the content. */
  readonly sourceCopies: number
}

const refOf = (nodeId: string): PeerRef => ({ nodeId, host: '127.0.0.1', port: 1 })

export function play({
  ratesMbit,
  downMbit,
  chunks = 2048,
  event,
  isWeighed = true,
  isKnown = false,
  isTcp,
}: Play): Played {
  const rehearsal = new Rehearsal({ chunkCount: chunks, chunkBytes: CHUNK_BYTES, madePer10Ms: 0, seed: 1, isTcp })
  const ids = ratesMbit.map((mbit) => rehearsal.add({ upBps: mbit * MBIT, downBps: (downMbit ?? mbit) * MBIT }))
  const [source = '', ...receivers] = ids
  const weighing = new Weighing()
  const tell = (): void => {
    const nodes = receivers.map((id, at) => {
      const knownWeight = isKnown ? (ratesMbit[at + 1] ?? 1) / (ratesMbit[0] ?? 1) : 1
      return { ...refOf(id), segment: 'here', weight: knownWeight * weighing.weightOf(id) }
    })
    const plan = planOf({ source: refOf(source), home: 'here', nodes, strategy: 'braid', seed: 1 })
    rehearsal.setPlan(source, { strandCount: plan.strandCount, parents: [], peers: [] })
    for (const [id, part] of plan.nodes) rehearsal.setPlan(id, part)
  }
  tell()
  const boundUs = (chunks * CHUNK_BYTES * BITS_PER_BYTE) / (ratesMbit[0] ?? 1)
  const meters = new Map(ids.map((id) => [id, new FlowMeter()]))
  const changes: Played['changes'][number][] = []
  let awaited = event
  while (rehearsal.nowUs < GIVEN_UP_US) {
    const untilUs = rehearsal.nowUs + LOOK_US
    if (awaited !== undefined && awaited.atRatio * boundUs <= untilUs) {
      rehearsal.run(awaited.atRatio * boundUs)
      awaited.act(rehearsal, ids)
      awaited = undefined
    }
    if (rehearsal.run(untilUs)) break
    if (!isWeighed) continue
    const nowMs = rehearsal.nowUs / 1000
    const reports = rehearsal.poll().map(({ nodeId, children }) => {
      const meter = meters.get(nodeId) as FlowMeter
      const isOld = !meter.look([{ session: 1, children }])
      return { from: nodeId, flows: meter.flows, isOld }
    })
    const found = weighing.look(nowMs, reports, source)
    const atRatio = rehearsal.nowUs / boundUs
    changes.push(...found.map((change) => ({ ...change, node: ids.indexOf(change.nodeId), atRatio })))
    if (found.length === 0) continue
    rehearsal.run(rehearsal.nowUs + TELL_US)
    tell()
  }
  return { ...outcomeOf(rehearsal, ids, { boundUs, sizeBytes: chunks * CHUNK_BYTES }), changes }
}

function outcomeOf(
  rehearsal: Rehearsal,
  [source = '', ...receivers]: readonly string[],
  { boundUs, sizeBytes }: { readonly boundUs: number; readonly sizeBytes: number },
): Omit<Played, 'changes'> {
  const statuses = new Map(rehearsal.poll().map((status) => [status.nodeId, status]))
  const ratios = receivers.map((id) => {
    const completedUs = statuses.get(id)?.completedUs ?? null
    return completedUs === null ? null : completedUs / boundUs
  })
  return { ratios, sourceCopies: (statuses.get(source)?.bytesSent ?? 0) / sizeBytes }
}
