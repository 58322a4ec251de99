// What happens to hosts of the lab, and to their links, while content is on its way.
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { carriedBytes, cut, type LabFleet, receivedBytes, shape } from '../../test/support/lab.js'
import { until } from '../../test/support/until.js'

/** What a scenario is played with. */
export interface Stage {
  readonly fleet: LabFleet
  /** Half of what the transfer takes where all is well. */
  readonly halfS: number
  readonly sizeBytes: number
  /** A rate as the lab is told it. */
  mbit(rate: number): string
}

/** What has come of an event. */
export interface Outcome {
  /** Hosts that are away for good, and need not have it. */
  readonly gone?: readonly number[]
  /** Further figures, once all who are there have it. @param times by host: seconds after the order. */
  readonly figures?: (times: ReadonlyMap<number, number>) => Promise<Readonly<Record<string, number>>>
}

export interface Scenario {
  readonly nodes: number
  readonly rateMbit: number
  readonly wan?: { readonly segments: number; readonly delay: string; readonly rateMbit: number }
  /** Links that are not like the others, from the start, in Mbit/s; one number: both ways. */
  readonly rates?: Readonly<Record<number, number | { readonly up: number; readonly down: number }>>
  /** The coordinator has links measured before the order. */
  readonly isProbed?: boolean
  /** What the time is measured by, where neither the LAN nor the WAN is: a rate in Mbit/s. */
  readonly boundMbit?: number
  /** How it is published, where not as all are. */
  readonly options?: readonly string[]
  /** What happens after the order. */
  readonly event?: (stage: Stage) => Promise<Outcome>
  /** Nodes that are told apart, and what the time of each is measured by, in Mbit/s. */
  readonly apart?: Readonly<Record<number, number>>
  /** Part of the nodes that must have it before the job goes on. */
  readonly quorum?: string
  /** A host more, which joins when the event starts it. */
  readonly joiner?: number
}

const atHalf =
  (act: (stage: Stage) => Promise<Outcome | void>) =>
  async (stage: Stage): Promise<Outcome> => {
    await sleep(stage.halfS * 1000)
    return (await act(stage)) ?? {}
  }

/** The node that serves most is most likely to be the second root; which one is found by what it has sent. */
const busiest = async (nodes: number): Promise<number> => {
  const sent = await Promise.all(Array.from({ length: nodes }, (_, at) => carriedBytes(at + 1)))
  return sent.map(({ sent: bytes }, at) => ({ bytes, host: at + 1 })).sort((a, b) => b.bytes - a.bytes)[0]?.host ?? 1
}

const killBusiest = (nodes: number): ((stage: Stage) => Promise<Outcome>) =>
  atHalf(async ({ fleet }) => {
    const host = await busiest(nodes)
    await fleet.kill(host)
    return { gone: [host] }
  })

const PAGE_BYTES = 4096

/** Where a host keeps what has come of the content: the large file's parcel, or the stream; null: nothing has come. */
const contentOf = (fleet: LabFleet, host: number): string | null => {
  const directory = `${fleet.dataOf(host)}/assignments`
  const names = existsSync(directory) ? readdirSync(directory) : []
  const parcels = names.find((each) => each.endsWith('.parcels'))
  const [parcel] = parcels === undefined ? [] : readdirSync(`${directory}/${parcels}`)
  if (parcel !== undefined) return `${directory}/${parcels}/${parcel}`
  const stream = names.find((each) => each.endsWith('.stream'))
  return stream === undefined ? null : `${directory}/${stream}`
}

/** Which of these pages are holes in a file; random content has no page that begins with zeros. */
function holesOf(path: string, pages: readonly number[]): readonly number[] {
  const file = openSync(path, 'r')
  const begin = Buffer.alloc(64)
  const isHole = (page: number): boolean => {
    begin.fill(0)
    readSync(file, begin, 0, begin.length, page * PAGE_BYTES)
    return begin.every((byte) => byte === 0)
  }
  try {
    return pages.filter(isHole)
  } finally {
    closeSync(file)
  }
}

/** All pages of the content. */
const pagesOf = ({ sizeBytes }: Stage): number[] =>
  Array.from({ length: Math.floor(sizeBytes / PAGE_BYTES) }, (_, page) => page)

/** Each part of the content is on one node at least. */
async function oneCopyIsOut(stage: Stage, nodes: number): Promise<void> {
  const { fleet, sizeBytes } = stage
  await until('the source has sent its copy', async () => (await carriedBytes(0)).sent >= sizeBytes)
  let missing: readonly number[] = pagesOf(stage)
  await until('one copy is out', () => {
    for (let host = 1; host <= nodes; host++) {
      const path = contentOf(fleet, host)
      if (path !== null) missing = holesOf(path, missing)
    }
    return missing.length === 0
  })
}

/** Dies at nine tenths and is started again: fetches what it lacked, and next to nothing more. */
async function restartAtNineTenths(stage: Stage): Promise<Outcome> {
  const { fleet, sizeBytes } = stage
  const host = 3
  const all = pagesOf(stage)
  let lacking: readonly number[] = all
  const look = (): void => {
    const path = contentOf(fleet, host)
    if (path !== null) lacking = holesOf(path, lacking)
  }
  const isTime = (): boolean => {
    look()
    return lacking.length <= all.length / 10
  }
  await until('it has nine tenths', isTime, () => fleet.story())
  await fleet.kill(host)
  look()
  await sleep(1000)
  const before = await receivedBytes(host)
  fleet.start(host)
  return {
    figures: async () => ({
      lackedRatio: lacking.length / all.length,
      fetchedRatio: ((await receivedBytes(host)) - before) / sizeBytes,
    }),
  }
}

