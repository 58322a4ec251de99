import type { Executed, Execution, Executor } from './executing.js'
import type { Hooks } from './hooks.js'
import type { Ledger } from './ledger.js'

export interface HookCallsOptions {
  readonly hooks: Hooks
  readonly ledger: Ledger
}

/** Runs the hooks that jobs name. What is live is what they are told of. */
export class HookCalls implements Executor<'run-hook'> {
  readonly #options: HookCallsOptions

  constructor(options: HookCallsOptions) {
    this.#options = options
  }

  /** @throws {EngineError} ENGINE_ERR_HOOK_UNKNOWN, ENGINE_ERR_HOOK_ARGUMENTS, ENGINE_ERR_CLOSING. */
  async run({ jobId, site, command }: Execution<'run-hook'>): Promise<Executed> {
    const { hooks, ledger } = this.#options
    const about = { site, release: ledger.state.sites.get(site)?.live ?? null, jobId }
    const call = hooks.call(command.hook, site, command.args)
    if (call === null) return told(await hooks.health(about))
    const outcome = await hooks.run(call, { ...about, command: 'run-hook' })
    if (outcome.error === null) await this.#mended(site, command.hook)
    return told(outcome)
  }

  mayRepeat({ site, command }: Execution<'run-hook'>): boolean {
    return this.#options.hooks.mayRepeat(command.hook, site)
  }

  /** A hook that failed after the last switch has ended well by now; the coordinator hears it with what is held. */
  async #mended(site: string, hook: string): Promise<void> {
    const { ledger } = this.#options
    const release = ledger.state.sites.get(site)?.live?.release
    if (release === undefined || ledger.state.hooks.get(site)?.trouble?.hook !== hook) return
    await ledger.record({ type: 'hooks-done', site, release, trouble: null })
  }
}

function told({ output, error }: Executed): Executed {
  return { output: output === '' ? null : output, error }
}
