// Where schedules of the soak are played one after the other: a coordinator and nodes on loopback, held to a rate.
// Each schedule has a group and a site of its own, so that what one leaves behind is no part of the next.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Client } from '../../../src/client.js'
import { EngineError } from '../../../src/base/errors.js'
import { Fleet } from '../../support/fleet.js'
import { Proxy } from '../../support/proxy.js'
import { isCuttable, RATE_MIB_PER_S, type Schedule } from './schedule.js'

/** What is written under these names is not yet part of anything, and must be gone at the end. */
const passing = /^\.|\.new$|-new$/
/** Passing only by its name: where uploads that are interrupted say in which life they were. */
const staying = new Set(['.boot'])

export const groupOf = ({ number }: Schedule): string => `g${number}`
export const siteOf = ({ number }: Schedule): string => `s${number}`
export const joinerOf = ({ number }: Schedule): string => `j${number}`

export class Place {
  readonly directory: string
  readonly fleet: Fleet
  readonly client: Client
  readonly #proxies: ReadonlyMap<string, Proxy>
  readonly #groups: ReadonlyMap<string, readonly string[]>
  readonly #started = new Set<string>(['coordinator'])

  private constructor(
    fleet: Fleet,
    proxies: ReadonlyMap<string, Proxy>,
    groups: ReadonlyMap<string, readonly string[]>,
  ) {
    this.directory = fleet.directory
    this.fleet = fleet
    this.client = new Client({ url: fleet.url, timeoutMs: 5000 })
    this.#proxies = proxies
    this.#groups = groups
  }

  /** Starts as many nodes as the largest of these schedules needs, each in the groups of those that need it. */
  static async open(base: string, schedules: readonly Schedule[]): Promise<Place> {
    const directory = await mkdtemp(`${base}/distributary-soak-`)
    writeFileSync(`${directory}/coordinator.yaml`, `coordinator:\n  bwlimit: ${RATE_MIB_PER_S}M\n`)
    const fleet = await Fleet.start(directory, 0)
    const proxies = new Map<string, Proxy>()
    const groups = new Map<string, readonly string[]>()
    for (let node = 1; node <= Math.max(...schedules.map(({ nodes }) => nodes)); node++) {
      groups.set(`n${node}`, schedules.filter(({ nodes }) => nodes >= node).map(groupOf))
      if (isCuttable(node)) proxies.set(`n${node}`, await Proxy.open(fleet.url))
    }
    const place = new Place(fleet, proxies, groups)
    for (const [name, own] of groups) place.start(name, own)
    await fleet.online(groups.size)
    return place
  }

  /** Starts a node, for the first time or again; absent groups: those that it always had. */
  start(name: string, groups = this.#groups.get(name) ?? []): void {
    if (name === 'coordinator') {
      this.fleet.startCoordinator()
      return
    }
    writeFileSync(`${this.directory}/${name}.yaml`, `node:\n  bwlimit: ${RATE_MIB_PER_S}M\n`)
    this.#started.add(name)
    this.fleet.startNode(name, this.#proxies.get(name)?.url, groups)
  }

  way(name: string): Proxy | undefined {
    return this.#proxies.get(name)
  }

  /** What a node has of a site, for readers and held ready. */
  holds(name: string, site: string): boolean {
    return existsSync(`${this.fleet.dataOf(name)}/sites/${site}/releases/1`)
  }

  /** Answers of a coordinator that is there; `undefined` while it is not. */
  async ask<T>(question: () => Promise<T>): Promise<T | undefined> {
    try {
      return await question()
    } catch (error) {
      const away = ['ENGINE_ERR_COORDINATOR_UNREACHABLE', 'ENGINE_ERR_CLOSING', 'ENGINE_ERR_TIMEOUT']
      if (error instanceof EngineError && away.includes(error.code)) return undefined
      throw error
    }
  }

  /** What every process is doing, for the report of a schedule that fails. */
  async story(jobId: string | null): Promise<string> {
    const lines: string[] = []
    const job = jobId === null ? undefined : await this.#told(() => this.client.job(jobId))
    lines.push(`job ${JSON.stringify(job)}`)
    for (const name of this.#started) {
      const { pid, running } = this.fleet.process(name)
      const asked = running && name !== 'coordinator' ? await this.#told(() => this.client.queryNode(name)) : ''
      lines.push(`${name}: ${running ? stateOf(pid) : 'ended'} ${JSON.stringify(asked)}`)
    }
    return `${lines.join('\n')}${this.fleet.story()}`
  }

  async #told(question: () => Promise<unknown>): Promise<unknown> {
    return question().catch((error: unknown) => String(error))
  }

  /** Ends what is left of one node, in order. @returns what was wrong with that. */
  async end(name: string): Promise<readonly string[]> {
    this.#started.delete(name)
    const { code, signal, stderr } = await this.fleet.stop(name, 'SIGTERM')
    return code === 0 ? [] : [`${name} ended with ${code ?? signal}: ${stderr.slice(-700)}`]
  }

  /** Ends all that was started. @returns what was wrong: who did not end in order, and what is left over. */
  async close(): Promise<readonly string[]> {
    const ended = await Promise.all([...this.#started].map((name) => this.end(name)))
    for (const proxy of this.#proxies.values()) proxy.close()
    return [...ended.flat(), ...this.left(), ...processesWith(this.directory)]
  }

  /** Files that are no part of anything. */
  left(): readonly string[] {
    return readdirSync(this.directory, { recursive: true, encoding: 'utf8' })
      .filter((path) => {
        const name = path.split('/').at(-1) ?? ''
        return !path.startsWith('staging-') && passing.test(name) && !staying.has(name)
      })
      .map((path) => `${path} is left over`)
  }

  async discard(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }

  staging(schedule: Schedule): string {
    const path = `${this.directory}/staging-${schedule.number}`
    mkdirSync(`${path}/deep/er`, { recursive: true })
    return path
  }
}

/** Whether a process runs, sleeps or stands still. */
function stateOf(pid: number): string {
  try {
    const about = readFileSync(`/proc/${pid}/status`, 'utf8')
    return /^State:\s+(.*)$/m.exec(about)?.[1] ?? 'in an unknown state'
  } catch {
    return 'ended'
  }
}

/** Processes that name a directory, which must be none when all have ended. */
function processesWith(directory: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandOf(pid).includes(directory))
    .map((pid) => `process ${pid} is left over: ${commandOf(pid)}`)
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
