import { EngineError } from '../base/errors.js'
import { NAMES_TOLD_MAX } from '../base/limits.js'
import { checkArguments } from '../model/hook-arguments.js'
import { concerns, HEALTH_HOOK, type HookInfo } from '../model/hook.js'

/** A hook as a job names it. */
export interface NamedHook {
  readonly hook: string
  readonly site: string
  readonly args: Readonly<Record<string, unknown>>
}

/** A node of the job and what it has told of its hooks; null: nothing yet, so that it answers for itself. */
export interface HookOwner {
  readonly name: string
  readonly hooks: readonly HookInfo[] | null
}

/**
 * Whether every node declares what a job names and takes what it gives, as far as they have told: asked before
 * anything runs. Patterns are left to the nodes: theirs may be costly to apply, and only they can trust them. Pure.
 * @throws {EngineError} ENGINE_ERR_HOOK_UNKNOWN with the names of the nodes that lack it, ENGINE_ERR_HOOK_ARGUMENTS.
 */
export function requireHook({ hook, site, args }: NamedHook, nodes: readonly HookOwner[]): void {
  const lacking: string[] = []
  for (const { name, hooks } of nodes) {
    if (hooks === null) continue
    const found = hooks.find((each) => each.name === hook && concerns(each, site))
    if (found === undefined && hook !== HEALTH_HOOK) lacking.push(name)
    else refuseArguments(hook, name, checkArguments(found ?? { arguments: [] }, args, { patterns: false }).problems)
  }
  if (lacking.length === 0) return
  const rest = lacking.length - NAMES_TOLD_MAX
  const node = lacking.slice(0, NAMES_TOLD_MAX).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
  throw new EngineError('ENGINE_ERR_HOOK_UNKNOWN', { node, hook, site })
}

function refuseArguments(hook: string, node: string, problems: readonly string[]): void {
  if (problems.length === 0) return
  throw new EngineError('ENGINE_ERR_HOOK_ARGUMENTS', { hook, why: `on ${node}, ${problems.join('; ')}` })
}
