// Plays a scenario in the lab: measures it, and looks whether what came of it is right.
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { JobView, Receipt } from '../../src/model/job.js'
import { carriedBytes, LabFleet, labDown, labUp, shape, wanBytes } from '../../test/support/lab.js'
import { until } from '../../test/support/until.js'
import { machineBusy, median } from '../machine.js'
import { type Outcome, type Scenario, scenarios, type Stage } from './trouble-scenarios.js'

const MIB = 2 ** 20
/** What content is where neither rates nor times are scaled. */
const SIZE_MIB = 128
const BITS = 8
const SECOND_MS = 1000

export interface PlayOptions {
  /** Part of every rate; times stay as they are. */
  readonly scale: number
  /** Part of the time that a transfer takes. */
  readonly length: number
  readonly strategy: string
  /** Below it everything lies. */
  readonly directory: string
  readonly isTalkative: boolean
  /** Links are measured before in every scenario, not only where it says so. */
  readonly isProbed: boolean
}

export interface Figure {
  readonly scenario: string
  /** Seconds of the last of the others, over size ÷ rate. */
  readonly others: number
  readonly apart: Readonly<Record<string, number>>
  readonly medianNode: number
  readonly sourceCopies: number
  readonly busyRatio: number
  /** What was not right; nothing: all was. */
  readonly wrong: readonly string[]
}

export const sizeOf = ({ scale, length }: PlayOptions): number => Math.round(SIZE_MIB * MIB * scale * length)

const round = (value: number): number => Math.round(value * 1000) / 1000
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const digestOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** One run of a scenario. */
class Run {
  readonly #scenario: Scenario
  readonly #options: PlayOptions
  readonly #directory: string
  readonly #fleet: LabFleet
  readonly #sizeBytes: number
  #jobId = ''

  constructor(scenario: Scenario, options: PlayOptions, directory: string) {
    this.#scenario = scenario
    this.#options = options
    this.#directory = directory
    this.#fleet = new LabFleet(directory)
    this.#sizeBytes = sizeOf(options)
  }

