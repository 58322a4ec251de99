// Kills an engine right before its n-th call that makes state durable, for every n until it gets through a job of five
// commands unharmed, and starts it again each time.
//
//   npm run crash:points -- [--who node|coordinator] [--stride 1] [--offset 1] [--parallel 4] [--calls FILE]
//
// After each kill the job must come to its end: at every moment what readers see under `live` is one whole version and
// never an older one than before; the hook has run once or is told of as interrupted; what was recorded as done is
// there; and nothing is left over. With a stride every n-th point is tried, beginning with the offset.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { HEARTBEAT_MS, NODE_SILENT_MS } from '../../src/base/limits.js'
import { Client } from '../../src/client.js'
import { isFinal } from '../../src/jobs/job.js'
import type { CommandRequest, JobView, Receipt } from '../../src/model/job.js'
import { compileMishap } from '../support/mishap.js'
import { stablePort } from '../support/port.js'
import { type Running, startEngine } from '../support/process.js'
import { fingerprint, LiveReader } from '../support/trees.js'
import { until } from '../support/until.js'

type Who = 'node' | 'coordinator'

const { values } = parseArgs({
  options: {
    who: { type: 'string', default: 'node' },
    stride: { type: 'string', default: '1' },
    offset: { type: 'string', default: '1' },
    parallel: { type: 'string', default: '4' },
  },
})
const who: Who = values.who === 'coordinator' ? 'coordinator' : 'node'
const KILLED = 137
/** How often a point is tried on a machine that is too slow to have a killed engine back in time. */
const ATTEMPTS_MAX = 10
/** What a process writes its state under that is no part of it yet, and must be gone at the end. */
const passing = /^\.|\.new$|-new$/
/** Passing only by its name: where uploads that are interrupted say in which life they were. */
const staying = new Set(['.boot'])

const work = await mkdtemp('/dev/shm/distributary-crash-')
const mishap = await compileMishap(work)
const versions: string[] = []
for (const version of [0, 1]) {
  const staging = `${work}/staging-${version}`
  mkdirSync(`${staging}/deep`, { recursive: true })
  await writeFile(`${staging}/index.html`, `version ${version}\n`)
  await writeFile(`${staging}/deep/page.html`, `${version}`.repeat(5000))
  await writeFile(`${staging}/${version}.only`, 'x')
  if (version === 1) await cp(`${work}/staging-0/same`, `${staging}/same`, { preserveTimestamps: true })
  else await writeFile(`${staging}/same`, 'the same')
  versions.push(fingerprint(staging))
}

/** One engine and what becomes of it: it is started again when it was killed. */
class Victim {
  readonly #start: (under: readonly string[]) => Running
  #process: Running
  readonly #log: string
  killed = false
  #stopping = false
  #awayMs: Promise<number> = Promise.resolve(0)

  constructor(start: (under: readonly string[]) => Running, at: number, log: string) {
    this.#start = start
    this.#log = log
    this.#process = start([mishap, 'kill', String(at), '--log', log])
    void this.#watch()
  }

