// One run of one program, and the end of all that it started.
// In: an argv, an environment, a time limit. Out: how it ended and what it wrote.
// Never: a shell, a descriptor or variable of this process that it was not given, a process left behind in its group.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { Cancel, Clock } from '../base/clock.js'
import { HOOK_DRAIN_MS, HOOK_GRACE_MS } from '../base/limits.js'
import { HookOutput } from './hook-output.js'

export interface ProgramOptions {
  readonly program: string
  readonly words: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly clock: Clock
  /** Ends it like its time limit does. */
  readonly signal: AbortSignal
}

/** `stopped`: because `signal` fired. `not-started`: there is no such program, or it may not be run. */
export type ProgramEnd =
  | { readonly how: 'exited'; readonly exitCode: number }
  | { readonly how: 'killed'; readonly signal: string }
  | { readonly how: 'timeout' }
  | { readonly how: 'stopped' }
  | { readonly how: 'not-started'; readonly why: string }

export interface ProgramResult {
  readonly end: ProgramEnd
  /** Both streams, the beginning and the end of it; at most HOOK_OUTPUT_BYTES_MAX. */
  readonly output: string
  readonly elapsedMs: number
}

type Child = ChildProcessByStdio<null, Readable, Readable>

/**
 * Runs a program to its end, in a process group of its own. When it ends, what is left of the group is killed; what
 * made a session of its own, as daemons do, is not in it. Never throws: what cannot be run has not been started.
 */
export function runProgram(options: ProgramOptions): Promise<ProgramResult> {
  const { clock, signal } = options
  const startedMs = clock.monotonicMs()
  const result = (end: ProgramEnd, output: string): ProgramResult => ({
    end,
    output,
    elapsedMs: Math.round(clock.monotonicMs() - startedMs),
  })
  if (signal.aborted) return Promise.resolve(result({ how: 'stopped' }, ''))
  let child: Child
  try {
    child = start(options)
  } catch (error) {
    return Promise.resolve(result(notStarted(options, error), ''))
  }
  return new Promise((resolve) => new Run(child, options, (end, output) => resolve(result(end, output))))
}

function start({ program, words, cwd, env }: ProgramOptions): Child {
  // `detached` makes a session, and so a process group, of its own: signals reach all of it, and none reach us.
  return spawn(program, words, { cwd, env, detached: true, shell: false, stdio: ['ignore', 'pipe', 'pipe'] })
}

function notStarted({ program, cwd }: Pick<ProgramOptions, 'program' | 'cwd'>, error: unknown): ProgramEnd {
  const { code, message } = error as NodeJS.ErrnoException
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: `there is no program ${program}, or no directory ${cwd}`,
    EACCES: `${program} may not be run by the user of this node`,
    ENOEXEC: `${program} is no program that this machine can run; a script begins with #!`,
    E2BIG: 'its arguments are too long for this machine',
  }
  return { how: 'not-started', why: reasons[code ?? ''] ?? message }
}

/** A program at work. */
class Run {
  readonly #child: Child
  readonly #clock: Clock
  readonly #output = new HookOutput()
  readonly #done: (end: ProgramEnd, output: string) => void
  readonly #signal: AbortSignal
  readonly #cancels: Cancel[] = []
  /** Why it was asked to end. */
  #asked: 'timeout' | 'stopped' | null = null
  #over = false

  constructor(child: Child, options: ProgramOptions, done: (end: ProgramEnd, output: string) => void) {
    const { clock, timeoutMs, signal } = options
    this.#child = child
    this.#clock = clock
    this.#done = done
    this.#signal = signal
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => this.#output.add(chunk))
      stream.on('error', () => {})
    }
    child.on('error', (error) => {
      // Without a process there is no exit; an error of a signal to one that runs is none of its end.
      if (child.pid === undefined) this.#end(notStarted(options, error))
    })
    child.on('exit', (exitCode, killedBy) => this.#onExit(exitCode, killedBy))
    this.#cancels.push(clock.setTimer(timeoutMs, () => this.#ask('timeout')))
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  readonly #onAbort = (): void => this.#ask('stopped')

  #ask(why: 'timeout' | 'stopped'): void {
    if (this.#asked !== null || this.#over) return
    this.#asked = why
    this.#kill('SIGTERM')
    this.#cancels.push(this.#clock.setTimer(HOOK_GRACE_MS, () => this.#kill('SIGKILL')))
  }

  #onExit(exitCode: number | null, killedBy: NodeJS.Signals | null): void {
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#kill('SIGKILL')
    const end = this.#endOf(exitCode, killedBy)
    // Its last words may still be in the pipes; a daemon that holds them open is not waited for.
    this.#child.once('close', () => this.#end(end))
    this.#cancels.push(this.#clock.setTimer(HOOK_DRAIN_MS, () => this.#end(end)))
  }

  #endOf(exitCode: number | null, killedBy: NodeJS.Signals | null): ProgramEnd {
    if (this.#asked !== null) return { how: this.#asked }
    if (exitCode !== null) return { how: 'exited', exitCode }
    return { how: 'killed', signal: killedBy ?? 'an unknown signal' }
  }

  #end(end: ProgramEnd): void {
    if (this.#over) return
    this.#over = true
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#child.stdout.destroy()
    this.#child.stderr.destroy()
    this.#done(end, this.#output.text)
  }

  /** Signals all of the process group; that nothing of it is left is no trouble. */
  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      // ESRCH: all have ended.
    }
  }
}
