// Starts the real programs that a test needs, and stops exactly those, by process id.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { WAIT_MS_MAX } from './until.js'

const main = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that a test started. */
export class Running {
  readonly exited: Promise<Outcome>
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...env },
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.exited = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** All that it has printed so far, both streams. */
  get output(): string {
    return `${this.#stdout}${this.#stderr}`
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Sends a signal and waits for the end; one that has ended already is left alone, one that stays is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Outcome> {
    if (this.running) this.#child.kill(signal)
    const killing = setTimeout(() => this.#child.kill('SIGKILL'), WAIT_MS_MAX)
    return this.exited.finally(() => clearTimeout(killing))
  }
}

export interface Place {
  /** Name of the network namespace to run in; absent: this one. */
  readonly netns?: string
  readonly env?: Readonly<Record<string, string>>
  /** A program, with its arguments, that runs it. */
  readonly under?: readonly string[]
}

/** Starts any program, in a namespace of the lab when one is named. */
export const start = (command: string, args: readonly string[], place: Place = {}): Running =>
  place.netns === undefined
    ? new Running(command, args, place.env ?? {})
    : new Running('ip', ['netns', 'exec', place.netns, command, ...args], place.env ?? {})

/** Starts `engine ARGS` as it was built into dist/. */
export const startEngine = (args: readonly string[], place: Place = {}): Running => {
  const [command = '', ...rest] = [...(place.under ?? []), process.execPath, main, ...args]
  return start(command, rest, place)
}

/** Runs `engine ARGS` to its end. */
export const runEngine = (args: readonly string[], place: Place = {}): Promise<Outcome> =>
  startEngine(args, place).exited

/** Runs a program to its end and returns what it printed; throws when it fails. */
export const run = async (command: string, args: readonly string[], place: Place = {}): Promise<string> => {
  const outcome = await start(command, args, place).exited
  if (outcome.code !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${outcome.code ?? outcome.signal}: ${outcome.stderr}`)
  }
  return outcome.stdout
}