  get calls(): readonly string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').trim().split('\n') : []
  }

  get output(): string {
    return this.#process.output.slice(-1500)
  }

  async #watch(): Promise<void> {
    const { code } = await this.#process.exited
    if (code !== KILLED || this.#stopping) return
    const endedMs = performance.now()
    this.killed = true
    this.#process = this.#start([])
    this.#awayMs = this.#listens().then(() => performance.now() - endedMs)
    this.#awayMs.catch(() => {})
  }

  /** Whether it was away for so long that it counts as gone, which is the machine's doing and not its own. */
  async wasLate(): Promise<boolean> {
    return (await this.#awayMs) > NODE_SILENT_MS - HEARTBEAT_MS
  }

  /** Ends it in order; one that is killed while it ends is started and ended once more. */
  async stop(): Promise<void> {
    if (this.killed) await this.#listens()
    this.#stopping = true
    const { code } = await this.#process.stop('SIGTERM')
    if (code === 0) return
    if (code !== KILLED) throw new Error(`it ended with ${code}: ${this.output}`)
    this.killed = true
    this.#process = this.#start([])
    await this.#listens()
    await this.#process.stop('SIGTERM')
  }

  /** Before it listens, a request to end ends it without a word. */
  async #listens(): Promise<void> {
    await until('it listens again', () => /nodeId|listening|coordinatorId/.test(this.#process.output))
  }
}

const commandsOf = (): readonly CommandRequest[] => [
  { type: 'publish', directory: `${work}/staging-0`, upload: null },
  { type: 'commit' },
  { type: 'run-hook', hook: 'note', args: {} },
  { type: 'publish', directory: `${work}/staging-1`, upload: null },
  { type: 'commit' },
  { type: 'end-job' },
]

/** One point's fleet: a coordinator and a node. */
class Place {
  readonly directory: string
  readonly name: string
  readonly client: Client
  readonly reader: LiveReader
  readonly #port: number

  constructor(name: string, port: number) {
    this.#port = port
    this.name = name
    this.directory = `${work}/${this.name}`
    mkdirSync(this.directory)
    this.client = new Client({ url: `http://127.0.0.1:${port}` })
    this.reader = new LiveReader(this.live, versions)
  }

  get live(): string {
    return `${this.directory}/node/sites/${this.name}/live`
  }

  get whereLive(): string {
    return `live is ${existsSync(this.live) ? readlinkSync(this.live) : 'not there'}`
  }

  async declareHook(): Promise<void> {
    const note = `echo ran >> ${this.directory}/story`
    await writeFile(`${this.directory}/node.yaml`, `node:\n  hooks:\n    note: {command: [sh, -c, "${note}"]}\n`)
  }

  startNode = (under: readonly string[] = []): Running => {
    const { url } = this.client
    const who = ['--role', 'node', '--join', url, '--name', this.name, '--group', this.name, '--segment', 'here']
    const config = ['--config', `${this.directory}/node.yaml`, '--data', `${this.directory}/node`]
    return startEngine(['serve', ...who, ...config, '--relay', '127.0.0.1:0'], { under })
  }

  startCoordinator = (under: readonly string[] = []): Running => {
    const listen = ['--listen', `127.0.0.1:${this.#port}`, '--relay', '127.0.0.1:0']
    return startEngine(['serve', '--role', 'coordinator', ...listen, '--data', `${this.directory}/coordinator`], {
      under,
    })
  }

  /** What the client is answered as soon as somebody answers. */
  async ask<T>(question: () => Promise<T>, explain: () => string): Promise<T> {
    const patient = (): Promise<T | undefined> => question().catch(unreachable)
    return until('the coordinator answers', patient, explain)
  }
}

/** The node counts when it is on record: a coordinator that is killed before that knows it again once it has called. */
const passingCodes = new Set(['ENGINE_ERR_COORDINATOR_UNREACHABLE', 'ENGINE_ERR_CLOSING', 'ENGINE_ERR_GROUP_EMPTY'])

/** Nobody answers now; everything else is an answer. */
function unreachable(error: unknown): undefined {
  if (passingCodes.has(String(Reflect.get(error as object, 'code')))) return undefined
  throw error
}

const completions = (receipts: readonly Receipt[]): readonly string[] =>
  receipts.filter(({ kind }) => kind === 'completion').map(({ number, command }) => `${number} ${command}`)

/** How often the hook ran, and whether that is what the job says. */
function hookFaults(place: Place, isInterrupted: boolean): readonly string[] {
  const story = existsSync(`${place.directory}/story`) ? readFileSync(`${place.directory}/story`, 'utf8') : ''
  const runs = story.split('\n').length - 1
  const isWell = isInterrupted ? runs <= 1 : runs === 1
  return isWell ? [] : [`the hook ran ${runs} times, interrupted: ${isInterrupted}`]
}

/** Releases on record as staged that are not there. One that an interrupted packing began was withdrawn. */
function missing(place: Place, job: JobView, receipts: readonly Receipt[]): readonly string[] {
  const staged = receipts.filter(({ command, kind }) => command === 'publish' && kind === 'completion')
  const kept = job.commands.map(({ release }) => release).filter((release) => release !== null)
  return kept
    .filter((release) => staged.some((each) => each.release === release))
    .filter((release) => !existsSync(`${dirname(place.live)}/releases/${release}`))
    .map((release) => `release ${release} is not there`)
}

/** What is wrong at the end of a point, one line each. */
function judge(place: Place, job: JobView, receipts: readonly Receipt[]): readonly string[] {
  const interrupted = receipts.some(({ error }) => error?.code === 'ENGINE_ERR_COMMAND_INTERRUPTED')
  const faults = [...place.reader.faults, ...hookFaults(place, interrupted), ...missing(place, job, receipts)]
  const wanted = interrupted ? ['failed', 'partial'] : ['succeeded']
  if (!wanted.includes(job.state)) faults.push(`the job is ${job.state}: ${job.error?.message ?? ''}`)
  const done = completions(receipts)
  if (job.state === 'succeeded' && !done.includes('5 commit')) faults.push(`its receipt is missing: ${done.join(', ')}`)
  const last = done.includes('5 commit') ? 1 : 0
  if (place.reader.seen !== last) faults.push(`version ${place.reader.seen} is live, ${last} is on record`)
  return faults
}

/** What is left over in a data directory. */
const leftIn = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((path) => {
    const name = path.split('/').at(-1) ?? ''
    return passing.test(name) && !staying.has(name)
  })

interface Point {
  readonly at: number
  /** The call before which it was killed; null: it was not. */
  readonly call: string | null
  readonly faults: readonly string[]
}

let shared: { readonly port: number; readonly process: Running } | null = null

/** Has a place do a job of five commands, to its end. */
async function runJob(place: Place, story: () => string): Promise<{ job: JobView; receipts: readonly Receipt[] }> {
  const { client, name } = place
  const request = { site: name, group: name, commands: commandsOf(), idempotencyKey: name }
  await place.ask(
    async () => (await client.nodes()).some((node) => node.name === name && node.online) || undefined,
    story,
  )
  const { id } = await place.ask(() => client.openJob(request), story)
  const job = await place.ask(async () => {
    const seen = await client.job(id)
    return isFinal(seen.state) ? seen : undefined
  }, story)
  if (job === undefined) throw new Error('the job has no end')
  const receipts = await place.ask(() => client.receipts(id), story)
  return { job, receipts }
}

/** Tries a point, and again when the machine was too slow for what it says to count. */
async function tryPoint(at: number): Promise<Point> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const name = attempt === 1 ? `n${at}` : `n${at}-${attempt}`
    const point = await tryOnce(at, new Place(name, shared?.port ?? (await stablePort())))
    if (point !== 'late') return point
    process.stderr.write(`${who} ${at}: it was back too late, attempt ${attempt}\n`)
  }
  throw new Error(`the machine is too slow: ${ATTEMPTS_MAX} times it was back too late`)
}

