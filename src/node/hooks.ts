// The hooks that this node declares: commands that a job can name but never define.
// In: a name, arguments of a job, what is going on. Out: how the command ended and what it wrote.
// Never: a program, word or variable that the node's own configuration does not name.
import type { Clock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { HOOKS_AT_ONCE_MAX } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import { checkArguments, filledCommand } from '../model/hook-arguments.js'
import {
  concerns,
  HEALTH_HOOK,
  type Hook,
  HOOK_ARGUMENT_VARIABLE,
  type HookInfo,
  type HookTrigger,
  type HookVariable,
} from '../model/hook.js'
import type { ReleaseRef } from '../model/node.js'
import { joinOutputs, lastWords } from './hook-output.js'
import { type ProgramEnd, type ProgramResult, runProgram } from './hook-process.js'
import type { NodePaths } from './paths.js'
import { Places } from './turns.js'

export interface HooksOptions {
  readonly hooks: readonly Hook[]
  readonly paths: NodePaths
  readonly nodeName: string
  /** What every hook finds beside its own variables and the facts: where programs are, the user, the language. */
  readonly environment: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Logger
}

/** What is going on when a hook runs. */
export interface HookCase {
  readonly site: string
  /** The release that is to be live, or that is; null: none. */
  readonly release: ReleaseRef | null
  readonly jobId: string | null
  readonly command: 'commit' | 'rollback' | 'run-hook' | 'health'
}

/** A hook that a job named, with what it is given. */
export interface HookCall {
  readonly hook: Hook
  /** By argument. */
  readonly words: ReadonlyMap<string, string>
}

/** What came of one or more hooks; `error` null: all ended well. `failed`: the hook that the error is of. */
export interface HookOutcome {
  readonly output: string
  readonly failed: string | null
  readonly error: EngineError | null
}

const noWords: ReadonlyMap<string, string> = new Map()
const nothing: HookOutcome = { output: '', failed: null, error: null }

/** The hooks of one node, and those that run. */
export class Hooks {
  readonly #options: HooksOptions
  readonly #places = new Places(HOOKS_AT_ONCE_MAX)
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor(options: HooksOptions) {
    this.#options = options
  }

  /** What the coordinator is told: what may be named, and with what; never what is run. */
  get told(): readonly HookInfo[] {
    return this.#options.hooks.map(({ name, on, sites, arguments: declared, repeatable }) => ({
      ...{ name, on, sites, repeatable },
      arguments: declared,
    }))
  }

  /** The hooks of a site that run by themselves, in the order they were declared. */
  on(trigger: HookTrigger, site: string): readonly Hook[] {
    return this.#options.hooks.filter((hook) => hook.on === trigger && concerns(hook, site))
  }

  /** Whether a hook that a crash cut off may be run again. What is not declared is not run at all. */
  mayRepeat(name: string, site: string): boolean {
    const hook = this.#find(name, site)
    return hook === undefined || hook.repeatable || hook.on === 'health'
  }

  /**
   * Checks what a job names, before anything is run. Null: the health of a node that declares no check.
   * @throws {EngineError} ENGINE_ERR_HOOK_UNKNOWN, ENGINE_ERR_HOOK_ARGUMENTS.
   */
  call(name: string, site: string, given: Readonly<Record<string, unknown>>): HookCall | null {
    const { nodeName } = this.#options
    const hook = this.#find(name, site)
    const isHealth = hook === undefined && name === HEALTH_HOOK
    if (hook === undefined && !isHealth) {
      throw new EngineError('ENGINE_ERR_HOOK_UNKNOWN', { hook: name.slice(0, 64), node: nodeName, site })
    }
    const { words, problems } = checkArguments(hook ?? { arguments: [] }, given, { patterns: true })
    if (problems.length > 0)
      throw new EngineError('ENGINE_ERR_HOOK_ARGUMENTS', { hook: name, why: problems.join('; ') })
    return hook === undefined ? null : { hook, words }
  }

  /**
   * Runs one hook to its end.
   * @throws {EngineError} ENGINE_ERR_CLOSING when the node stops meanwhile: nothing is known of it then.
   */
  async run({ hook, words }: HookCall, about: HookCase): Promise<HookOutcome> {
    const run = this.#run(hook, words, about)
    this.#running.add(run)
    try {
      const { end, output, elapsedMs } = await run
      const error = errorOf(hook, about.site, end, output)
      const facts = { hook: hook.name, site: about.site, jobId: about.jobId, end: end.how, elapsedMs }
      this.#options.log[error === null ? 'info' : 'warn'](facts, 'hook run')
      return { output, failed: error === null ? null : hook.name, error }
    } finally {
      this.#running.delete(run)
    }
  }

  /** Runs the hooks before a switch; the first that fails is the last. @throws {EngineError} as `run` does. */
  async before(about: HookCase): Promise<HookOutcome> {
    return this.#each(this.on('before-commit', about.site), about, true)
  }

  /** Runs the hooks after a switch, all of them whatever becomes of each. @throws {EngineError} as `run` does. */
  async after(about: HookCase): Promise<HookOutcome> {
    return this.#each(this.on('after-commit', about.site), about, false)
  }

  /**
   * Asks whether a site is well; without a hook that tells, it is.
   * @param about  what is live.
   * @throws {EngineError} as `run` does.
   */
  async health(about: Omit<HookCase, 'command'>): Promise<{ readonly ok: boolean } & HookOutcome> {
    const outcome = await this.#each(this.on('health', about.site), { ...about, command: 'health' }, false)
    return { ok: outcome.error === null, ...outcome }
  }

  /** Ends those that run, and waits until they have. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  #find(name: string, site: string): Hook | undefined {
    return this.#options.hooks.find((each) => each.name === name && concerns(each, site))
  }

  async #each(hooks: readonly Hook[], about: HookCase, untilFailure: boolean): Promise<HookOutcome> {
    const outcomes: HookOutcome[] = []
    for (const hook of hooks) {
      const outcome = await this.run({ hook, words: noWords }, about)
      outcomes.push(outcome)
      if (outcome.error !== null && untilFailure) break
    }
    const [first] = outcomes
    if (first === undefined) return nothing
    if (outcomes.length === 1) return first
    const texts = outcomes.flatMap(({ output }, i) => (output === '' ? [] : [`${hooks[i]?.name ?? ''}:\n${output}`]))
    const bad = outcomes.find(({ error }) => error !== null) ?? nothing
    return { ...bad, output: joinOutputs(texts) }
  }

  async #run(hook: Hook, words: ReadonlyMap<string, string>, about: HookCase): Promise<ProgramResult> {
    const { clock, paths } = this.#options
    const { signal } = this.#closing
    await this.#places.take(signal).catch(() => {
      throw new EngineError('ENGINE_ERR_CLOSING')
    })
    try {
      const [program = '', ...rest] = filledCommand(hook.command, allWords(hook, words))
      const { cwd, timeoutMs } = hook
      const env = this.#environment(hook, words, about)
      const where = { program, words: rest, cwd: cwd ?? paths.directory, env }
      const result = await runProgram({ ...where, timeoutMs, clock, signal })
      if (result.end.how === 'stopped') throw new EngineError('ENGINE_ERR_CLOSING')
      return result
    } finally {
      this.#places.give()
    }
  }

  #environment(hook: Hook, words: ReadonlyMap<string, string>, about: HookCase): Readonly<Record<string, string>> {
    const { environment, nodeName, paths } = this.#options
    const { site, release, jobId, command } = about
    const facts: Readonly<Record<HookVariable, string | null>> = {
      ENGINE_HOOK: hook.name,
      ENGINE_NODE: nodeName,
      ENGINE_SITE: site,
      ENGINE_RELEASE: release === null ? null : String(release.release),
      ENGINE_TREE_HASH: release?.treeHash ?? null,
      ENGINE_JOB: jobId,
      ENGINE_COMMAND: command,
      ENGINE_LIVE: paths.live(site),
      ENGINE_STAGED: release === null ? null : paths.release(site, release.release),
    }
    const known = Object.entries(facts).filter((fact): fact is [string, string] => fact[1] !== null)
    const given = [...allWords(hook, words)].map(([name, word]) => [HOOK_ARGUMENT_VARIABLE + name.toUpperCase(), word])
    return { ...environment, ...Object.fromEntries(hook.env), ...Object.fromEntries([...known, ...given]) }
  }
}

/** What runs by itself is given nothing: its defaults count. */
function allWords(hook: Hook, words: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return words === noWords ? checkArguments(hook, {}, { patterns: true }).words : words
}

function errorOf(hook: Hook, site: string, end: ProgramEnd, output: string): EngineError | null {
  const last = lastWords(output)
  const said = last === '' ? 'it wrote nothing' : last
  const facts = { hook: hook.name, site, output }
  switch (end.how) {
    case 'exited':
      if (end.exitCode === 0) return null
      return new EngineError('ENGINE_ERR_HOOK_FAILED', { ...facts, why: `exit code ${end.exitCode}: ${said}` })
    case 'killed':
      return new EngineError('ENGINE_ERR_HOOK_FAILED', { ...facts, why: `ended by ${end.signal}: ${said}` })
    case 'not-started':
      return new EngineError('ENGINE_ERR_HOOK_FAILED', { ...facts, why: end.why })
    case 'timeout':
      return new EngineError('ENGINE_ERR_HOOK_TIMEOUT', { ...facts, ms: hook.timeoutMs, why: said })
    case 'stopped':
      return null
  }
}
