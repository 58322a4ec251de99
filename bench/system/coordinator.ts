// What the coordinator costs: receipts that it puts on record in a second, and one job for ten thousand nodes.
//
//   npm run bench:coordinator -- [--receipts 100000] [--nodes 10000] [--rounds 3] [--dir DIR]
//
// Receipts go through the coordinator's own book into its own database, a file with every sync that it has in
// production, as many at once as nodes would have told. What it takes to check as many signatures is told apart.
// The job is a real one, packed from a directory; its nodes are in this process and answer at once, without sockets,
// so that what is measured is what the coordinator does for each of them.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import type * as BaseClock from '../../src/base/clock.js'
import type * as BaseLimits from '../../src/base/limits.js'
import type * as BaseLog from '../../src/base/log.js'
import type * as ControlMetrics from '../../src/control/metrics.js'
import type * as BaseRandom from '../../src/base/random.js'
import type * as BaseSigning from '../../src/base/signing.js'
import type * as ControlRequests from '../../src/control/requests.js'
import type * as CoordinatorAsking from '../../src/coordinator/asking.js'
import type * as CoordinatorListening from '../../src/coordinator/listening.js'
import type * as CoordinatorOpening from '../../src/coordinator/opening.js'
import type * as CoordinatorRecovering from '../../src/coordinator/recovering.js'
import type * as CoordinatorTicking from '../../src/coordinator/ticking.js'
import type * as CoordinatorWebhookDesk from '../../src/coordinator/webhook-desk.js'
import type * as JobsJob from '../../src/jobs/job.js'
import type * as ModelProof from '../../src/model/proof.js'
import type { NodeSession } from '../../src/control/door/channel.js'
import type { FromCoordinator, Report } from '../../src/control/schema/channel.js'
import type { Door } from '../../src/coordinator/asking.js'
import type { World } from '../../src/coordinator/world.js'
import type { Receipt } from '../../src/model/job.js'
import { keepResult, machineBusy, median } from '../machine.js'

/** A module as it was built into dist/: what is measured is what is shipped. */
const built = <T>(name: string): Promise<T> =>
  import(new URL(`../../dist/src/${name}.js`, import.meta.url).href) as Promise<T>

const { systemClock } = await built<typeof BaseClock>('base/clock')
const { PROGRESS_INTERVAL_MS } = await built<typeof BaseLimits>('base/limits')
const { silentLogger } = await built<typeof BaseLog>('base/log')
const { createMetrics } = await built<typeof ControlMetrics>('control/metrics')
const { idSource, systemRandom } = await built<typeof BaseRandom>('base/random')
const { Signer } = await built<typeof BaseSigning>('base/signing')
const { publishRequest } = await built<typeof ControlRequests>('control/requests')
const asking = await built<typeof CoordinatorAsking>('coordinator/asking')
const { nodeConnected } = await built<typeof CoordinatorListening>('coordinator/listening')
const { openWorld, OpenedWorld } = await built<typeof CoordinatorOpening>('coordinator/opening')
const { recover } = await built<typeof CoordinatorRecovering>('coordinator/recovering')
const { Ticking } = await built<typeof CoordinatorTicking>('coordinator/ticking')
const { WebhookDesk } = await built<typeof CoordinatorWebhookDesk>('coordinator/webhook-desk')
const { isFinal } = await built<typeof JobsJob>('jobs/job')
const { isReportSigned, signReport } = await built<typeof ModelProof>('model/proof')

