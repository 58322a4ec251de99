// A coordinator and nodes as real processes on loopback, which can be killed and started again.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { JobView } from '../../src/model/job.js'
import { stablePort } from './port.js'
import { type Outcome, type Running, runEngine, startEngine } from './process.js'
import { until } from './until.js'

export class Fleet {
  readonly url: string
  readonly directory: string
  readonly #port: number
  readonly #processes = new Map<string, Running>()
  readonly #past: string[] = []

  private constructor(directory: string, port: number) {
    this.directory = directory
    this.#port = port
    this.url = `http://127.0.0.1:${port}`
  }

  /** Starts a coordinator and nodes `n1` … in group `edge`, and waits until all have joined. */
  static async start(directory: string, nodeCount: number): Promise<Fleet> {
    const fleet = new Fleet(directory, await stablePort())
    fleet.startCoordinator()
    for (let i = 1; i <= nodeCount; i++) fleet.startNode(`n${i}`)
    await fleet.online(nodeCount)
    return fleet
  }

  startCoordinator(): void {
    const args = ['--role', 'coordinator', '--listen', `127.0.0.1:${this.#port}`, '--data', this.dataOf('coordinator')]
    const config = existsSync(this.configOf('coordinator')) ? ['--config', this.configOf('coordinator')] : []
    this.#processes.set('coordinator', startEngine(['serve', ...args, ...config, '--relay', '127.0.0.1:0']))
  }

  /** @param join where it finds the coordinator; absent: where that is. */
  startNode(name: string, join = this.url, groups: string | readonly string[] = 'edge'): void {
    const belonging = [groups].flat().flatMap((group) => ['--group', group])
    const who = ['--role', 'node', '--join', join, '--name', name, ...belonging, '--segment', 'here']
    const config = existsSync(this.configOf(name)) ? ['--config', this.configOf(name)] : []
    this.#processes.set(
      name,
      startEngine(['serve', ...who, ...config, '--data', this.dataOf(name), '--relay', '127.0.0.1:0']),
    )
  }

  /** The configuration that a node is started with, where a test has written one. */
  configOf(name: string): string {
    return `${this.directory}/${name}.yaml`
  }

  dataOf(name: string): string {
    return `${this.directory}/${name}`
  }

  /** The page that a node serves; `nothing` without one. */
  served(name: string): Promise<string> {
    return readFile(`${this.liveOf(name)}/index.html`, 'utf8').catch(() => 'nothing')
  }

  async job(id: string): Promise<JobView> {
    return JSON.parse((await this.engine('job', 'show', id, '--json')).stdout) as JobView
  }

  liveOf(name: string, site = 'www'): string {
    return `${this.dataOf(name)}/sites/${site}/live`
  }

  process(name: string): Running {
    const process = this.#processes.get(name)
    if (process === undefined) throw new Error(`${name} was not started`)
    return process
  }

  async stop(name: string, signal: NodeJS.Signals): Promise<Outcome> {
    const outcome = await this.process(name).stop(signal)
    this.#past.push(`${name} (ended): ${outcome.stderr.slice(-700)}`)
    return outcome
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.stop('SIGTERM')))
  }

  engine(...args: readonly string[]): Promise<Outcome> {
    return runEngine([...args, '--url', this.url])
  }

  publish(directory: string, ...more: readonly string[]): Promise<Outcome> {
    return this.engine('publish', directory, '--site', 'www', '--group', 'edge', '--json', ...more)
  }

  /** Waits until so many nodes are connected. By HTTP: a process for each look costs more than what is waited for. */
  async online(count: number): Promise<void> {
    await until(
      `${count} nodes online`,
      async () => {
        const answer = await fetch(`${this.url}/v1/nodes`).catch(() => null)
        if (answer?.ok !== true) return false
        const { items } = (await answer.json()) as { items: readonly { online: boolean }[] }
        return items.filter((node) => node.online).length === count
      },
      () => this.story(),
    )
  }

  /** What every process said last, for the message of a test that fails. */
  story(): string {
    const alive = [...this.#processes].map(([name, process]) => `${name}: ${process.output.slice(-700)}`)
    return ['', ...this.#past, ...alive].join('\n')
  }
}

/** The last line of a `--json` command. */
export const lastLine = (outcome: Outcome): Record<string, unknown> =>
  JSON.parse(outcome.stdout.trim().split('\n').at(-1) || '{}') as Record<string, unknown>
