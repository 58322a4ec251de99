/** When a hook runs by itself; any hook also runs when a job names it. */
export const hookTriggers = ['before-commit', 'after-commit', 'health'] as const
export type HookTrigger = (typeof hookTriggers)[number]

export const hookArgumentTypes = ['string', 'integer', 'boolean', 'choice'] as const
export type HookArgumentType = (typeof hookArgumentTypes)[number]
export type HookArgumentValue = string | number | boolean

/** What a job may name on a node without declaring it: whether its sites are well. */
export const HEALTH_HOOK = 'health'

/** What hooks and their arguments are called where a variable of the environment is made of it. */
export const HOOK_ARGUMENT_PATTERN = /^[a-z][a-z0-9_]{0,31}$/

/** The same in words. */
export const HOOK_ARGUMENT_RULE = '1 to 32 lower-case letters, digits and "_", beginning with a letter'

/** One argument that a job may give; what does not belong to its type is null. */
export interface HookArgument {
  readonly name: string
  readonly type: HookArgumentType
  readonly required: boolean
  /** Taken when none is given; null: the argument is left out. */
  readonly default: HookArgumentValue | null
  /** A regular expression that all of a string must match. Only the node itself applies it. */
  readonly pattern: string | null
  /** A string may begin with "-", as an option does. */
  readonly allowDash: boolean
  readonly min: number | null
  readonly max: number | null
  readonly choices: readonly string[] | null
}

/** What a node tells of a hook: what may be named, never what is run. */
export interface HookInfo {
  readonly name: string
  /** Null: only when a job names it. */
  readonly on: HookTrigger | null
  /** Null: all sites. */
  readonly sites: readonly string[] | null
  readonly arguments: readonly HookArgument[]
  /** Begun and not ended when the node died, it is run again. */
  readonly repeatable: boolean
}

/** A hook as the node's configuration declares it. */
export interface Hook extends HookInfo {
  /** Program and words; a word `{name}` stands for that argument. Never read by a shell. */
  readonly command: readonly string[]
  /** Absolute; null: the node's data directory. */
  readonly cwd: string | null
  readonly env: readonly (readonly [string, string])[]
  readonly timeoutMs: number
}

/** Variables that a hook finds in its environment. `ENGINE_ARG_<NAME>` come to them, one for each argument. */
export const hookVariables = [
  'ENGINE_HOOK',
  'ENGINE_NODE',
  'ENGINE_SITE',
  'ENGINE_RELEASE',
  'ENGINE_TREE_HASH',
  'ENGINE_JOB',
  'ENGINE_COMMAND',
  'ENGINE_LIVE',
  'ENGINE_STAGED',
] as const
export type HookVariable = (typeof hookVariables)[number]

/** Begins the name of the variable that holds an argument. */
export const HOOK_ARGUMENT_VARIABLE = 'ENGINE_ARG_'

/** The argument that a word of a command stands for; null for any other word. Pure. */
export function placeholderOf(word: string): string | null {
  return /^\{([A-Za-z_]\w*)\}$/.exec(word)?.[1] ?? null
}

/** Whether a hook concerns a site. Pure. */
export function concerns(hook: Pick<HookInfo, 'sites'>, site: string): boolean {
  return hook.sites === null || hook.sites.includes(site)
}