const { values } = parseArgs({
  options: {
    receipts: { type: 'string', default: '100000' },
    nodes: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
    keep: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const receiptCount = Number(values.receipts)
const nodeCount = Number(values.nodes)
const uploads = { maxBytes: 0, keepMs: 1000, freeBytes: 0 }
const HASH = 'ab'.repeat(32)
const SITE = 'www'
const COMMIT_NUMBER = 2

const hexId = (n: number): string => n.toString(16).padStart(32, '0')
const seconds = (ms: number): number => Math.round(ms) / 1000

interface Place {
  readonly world: World
  readonly door: Door
  readonly staging: string
  close(): Promise<void>
}

/** A coordinator without its server, as it is behind it. */
async function open(): Promise<Place> {
  const directory = mkdtempSync(`${values.dir}/coordinator-bench-`)
  const staging = `${directory}/staging`
  mkdirSync(staging)
  writeFileSync(`${staging}/index.html`, 'hello')
  const closing = new AbortController()
  const opened = new OpenedWorld()
  const own = {
    dataDir: `${directory}/data`,
    data: { host: '127.0.0.1', port: 0, announceHost: null },
    segment: 'default',
    repair: true,
    quotas: { jobs: 1000, releaseBytes: null },
    allowPrivate: false,
  }
  const common = { log: silentLogger, clock: systemClock, metrics: createMetrics(), closing: closing.signal }
  const world = await openWorld({ ...own, ...common, uploads }, opened)
  await recover(world)
  world.openedAtMs = systemClock.monotonicMs()
  const newJobId = idSource(() => systemClock.nowMs(), systemRandom)
  const webhooks = new WebhookDesk({ world, newId: newJobId, allowPrivate: false })
  const version = { name: 'bench', version: '0', apiVersion: 1, channelVersion: 1, coordinatorId: '', publicKey: '' }
  const door = new asking.Door({ world, newJobId, version, webhooks })
  const ticking = new Ticking(world)
  const cancel = systemClock.setInterval(PROGRESS_INTERVAL_MS, () => ticking.tick())
  const close = async (): Promise<void> => {
    cancel()
    closing.abort(new Error('the bench is over'))
    await Promise.allSettled(world.background)
    await opened.close(silentLogger)
    rmSync(directory, { recursive: true, force: true })
  }
  return { world, door, staging, close }
}

/** A node that has whatever it is told to have, as soon as it is told. */
class QuickNode {
  readonly #world: World
  readonly #id: string
  readonly #name: string
  #session: NodeSession | null = null
  #reportId = 1

  constructor(world: World, index: number) {
    this.#world = world
    this.#id = hexId(index + 1)
    this.#name = `n${index}`
  }

  join(): void {
    const link = { send: (message: FromCoordinator) => this.#take(message), close: () => {} }
    const dataAddress = { host: '127.0.0.1', port: 9 }
    const node = { id: this.#id, name: this.#name, groups: ['edge'], segment: 'here', dataAddress }
    const hello = { type: 'hello', version: 1, role: 'node', software: 'bench', node, sites: [] } as const
    this.#session = nodeConnected(this.#world, link, {
      ...hello,
      node: { ...node, groups: [...node.groups] },
      sites: [],
    })
  }

  #take(message: FromCoordinator): void {
    if (message.type !== 'stage' && message.type !== 'commit') return
    const { commandId, jobId, number, site, release, treeHash } = message
    const command = message.type === 'stage' ? ('publish' as const) : message.command
    const tell = (kind: Report['kind']): void => {
      const about = { commandId, jobId, number, site, release, treeHash, command, kind }
      const rest = { atMs: 1, bytesFetched: 0, output: null, error: null }
      this.#session?.onMessage({ type: 'report', reportId: this.#reportId++, ...about, ...rest })
    }
    // As over a network: not within the call that told it.
    setImmediate(() => {
      if (message.type === 'stage') tell('receipt')
      tell('completion')
    })
  }
}

const receiptOf = (jobId: string, index: number): Receipt => ({
  jobId,
  number: COMMIT_NUMBER,
  commandId: `${jobId}.commit.1`,
  site: SITE,
  nodeId: hexId(index),
  nodeName: `n${index}`,
  command: 'commit',
  kind: 'completion',
  release: 1,
  treeHash: HASH,
  atMs: 1,
  recordedAtMs: 1,
  bytesFetched: 0,
  output: null,
  error: null,
  signature: 'cd'.repeat(64),
  publicKey: HASH,
})

interface Took {
  /** By the clock on the wall. */
  readonly seconds: number
  /** Of all threads of this process: on a machine that others use, too, only this can be compared. */
  readonly cpuSeconds: number
}

async function timed(work: () => unknown): Promise<Took> {
  const [startMs, before] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(before)
  return { seconds: seconds(performance.now() - startMs), cpuSeconds: seconds((user + system) / 1000) }
}

/** How long it takes until so many receipts are on record. */
function recordReceipts({ world }: Place, jobId: string, round: number): Promise<Took> {
  const receipts = Array.from({ length: receiptCount }, (_, i) => receiptOf(jobId, round * receiptCount + i))
  return timed(() => Promise.all(receipts.map((receipt) => world.receiptBook.record(receipt))))
}

/** What the checks of a tenth as many signatures take: this room has one thread for them. */
function checkSignatures(): Promise<Took> {
  const signer = new Signer(Buffer.alloc(32, 7))
  const facts = receiptOf('job', 1)
  const signature = signReport(facts, signer)
  return timed(() => {
    for (let i = 0; i < receiptCount / 10; i++) {
      if (!isReportSigned(facts, signer.publicKey, signature)) throw new Error('a good signature is refused')
    }
  })
}

const joinAll = ({ world }: Place): Promise<Took> =>
  timed(async () => {
    for (let i = 0; i < nodeCount; i++) new QuickNode(world, i).join()
    await Promise.all(world.roster.all.map((known) => known.inbox))
  })

/** From the request for a job to its end. */
async function runJob({ door, staging }: Place, text: string): Promise<string> {
  writeFileSync(`${staging}/index.html`, text)
  const request = publishRequest({ directory: staging, upload: null }, { site: SITE, group: 'edge', maxDeleteRatio: 1 })
  const { id } = await door.createJob(request)
  for await (const event of door.watchJob(id, 0, new AbortController().signal)) {
    if (!isFinal(event.job.state)) continue
    const live = event.job.nodes.filter(({ state }) => state === 'live').length
    if (live !== nodeCount) throw new Error(`${live} of ${nodeCount} nodes are live: ${event.job.error?.message ?? ''}`)
  }
  return id
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const told = ({ seconds: wall, cpuSeconds }: Took): string => `${wall} s (${cpuSeconds} s of CPU)`
const perSecond = (count: number, all: readonly Took[]): { readonly perS: number; readonly perCpuS: number } => ({
  perS: Math.round(count / median(all.map((each) => each.seconds))),
  perCpuS: Math.round(count / median(all.map((each) => each.cpuSeconds))),
})

const before = machineBusy()
const place = await open()
const join = await joinAll(place)
say(`${nodeCount} nodes joined in ${told(join)}`)
const [jobs, records, checks]: [Took[], Took[], Took[]] = [[], [], []]
for (let round = 0; round < Number(values.rounds); round++) {
  let id = ''
  const job = await timed(async () => {
    id = await runJob(place, `round ${round}`)
  })
  const record = await recordReceipts(place, id, round + 1)
  const check = await checkSignatures()
  jobs.push(job)
  records.push(record)
  checks.push(check)
  const checked = receiptCount / 10
  say(`job ${told(job)}; ${receiptCount} receipts ${told(record)}; ${checked} signatures checked ${told(check)}`)
}
await place.close()
const after = machineBusy()
const result = {
  parameters: { receiptCount, nodeCount, directory: values.dir },
  machineBusyRatio: Math.round(((after.busyS - before.busyS) / (after.totalS - before.totalS)) * 100) / 100,
  join,
  job: { seconds: median(jobs.map((each) => each.seconds)), cpuSeconds: median(jobs.map((each) => each.cpuSeconds)) },
  receipts: perSecond(receiptCount, records),
  signatureChecks: perSecond(receiptCount / 10, checks),
  rounds: { jobs, records, checks },
}
say(JSON.stringify(result))
if (values.keep) say(`kept in ${keepResult('coordinator', result)}`)