/** Joins at half of the time; its own begins when its process is started. */
const joinAtHalf = (host: number): ((stage: Stage) => Promise<Outcome>) =>
  atHalf(async ({ fleet, halfS }) => {
    fleet.start(host)
    return { figures: async (times) => ({ joinerRatio: ((times.get(host) ?? Number.NaN) - halfS) / (2 * halfS) }) }
  })

/** The source goes away when it is time, and is back when all have everything without it. */
async function sourceKilled(stage: Stage, nodes: number, isTime: Promise<unknown>): Promise<Outcome> {
  const { fleet, halfS } = stage
  await isTime
  await fleet.kill(0)
  const hosts = Array.from({ length: nodes }, (_, at) => at + 1)
  const held = (): number => hosts.filter((host) => fleet.isHeld(host, 'www', 1)).length
  const heldThen = held()
  const killedMs = performance.now()
  const why = (): string => `${held()} have it ${fleet.story()}`
  await until('all have it without the source', () => held() === nodes, why)
  const aloneS = (performance.now() - killedMs) / 1000
  fleet.start(0)
  const startedMs = performance.now()
  // From its start until all that is asked of it and of the nodes is as it is.
  const learntS = (): number => (performance.now() - startedMs) / 1000
  return { figures: async () => ({ heldThen, alone: aloneS / (2 * halfS), learntS: learntS() }) }
}

/** One node has all of it. */
const oneHolds = ({ fleet }: Stage, nodes: number): Promise<unknown> =>
  until('a node holds it', () =>
    Array.from({ length: nodes }, (_, at) => at + 1).some((host) => fleet.isHeld(host, 'www', 1)),
  )

/** Those at half the rate have half of their work left when the source has sent its copy. */
const halfAtHalf = { 5: 50, 6: 50, 7: 50, 8: 50 }

/** Uplinks spread by ten, log-uniformly, with a sum above that of the others' needs. */
const uneven: Scenario = {
  nodes: 8,
  rateMbit: 1000,
  rates: Object.fromEntries([100, 32, 44, 61, 85, 118, 164, 228, 316].map((up, host) => [host, { up, down: 1000 }])),
  boundMbit: 100,
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  'flat-8': { nodes: 8, rateMbit: 100 },
  'flat-16': { nodes: 16, rateMbit: 50 },
  'flat-64': { nodes: 64, rateMbit: 8 },
  'mixed-8': { nodes: 8, rateMbit: 100, rates: { 1: 20, 2: 500 }, apart: { 1: 20 } },
  'mixed-8-probed': { nodes: 8, rateMbit: 100, rates: { 1: 20, 2: 500 }, apart: { 1: 20 }, isProbed: true },
  'uneven-8': uneven,
  'uneven-8-probed': { ...uneven, isProbed: true },
  'decay-8': {
    nodes: 8,
    rateMbit: 100,
    apart: { 3: 100 },
    event: atHalf(({ mbit }) => shape(3, { up: mbit(5) }).then(() => {})),
  },
  'decay-16': {
    nodes: 16,
    rateMbit: 50,
    apart: { 3: 50 },
    event: atHalf(({ mbit }) => shape(3, { up: mbit(2.5) }).then(() => {})),
  },
  'relay-killed-8': { nodes: 8, rateMbit: 100, quorum: '50%', event: killBusiest(8) },
  'relay-killed-16': { nodes: 16, rateMbit: 50, quorum: '50%', event: killBusiest(16) },
  'machine-gone-8': {
    nodes: 8,
    rateMbit: 100,
    quorum: '50%',
    event: atHalf(() => cut(3, true).then(() => ({ gone: [3] }))),
  },
  'wan-4x4': {
    nodes: 15,
    rateMbit: 200,
    wan: { segments: 4, delay: '20ms', rateMbit: 40 },
  },
  // The source sends its copy as fast as its link allows.
  'source-killed-8': {
    nodes: 8,
    rateMbit: 100,
    rates: halfAtHalf,
    apart: halfAtHalf,
    event: (stage) => sourceKilled(stage, 8, oneCopyIsOut(stage, 8)),
  },
  // Of a cascade one node has all of it first; most of the others have nothing yet.
  'source-killed-cascade-8': {
    nodes: 8,
    rateMbit: 100,
    rates: halfAtHalf,
    apart: halfAtHalf,
    options: ['--strategy', 'cascade', '--fanout', '1'],
    event: (stage) => sourceKilled(stage, 8, oneHolds(stage, 8)),
  },
  'restarted-8': { nodes: 8, rateMbit: 100, apart: { 3: 100 }, event: restartAtNineTenths },
  'joined-8': { nodes: 8, rateMbit: 100, joiner: 9, apart: { 9: 100 }, event: joinAtHalf(9) },
}

/** Those in which somebody dies, goes away or comes. */
export const faults: readonly string[] = [
  'relay-killed-8',
  'relay-killed-16',
  'machine-gone-8',
  'source-killed-8',
  'source-killed-cascade-8',
  'restarted-8',
  'joined-8',
]
