// The lab's network, and an engine on each of its hosts: s0h0 coordinates, s0h1 … are nodes.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Running, run, runEngine, start, startEngine } from './process.js'
import { until } from './until.js'

const script = fileURLToPath(new URL('../lab/lab.py', import.meta.url))

/** Hosts of a segment, where there are several; numbers of hosts go on from one segment to the next. */
let segmentHosts = Number.POSITIVE_INFINITY

/** @param wan how many segments the hosts are spread over, and what is between them, like `40mbit,20ms`. */
export const labUp = (
  hosts: number,
  lan: string,
  wan?: { readonly segments: number; readonly link: string },
): Promise<string> => {
  segmentHosts = wan === undefined ? Number.POSITIVE_INFINITY : Math.ceil(hosts / wan.segments)
  const each = wan === undefined ? hosts : segmentHosts
  const between = wan === undefined ? [] : ['--segments', String(wan.segments), '--wan', wan.link]
  return run('python3', [script, 'up', '--hosts', String(each), '--lan', lan, ...between])
}
export const labDown = (): Promise<string> => run('python3', [script, 'down'])

/** Has all packets to a host lost, or none: what it says still leaves it. */
export const deafen = (host: number, isDeaf: boolean): Promise<string> =>
  run('python3', [script, 'set', labName(host), '--loss', isDeaf ? '100%' : '0%'])

const segmentOf = (host: number): number => Math.floor(host / segmentHosts)
const placeOf = (host: number): number => (segmentOf(host) === 0 ? host : host % segmentHosts)
const labName = (host: number): string => `s${segmentOf(host)}h${placeOf(host)}`

/** What a host's link carries from now on, like `5mbit`; one way alone, where only one is given. */
export const shape = (host: number, rates: { readonly up?: string; readonly down?: string }): Promise<string> => {
  const ways = Object.entries(rates).flatMap(([way, rate]) => [`--${way}`, rate])
  return run('python3', [script, 'set', labName(host), ...ways])
}

/** Takes a host off its network, or puts it back. */
export const cut = (host: number, isCut: boolean): Promise<string> =>
  run('python3', [script, isCut ? 'cut' : 'heal', labName(host)])

interface Carried {
  /** Of a host its own; of a segment's link `wan`. */
  readonly address: string
  readonly received: number
  readonly sent: number
}

/** Bytes that each link has carried since the lab was made. */
const carried = async (): Promise<Readonly<Record<string, Carried>>> =>
  JSON.parse(await run('python3', [script, 'list', '--json'])) as Record<string, Carried>

export const carriedBytes = async (host: number): Promise<Pick<Carried, 'received' | 'sent'>> =>
  (await carried())[labName(host)] ?? { received: 0, sent: 0 }

/** Bytes that each segment's own link has carried, the way that carried more. */
export const wanBytes = async (): Promise<readonly number[]> => {
  const links = Object.values(await carried()).filter(({ address }) => address === 'wan')
  return links.map(({ received, sent }) => Math.max(received, sent))
}

export const receivedBytes = async (host: number): Promise<number> => (await carriedBytes(host)).received

export const namespaceOf = (host: number): string => `${process.env['LAB'] ?? 'lab'}-${labName(host)}`
export const addressOf = (host: number): string => `10.77.${segmentOf(host)}.${placeOf(host) + 1}`

/** A coordinator on host 0 and nodes on the others, each a real process that can be killed and started again. */
export class LabFleet {
  readonly url = `http://${addressOf(0)}:7400`
  readonly #directory: string
  readonly #processes = new Map<number, Running>()
  /** What each process printed that has ended, for the message of a test that fails. */
  readonly #past: string[] = []

  readonly #env: Readonly<Record<string, string>>

  /** @param env of the engines, beside this process's. */
  constructor(directory: string, env: Readonly<Record<string, string>> = {}) {
    this.#directory = directory
    this.#env = env
  }

  dataOf(host: number): string {
    return `${this.#directory}/h${host}`
  }

  liveOf(host: number, site: string): string {
    return `${this.dataOf(host)}/sites/${site}/live`
  }

  /** Whether a host has a release, live or held ready. */
  isHeld(host: number, site: string, release: number): boolean {
    return existsSync(`${this.dataOf(host)}/sites/${site}/releases/${release}`)
  }

  start(host: number): void {
    const args =
      host === 0
        ? ['serve', '--role', 'coordinator', '--listen', `${addressOf(0)}:7400`]
        : ['serve', '--role', 'node', '--join', this.url, '--name', `n${host}`, '--group', 'edge']
    const relay = [
      '--segment',
      `s${segmentOf(host)}`,
      '--relay',
      `${addressOf(host)}:7500`,
      '--insecure',
      '--data',
      this.dataOf(host),
    ]
    this.#processes.set(host, startEngine([...args, ...relay], { netns: namespaceOf(host), env: this.#env }))
  }

  /** Kills the engine of a host at once, as a power cut of its process would. */
  async kill(host: number): Promise<void> {
    const engine = this.#processes.get(host)
    if (engine === undefined) return
    // `ip netns exec` becomes the engine itself, so this is the engine's own process id.
    const outcome = await engine.stop('SIGKILL')
    this.#past.push(`h${host}: ${outcome.stderr.slice(-700)}`)
  }

  /** Freezes a host's engine, or lets it go on. */
  signal(host: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    const pid = this.#processes.get(host)?.pid
    if (pid !== undefined && pid > 0) process.kill(pid, signal)
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.stop('SIGTERM')))
  }

  engine(args: readonly string[]): ReturnType<typeof runEngine> {
    return runEngine([...args, '--url', this.url], { netns: namespaceOf(0) })
  }

  /** Starts a publish that goes on by itself. */
  publish(directory: string, ...more: readonly string[]): Running {
    const args = ['publish', directory, '--site', 'www', '--group', 'edge', '--json', '--url', this.url, ...more]
    return startEngine(args, { netns: namespaceOf(0) })
  }

  /** Starts to watch a job, which goes on by itself. */
  watch(job: string): Running {
    return startEngine(['job', 'watch', job, '--json', '--url', this.url], { netns: namespaceOf(0) })
  }

  async nodesOnline(count: number): Promise<void> {
    await until(
      `${count} nodes online`,
      async () => {
        const { code, stdout } = await this.engine(['nodes', '--json'])
        if (code !== 0) return false
        const { items } = JSON.parse(stdout) as { items: readonly { online: boolean }[] }
        return items.filter((node) => node.online).length === count
      },
      () => this.story(),
    )
  }

  /** The last lines of every process, alive or gone. */
  story(): string {
    const alive = [...this.#processes].map(([host, process]) => `h${host}: ${process.output.slice(-700)}`)
    return ['', ...this.#past, ...alive].join('\n')
  }
}

/** Host-side programs of a test, run where the host's network is. */
export const startOn = (host: number, command: string, args: readonly string[]): Running =>
  start(command, args, { netns: namespaceOf(host) })