async function tryOnce(at: number, place: Place): Promise<Point | 'late'> {
  const log = `${place.directory}/calls`
  await place.declareHook()
  const isNode = who === 'node'
  const victim = new Victim(isNode ? place.startNode : place.startCoordinator, at, log)
  const other = isNode ? null : place.startNode()
  const story = (): string => `${victim.output}\n${other?.output.slice(-1500) ?? ''}`
  const { job, receipts } = await runJob(place, story).finally(async () => {
    place.reader.stop()
    await victim.stop()
    await other?.stop()
  })
  if (job.error?.code === 'ENGINE_ERR_QUORUM' && (await victim.wasLate())) return 'late'
  const faults = [...judge(place, job, receipts), ...leftIn(place.directory).map((path) => `${path} is left over`)]
  const call = victim.killed ? (victim.calls[at - 1] ?? 'unknown') : null
  if (faults.length === 0) await rm(place.directory, { recursive: true, force: true })
  else faults.push(`${place.whereLive}; ${story()}`)
  return { at, call, faults }
}

async function sweep(stride: number, offset: number, parallel: number): Promise<readonly Point[]> {
  const points: Point[] = []
  let next = offset
  let through = false
  const lane = async (): Promise<void> => {
    while (!through) {
      const at = next
      next += stride
      const point = await tryPoint(at).catch((error: unknown) => ({ at, call: null, faults: [String(error)] }))
      points.push(point)
      process.stdout.write(`${JSON.stringify({ who, ...point })}\n`)
      if (point.call === null) through = true
    }
  }
  await Promise.all(
    Array.from({ length: parallel }, async (_, index) => {
      await sleep(index * 300)
      await lane()
    }),
  )
  return points
}

if (who === 'node') {
  const place = new Place('n0', await stablePort())
  place.reader.stop()
  shared = { port: Number(new URL(place.client.url).port), process: place.startCoordinator() }
}
try {
  const points = await sweep(Number(values.stride), Number(values.offset), Number(values.parallel))
  const killed = points.filter(({ call }) => call !== null)
  const bad = points.filter(({ faults }) => faults.length > 0)
  const last = Math.max(...killed.map(({ at }) => at))
  process.stdout.write(`${JSON.stringify({ who, points: killed.length, lastPoint: last, faulty: bad.length })}\n`)
  process.exitCode = bad.length === 0 && killed.length > 0 ? 0 : 1
} finally {
  await shared?.process.stop()
  if (process.exitCode === 0) await rm(work, { recursive: true, force: true })
}
