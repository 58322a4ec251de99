// One run of `engine bench fanout`: a fleet of its own, one publish that is staged, what befalls a node half-way, and a
// look at every copy.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../base/clock.js'
import { EngineError } from '../../base/errors.js'
import { PROGRESS_INTERVAL_MS } from '../../base/limits.js'
import { type FanoutCase, type FanoutRun, patienceMsOf } from '../../bench/fanout.js'
import { busyRatioOf, cpuSecondsOf, machineTimeOf, type MachineTime } from '../../bench/processor.js'
import { Client } from '../../control/client.js'
import type { Job } from '../../control/door/jobs.js'
import type { JobNode, JobView } from '../../model/job.js'
import { FLEET_GROUP, LocalFleet, nameOf } from '../local-fleet.js'
import type { Grounds } from './bench-fanout-grounds.js'

const SITE = 'bench'
/** A fault befalls a node when all nodes together have this share of what they are to get. */
const FAULT_AT = 0.5
/** The coordinator counts what it has sent a few times a second. */
const COUNTED_AFTER_MS = 3 * PROGRESS_INTERVAL_MS

/** What is brought to all nodes: a directory with one file. */
export interface Content {
  readonly directory: string
  readonly file: string
  readonly sizeBytes: number
  readonly digest: string
}

export interface FanoutRunParts {
  readonly clock: Clock
  readonly grounds: Grounds
  /** Where the run may make a directory of its own. */
  readonly directory: string
  readonly content: Content
  readonly stop: AbortSignal
  readonly tell: (said: string) => void
}

/** A run that counts for nothing, and goes on with the next: it says why. */
class Unfit extends Error {}

/**
 * Makes one run; nothing of it is left.
 * @throws {EngineError} ENGINE_ERR_CANCELLED when it is to stop, and what keeps a fleet from starting.
 */
