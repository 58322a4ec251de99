import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { SECOND_MS } from '../base/units.js'

/** The program that this process runs. */
export const engineMain = fileURLToPath(new URL('main.js', import.meta.url))

/** What ends in order has done so by then, on a busy machine too. */
const STOP_MS_MAX = 30 * SECOND_MS

/** What `engine serve --json` says once it listens. */
interface Listening {
  readonly type: 'listening'
  readonly url?: string
  readonly name?: string
}

/** A real `engine serve` process of this one. It ends when this process does, however that ends. */
export class ServeProcess {
  readonly listening: Promise<Listening>
  readonly #child: ChildProcess
  readonly #closed: Promise<void>
  #complaint = ''

  /** @param under a program with its arguments that becomes the engine. */
  constructor(args: readonly string[], under: readonly string[] = []) {
    const serve = ['serve', '--json', '--until-stdin-closes', '--log-level', 'warn', ...args]
    const [command = '', ...rest] = [...under, process.execPath, ...process.execArgv, engineMain, ...serve]
    // Not the terminal's process group: a Ctrl-C there is for this process, which then stops these in order.
    this.#child = spawn(command, rest, { stdio: 'pipe', detached: true })
    this.#child.stdin?.on('error', () => undefined)
    this.#child.once('error', (error) => (this.#complaint = error.message))
    this.#closed = new Promise((resolve) => this.#child.once('close', () => resolve()))
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-2000)
    })
    this.listening = this.#firstLine()
    this.listening.catch(() => undefined)
  }

  /** Null where it could not be started. */
  get pid(): number | null {
    return this.#child.pid ?? null
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
    throw new EngineError('ENGINE_ERR_INTERNAL', { why: `a process that was started ended: ${this.#complaint.trim()}` })
  }

  /** Has something happen to it; one that has ended is left alone. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal)
  }

  /** Asks it to end by closing its standard input, and waits until it has; one that does not is killed. */
  async stop(): Promise<void> {
    this.#child.kill('SIGCONT')
    this.#child.stdin?.end()
    const cancel = systemClock.setTimer(STOP_MS_MAX, () => this.#child.kill('SIGKILL'))
    await this.#closed.finally(cancel)
  }
}