  get #nodes(): number {
    return this.#scenario.nodes + (this.#scenario.joiner === undefined ? 0 : 1)
  }

  #mbit = (rate: number): string => `${Math.round(rate * this.#options.scale * 1000)}kbit`
  #boundS = (rateMbit: number): number => (this.#sizeBytes * BITS) / (rateMbit * this.#options.scale * 1e6)

  get #wholeS(): number {
    const { wan, rateMbit, boundMbit } = this.#scenario
    return this.#boundS(boundMbit ?? wan?.rateMbit ?? rateMbit)
  }

  /** The network, the nodes with their engines, as the scenario has them, and the content. */
  async #prepare(): Promise<void> {
    const { wan, rateMbit, nodes, rates = {}, isProbed = this.#options.isProbed } = this.#scenario
    const between =
      wan === undefined ? wan : { segments: wan.segments, link: `${this.#mbit(wan.rateMbit)},${wan.delay}` }
    await labUp(this.#nodes + 1, this.#mbit(rateMbit), between)
    mkdirSync(`${this.#directory}/content`)
    writeFileSync(`${this.#directory}/content/content.bin`, randomBytes(this.#sizeBytes))
    for (let host = 0; host <= nodes; host++) this.#fleet.start(host)
    await this.#fleet.nodesOnline(nodes)
    for (const [host, rate] of Object.entries(rates)) {
      const { up, down } = typeof rate === 'number' ? { up: rate, down: rate } : rate
      await shape(Number(host), { up: this.#mbit(up), down: this.#mbit(down) })
    }
    if (isProbed && (await this.#told('probe', '--group', 'edge')) === null) throw new Error('links were not measured')
  }

  async #told<T>(...args: readonly string[]): Promise<T | null> {
    const { code, stdout } = await this.#fleet.engine([...args, '--json'])
    return code === 0 ? (JSON.parse(stdout) as T) : null
  }

  async #receipts(): Promise<readonly (Receipt & { at: string })[]> {
    return (await this.#told<{ items: readonly (Receipt & { at: string })[] }>('receipts', this.#jobId))?.items ?? []
  }

  /** When each node said that it had every byte, in seconds after the order. */
  async #arrivals(): Promise<ReadonlyMap<number, number>> {
    const job = await this.#told<{ createdAt: string }>('job', 'show', this.#jobId)
    const all = (await this.#receipts()).filter(({ kind, command }) => kind === 'receipt' && command === 'publish')
    const begunMs = Date.parse(job?.createdAt ?? '')
    return new Map(all.map(({ nodeName, at }) => [Number(nodeName.slice(1)), (Date.parse(at) - begunMs) / SECOND_MS]))
  }

  /** Publishes, lets happen what happens, and waits until all who are not gone have it. */
  async #carry(): Promise<{ readonly times: ReadonlyMap<number, number>; readonly outcome: Outcome }> {
    const { event, quorum = '100%', options = ['--strategy', this.#options.strategy] } = this.#scenario
    const stage: Stage = {
      fleet: this.#fleet,
      halfS: this.#wholeS / 2,
      sizeBytes: this.#sizeBytes,
      mbit: this.#mbit,
    }
    // The content is where the source is, as it is for others that are measured.
    const how = [...options, '--no-upload', '--stage-only', '--quorum', quorum]
    const publish = this.#fleet.publish(`${this.#directory}/content`, ...how)
    const [ended, outcome = {}] = await Promise.all([publish.exited, event?.(stage)])
    const last = ended.stdout.trim().split('\n').at(-1) ?? '{}'
    const { job } = JSON.parse(last) as { job?: { id: string } }
    if (job === undefined) throw new Error(`${last}\n${ended.stderr}${this.#fleet.story()}`)
    this.#jobId = job.id
    let times = await this.#arrivals()
    const awaited = this.#hosts(outcome)
    const isEnough = async (): Promise<boolean> => {
      times = await this.#arrivals()
      return awaited.every((host) => times.has(host))
    }
    await until('the others have it', isEnough, () => `${[...times.keys()].join(' ')} ${this.#fleet.story()}`)
    return { times, outcome }
  }

  /** Hosts of nodes that must have it. */
  #hosts({ gone = [] }: Outcome): readonly number[] {
    return Array.from({ length: this.#nodes }, (_, at) => at + 1).filter((host) => !gone.includes(host))
  }

  /** What is not right: a copy, what the job says of a node, what is on record. */
  async #judge(outcome: Outcome): Promise<readonly string[]> {
    const hosts = this.#hosts(outcome)
    const statesOf = async (): Promise<ReadonlyMap<string, string>> =>
      new Map((await this.#told<JobView>('job', 'show', this.#jobId))?.nodes.map(({ name, state }) => [name, state]))
    let states = await statesOf()
    const areStaged = async (): Promise<boolean> => {
      states = await statesOf()
      return hosts.every((host) => states.get(`n${host}`) === 'staged')
    }
    await until('the job says so', areStaged, () => JSON.stringify([...states]) + this.#fleet.story())
    const receipts = (await this.#receipts()).filter(
      ({ kind, command }) => kind === 'completion' && command === 'publish',
    )
    const digest = digestOf(`${this.#directory}/content/content.bin`)
    return hosts.flatMap((host) => {
      const copy = `${this.#fleet.dataOf(host)}/sites/www/releases/1/content.bin`
      const isRight = this.#fleet.isHeld(host, 'www', 1) && digestOf(copy) === digest
      const count = receipts.filter(({ nodeName }) => nodeName === `n${host}`).length
      return [
        ...(isRight ? [] : [`n${host} differs`]),
        ...(count === 1 ? [] : [`n${host} is on record ${count} times`]),
      ]
    })
  }

  async play(scenario: string): Promise<Figure> {
    await this.#prepare()
    const { apart = {} } = this.#scenario
    const wanBefore = await wanBytes()
    const [sentBefore, busyBefore] = [(await carriedBytes(0)).sent, machineBusy()]
    const { times, outcome } = await this.#carry()
    const [sentAfter, busyAfter] = [(await carriedBytes(0)).sent, machineBusy()]
    const wanAfter = await wanBytes()
    const wrong = await this.#judge(outcome)
    const own = Object.entries(apart).map(([host, rate]) => [
      `n${host}`,
      (times.get(Number(host)) ?? Number.NaN) / this.#boundS(rate),
    ])
    const wanCopies = wanAfter.map((bytes, at) => (bytes - (wanBefore[at] ?? 0)) / this.#sizeBytes)
    const further = [
      ...Object.entries((await outcome.figures?.(times)) ?? {}),
      ...(wanCopies.length === 0 ? [] : [['wanCopies', Math.max(...wanCopies)] as const]),
    ]
    const others = [...times].filter(([host]) => apart[host] === undefined).map(([, seconds]) => seconds)
    if (this.#options.isTalkative) {
      say([...times].map(([host, seconds]) => `n${host} ${seconds.toFixed(2)}`).join('  ') + this.#fleet.story())
    }
    return {
      scenario,
      others: round(Math.max(...others) / this.#wholeS),
      apart: Object.fromEntries([...own, ...further].map(([name, value]) => [name, round(Number(value))])),
      medianNode: round(median(others) / this.#wholeS),
      sourceCopies: round((sentAfter - sentBefore) / this.#sizeBytes),
      busyRatio: round((busyAfter.busyS - busyBefore.busyS) / (busyAfter.totalS - busyBefore.totalS)),
      wrong,
    }
  }

  stop(): Promise<void> {
    return this.#fleet.stopAll()
  }
}

/** Plays a scenario once. @throws Error with the story of all processes, when it does not come to its end. */
export async function play(name: string, options: PlayOptions): Promise<Figure> {
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(`${name} is none of ${Object.keys(scenarios).join(', ')}`)
  const directory = mkdtempSync(`${options.directory}/trouble-`)
  const run = new Run(scenario, options, directory)
  try {
    return await run.play(name)
  } finally {
    await run.stop()
    rmSync(directory, { recursive: true, force: true })
    await labDown()
  }
}