export async function runFanout(what: FanoutCase, repetition: number, parts: FanoutRunParts): Promise<FanoutRun> {
  const { grounds, stop, tell } = parts
  await grounds.prepare(what)
  const directory = await mkdtemp(`${parts.directory}/run-`)
  let fleet: LocalFleet | null = null
  try {
    tell('starting')
    fleet = await LocalFleet.start({ directory, nodeCount: what.nodeCount, ...grounds.fleetOf(what) })
    const measured = await new Measuring(what, fleet, parts).run()
    return { case: what, repetition, ...measured, failure: null }
  } catch (error) {
    stop.throwIfAborted()
    if (!(error instanceof Unfit)) throw error
    const nothing = { arrivals: [], awaited: 0, sourceCopies: 0, cpuSeconds: 0, busyRatio: 0 }
    return { case: what, repetition, ...nothing, failure: error.message }
  } finally {
    await fleet?.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

class Measuring {
  readonly #case: FanoutCase
  readonly #fleet: LocalFleet
  readonly #parts: FanoutRunParts
  readonly #api: Client
  /** Whom the fault befell. */
  #victim: number | null = null
  /** What processes had used of the processor when they ended. */
  #lostCpuSeconds = 0

  constructor(what: FanoutCase, fleet: LocalFleet, parts: FanoutRunParts) {
    this.#case = what
    this.#fleet = fleet
    this.#parts = parts
    this.#api = new Client({ url: fleet.url })
  }

  async run(): Promise<Omit<FanoutRun, 'case' | 'repetition' | 'failure'>> {
    const { clock, content, stop, tell } = this.#parts
    const { strategy, fault, nodeCount } = this.#case
    await this.#fleet.gather(this.#api, clock, stop, (online) => tell(`${online} of ${nodeCount} nodes have joined`))
    const [cpuBefore, machineBefore, beganMs] = [await this.#cpuSeconds(), await machineTime(), clock.nowMs()]
    // Half of the nodes are enough for it to go on without one of them.
    const policy = { strategy, quorum: fault === 'none' ? 1 : 0.5 }
    const options = { site: SITE, group: FLEET_GROUP, stageOnly: true, ...policy }
    const job = await this.#api.publish(content.directory, options)
    const view = await this.#follow(job)
    const cpuSeconds = (await this.#cpuSeconds()) + this.#lostCpuSeconds - cpuBefore
    const busyRatio = busyRatioOf(machineBefore, await machineTime())
    const arrivals = await this.#arrivals(job.id, beganMs)
    await clock.sleep(COUNTED_AFTER_MS, stop)
    const sourceCopies = (await this.#sentBytes()) / content.sizeBytes
    await this.#compare(view)
    return { arrivals, awaited: this.#awaited.length, sourceCopies, cpuSeconds, busyRatio }
  }

  /** Hosts that are to be complete. */
  get #awaited(): readonly number[] {
    const hosts = Array.from({ length: this.#case.nodeCount }, (_, at) => at + 1)
    // A slow uplink keeps nobody from receiving.
    return this.#case.fault === 'slow' ? hosts : hosts.filter((host) => host !== this.#victim)
  }

  /** Has the fault happen half-way; ends when everybody that is to be complete is. */
  async #follow(job: Job): Promise<JobView> {
    const { clock, content, stop } = this.#parts
    const patience = new AbortController()
    const patienceMs = patienceMsOf(content.sizeBytes, this.#case)
    const cancel = clock.setTimer(patienceMs, () => patience.abort())
    const beganMs = clock.monotonicMs()
    try {
      for await (const event of job.progress({ signal: AbortSignal.any([stop, patience.signal]) })) {
        const view = event.job
        this.#tell(view.nodes, clock.monotonicMs() - beganMs)
        if (view.error !== null) throw new Unfit(view.error.message)
        if (await this.#isComplete(view.nodes)) return view
        if (event.type === 'result') throw new Unfit(`the job ended as ${view.state}`)
      }
    } finally {
      cancel()
    }
    stop.throwIfAborted()
    throw new Unfit(
      patience.signal.aborted ? `not over after ${Math.round(patienceMs / 1000)} s` : 'its job told no end',
    )
  }

  #tell(nodes: readonly JobNode[], tookMs: number): void {
    const complete = nodes.filter(({ state }) => state === 'staged').length
    const brought = Math.floor(100 * this.#broughtShare(nodes))
    const happened = this.#victim === null ? '' : `, ${nameOf(this.#victim)} ${this.#case.fault}`
    const seconds = (tookMs / 1000).toFixed(1)
    this.#parts.tell(`${brought}% brought in ${seconds} s, ${complete}/${nodes.length} nodes complete${happened}`)
  }

  #broughtShare(nodes: readonly JobNode[]): number {
    const { sizeBytes } = this.#parts.content
    const brought = nodes.reduce((sum, { bytesHave }) => sum + Math.min(bytesHave, sizeBytes), 0)
    return brought / (nodes.length * sizeBytes)
  }

  async #isComplete(nodes: readonly JobNode[]): Promise<boolean> {
    const { fault } = this.#case
    if (fault !== 'none' && this.#victim === null && this.#broughtShare(nodes) >= FAULT_AT) await this.#strike(nodes)
    const awaited = new Set(this.#awaited.map(nameOf))
    const own = nodes.filter(({ name }) => awaited.has(name))
    const failed = own.find(({ state }) => state === 'failed')
    if (failed !== undefined) throw new Unfit(`${failed.name} failed: ${failed.reason ?? 'it says nothing'}`)
    return own.every(({ state }) => state === 'staged')
  }

  /** Who has most is most likely to serve others. */
  async #strike(nodes: readonly JobNode[]): Promise<void> {
    if (nodes.every(({ state }) => state === 'staged')) throw new Unfit('it was over before anything could happen')
    const [first] = nodes.toSorted((a, b) => b.bytesHave - a.bytesHave)
    const host = this.#awaited.find((each) => nameOf(each) === first?.name)
    const struck = host === undefined ? undefined : this.#fleet.processes[host]
    if (host === undefined || struck === undefined) throw new Unfit('there is no node')
    this.#victim = host
    switch (this.#case.fault) {
      case 'none':
        return
      case 'killed':
        this.#lostCpuSeconds = await cpuSecondsOfProcess(struck.pid)
        return struck.signal('SIGKILL')
      case 'paused':
        return struck.signal('SIGSTOP')
      case 'slow':
        return this.#parts.grounds.slow(this.#api, host, this.#case)
    }
  }

  /** When nodes said that they had every byte, in seconds after the order. */
  async #arrivals(jobId: string, beganMs: number): Promise<readonly number[]> {
    const awaited = new Set(this.#awaited.map(nameOf))
    const receipts = await this.#api.receipts(jobId)
    const own = receipts.filter(({ kind, command, nodeName }) => {
      return kind === 'receipt' && command === 'publish' && awaited.has(nodeName)
    })
    if (own.length !== awaited.size) throw new Unfit(`${own.length} of ${awaited.size} nodes have given a receipt`)
    return own.map(({ atMs }) => (atMs - beganMs) / 1000).toSorted((a, b) => a - b)
  }

  /** What the coordinator's relay has sent of contents. */
  async #sentBytes(): Promise<number> {
    const text = await (await fetch(`${this.#fleet.url}/metrics`, { signal: this.#parts.stop })).text()
    const [, value = '0'] = /^engine_transfer_bytes_total\{[^}]*"sent"[^}]*\} (\S+)$/m.exec(text) ?? []
    return Number(value)
  }

  async #cpuSeconds(): Promise<number> {
    const all = await Promise.all(this.#fleet.processes.map(({ pid }) => cpuSecondsOfProcess(pid)))
    return all.reduce((sum, seconds) => sum + seconds, 0)
  }

  async #compare({ release }: JobView): Promise<void> {
    const { content, tell } = this.#parts
    for (const host of this.#awaited) {
      tell(`comparing the copy of ${nameOf(host)}`)
      const copy = `${this.#fleet.releaseOf(host, SITE, release ?? 0)}/${content.file}`
      if ((await digestOf(copy)) !== content.digest) throw new Unfit(`the copy of ${nameOf(host)} is not the source's`)
    }
  }
}

/** @returns 0 of one that is gone. */
async function cpuSecondsOfProcess(pid: number | null): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return cpuSecondsOf(stat) ?? 0
}

const machineTime = async (): Promise<MachineTime> => machineTimeOf(await readFile('/proc/stat', 'utf8'))

/** SHA-256 of a file, in hexadecimal. @throws {EngineError} ENGINE_ERR_IO. */
async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  } catch (error) {
    throw new EngineError('ENGINE_ERR_IO', { what: path, why: String(error) }, { cause: error })
  }
  return hash.digest('hex')
}
