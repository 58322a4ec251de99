import type { Clock } from '../base/clock.js'
import type { JobsApi } from '../control/door/api.js'
import { ServeProcess } from './serve-process.js'

/** Time between two looks at who has joined. */
const JOINED_LOOK_MS = 100

/** The group of all nodes. */
export const FLEET_GROUP = 'edge'

export interface LocalFleetOptions {
  readonly directory: string
  readonly nodeCount: number
  /** In which segment a process is. */
  readonly segmentOf: (host: number) => string
  /** Where the coordinator listens; port 0: any. */
  readonly listen: string
  /** Where relays listen, the coordinator's first; absent: on any port of loopback. */
  readonly relayOf?: (host: number) => string
  /** More flags of every process. */
  readonly flags?: readonly string[]
  /** A program, with its arguments, that runs each; absent: none. */
  readonly underOf?: (host: number) => readonly string[]
}

/** A coordinator (host 0) and nodes as processes of their own on this machine, each with its directory and ports. */
export class LocalFleet {
  readonly url: string
  readonly processes: readonly ServeProcess[]
  readonly #directory: string

  private constructor(url: string, processes: readonly ServeProcess[], directory: string) {
    this.url = url
    this.processes = processes
    this.#directory = directory
  }

  /** @throws {EngineError} what a process said when it could not start; those that did are stopped. */
  static async start(options: LocalFleetOptions): Promise<LocalFleet> {
    const { directory, nodeCount, segmentOf, flags = [] } = options
    const relayOf = options.relayOf ?? (() => '127.0.0.1:0')
    const underOf = options.underOf ?? (() => [])
    const processes: ServeProcess[] = []
    const add = (host: number, name: string, args: readonly string[]): ServeProcess => {
      const place = ['--relay', relayOf(host), '--segment', segmentOf(host), '--data', `${directory}/${name}`]
      const added = new ServeProcess([...args, ...place, ...flags], underOf(host))
      processes.push(added)
      return added
    }
    try {
      const coordinator = add(0, 'coordinator', ['--role', 'coordinator', '--listen', options.listen])
      const { url = '' } = await coordinator.listening
      for (let host = 1; host <= nodeCount; host++) {
        const name = nameOf(host)
        add(host, name, ['--role', 'node', '--join', url, '--name', name, '--group', FLEET_GROUP])
      }
      await Promise.all(processes.map((one) => one.listening))
      return new LocalFleet(url, processes, directory)
    } catch (error) {
      await Promise.all(processes.map((one) => one.stop()))
      throw error
    }
  }

  /** Waits until every node has joined. @param tell hears how many have, so far. */
  async gather(api: JobsApi, clock: Clock, stop: AbortSignal, tell: (online: number) => void): Promise<void> {
    const all = this.processes.length - 1
    for (;;) {
      const online = (await api.nodes()).filter((node) => node.online).length
      tell(online)
      if (online >= all) return
      await clock.sleep(JOINED_LOOK_MS, stop)
    }
  }

  releaseOf(host: number, site: string, release: number): string {
    return `${this.#directory}/${nameOf(host)}/sites/${site}/releases/${release}`
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((one) => one.stop()))
  }
}

/** What a node is called. @param host from 1. */
export const nameOf = (host: number): string => `node-${host}`
