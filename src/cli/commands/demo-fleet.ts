import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { EngineError } from '../../base/errors.js'

const main = fileURLToPath(new URL('../main.js', import.meta.url))

/** What `engine serve --json` says once it listens. */
interface Listening {
  readonly type: 'listening'
  readonly url?: string
  readonly name?: string
}

/** A real `engine serve` process of the demo. It ends when this process does, however that ends. */
class ServeProcess {
  readonly listening: Promise<Listening>
  readonly #child: ChildProcess
  readonly #closed: Promise<void>
  #complaint = ''

  constructor(args: readonly string[]) {
    const own = ['serve', '--json', '--until-stdin-closes', '--log-level', 'warn', ...args]
    // Not the terminal's process group: a Ctrl-C there is for the demo, which then stops these in order.
    this.#child = spawn(process.execPath, [...process.execArgv, main, ...own], { stdio: 'pipe', detached: true })
    this.#child.stdin?.on('error', () => undefined)
    this.#closed = new Promise((resolve) => this.#child.once('close', () => resolve()))
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-2000)
    })
    this.listening = this.#firstLine()
    this.listening.catch(() => undefined)
  }

  async #firstLine(): Promise<Listening> {
    const { stdout } = this.#child
    if (stdout !== null) {
      for await (const line of createInterface({ input: stdout })) {
        const said = JSON.parse(line) as { type: string }
        if (said.type === 'listening') return said as Listening
      }
    }
    await this.#closed
    throw new EngineError('ENGINE_ERR_INTERNAL', { why: `a process of the demo ended: ${this.#complaint.trim()}` })
  }

  /** Asks it to end by closing its standard input, and waits until it has. */
  async stop(): Promise<void> {
    this.#child.stdin?.end()
    await this.#closed
  }
}

export interface DemoFleetOptions {
  readonly directory: string
  readonly nodeCount: number
  readonly segmentCount: number
  /** Where the coordinator listens; port 0: any. */
  readonly listen: string
}

/** A coordinator and nodes as processes of their own, each with its directory and ports on loopback. */
export class DemoFleet {
  readonly url: string
  readonly #processes: readonly ServeProcess[]
  readonly #directory: string

  private constructor(url: string, processes: readonly ServeProcess[], directory: string) {
    this.url = url
    this.#processes = processes
    this.#directory = directory
  }

  /** @throws {EngineError} what a process said when it could not start; those that did are stopped. */
  static async start(options: DemoFleetOptions): Promise<DemoFleet> {
    const { directory, nodeCount, segmentCount } = options
    const processes: ServeProcess[] = []
    try {
      const coordinator = new ServeProcess([
        ...['--role', 'coordinator', '--listen', options.listen, '--data', `${directory}/coordinator`],
      ])
      processes.push(coordinator)
      const { url = '' } = await coordinator.listening
      for (let i = 0; i < nodeCount; i++) {
        const [name, segment] = [`node-${i + 1}`, `segment-${(i % segmentCount) + 1}`]
        processes.push(
          new ServeProcess([
            ...['--role', 'node', '--join', url, '--name', name, '--group', 'edge', '--segment', segment],
            ...['--relay', '127.0.0.1:0', '--data', `${directory}/${name}`],
          ]),
        )
      }
      await Promise.all(processes.map((one) => one.listening))
      return new DemoFleet(url, processes, directory)
    } catch (error) {
      await Promise.all(processes.map((one) => one.stop()))
      throw error
    }
  }

  liveOf(name: string, site: string): string {
    return `${this.#directory}/${name}/sites/${site}/live`
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.stop()))
  }
}
