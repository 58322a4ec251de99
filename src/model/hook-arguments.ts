import { HOOK_ARGUMENT_CHARS_MAX } from '../base/limits.js'
import { type HookArgument, type HookInfo, placeholderOf } from './hook.js'

/** A word of a command, or why the value cannot be one. */
export type ArgumentWord = { readonly word: string } | { readonly problem: string }

const refused = (problem: string): ArgumentWord => ({ problem })

/** The argument as `checkArguments` reads a value for it; `patterns: false` leaves patterns to the node. */
export interface CheckOptions {
  readonly patterns: boolean
}

function stringWord(argument: HookArgument, value: unknown, { patterns }: CheckOptions): ArgumentWord {
  if (typeof value !== 'string') return refused('must be text')
  if (value.length > HOOK_ARGUMENT_CHARS_MAX) return refused(`is longer than ${HOOK_ARGUMENT_CHARS_MAX} characters`)
  if (/[\p{Cc}\p{Cs}]/u.test(value)) return refused('holds a control character, a line break or half a character')
  if (!argument.allowDash && value.startsWith('-')) return refused('begins with "-", as an option does')
  if (patterns && argument.pattern !== null && !matcherOf(argument.pattern).test(value)) {
    return refused(`does not match ${argument.pattern}`)
  }
  return { word: value }
}

function integerWord({ min, max }: HookArgument, value: unknown): ArgumentWord {
  const read = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof read !== 'number' || !Number.isSafeInteger(read)) return refused('must be a whole number')
  const least = min ?? 0
  if (read < least) return refused(`must be ${least} or more`)
  if (max !== null && read > max) return refused(`must be ${max} or less`)
  return { word: String(read) }
}

function booleanWord(value: unknown): ArgumentWord {
  if (value === true || value === 'true') return { word: 'true' }
  if (value === false || value === 'false') return { word: 'false' }
  return refused('must be true or false')
}

function choiceWord({ choices }: HookArgument, value: unknown): ArgumentWord {
  const all = choices ?? []
  if (typeof value === 'string' && all.includes(value)) return { word: value }
  return refused(`must be one of ${all.join(', ')}`)
}

/** The whole of a value is matched: a pattern that nobody anchored is no hole. @throws SyntaxError. Pure. */
export function matcherOf(pattern: string): RegExp {
  // On its own first: one such as "a)|(b" would break out of the anchors.
  void new RegExp(pattern, 'u')
  return new RegExp(`^(?:${pattern})$`, 'u')
}

/** One value as the word that the command gets. Never quoted by anybody: no shell reads it. Pure. */
export function argumentWord(argument: HookArgument, value: unknown, options: CheckOptions): ArgumentWord {
  switch (argument.type) {
    case 'string':
      return stringWord(argument, value, options)
    case 'integer':
      return integerWord(argument, value)
    case 'boolean':
      return booleanWord(value)
    case 'choice':
      return choiceWord(argument, value)
  }
}

export interface CheckedArguments {
  /** By name; what was not given and has no default is not there. */
  readonly words: ReadonlyMap<string, string>
  /** Empty: all is well. */
  readonly problems: readonly string[]
}

/**
 * Checks what a job gives a hook. A name that is not declared is a problem, never ignored. Pure.
 * @param given  any value of a request; only own keys count.
 */
export function checkArguments(
  hook: Pick<HookInfo, 'arguments'>,
  given: Readonly<Record<string, unknown>>,
  options: CheckOptions,
): CheckedArguments {
  const declared = new Map(hook.arguments.map((argument) => [argument.name, argument]))
  const problems = Object.keys(given)
    .filter((name) => !declared.has(name))
    .map((name) => `${JSON.stringify(name.slice(0, 64))} is not an argument of it`)
  const words = new Map<string, string>()
  for (const [name, argument] of declared) {
    const value = Object.hasOwn(given, name) ? given[name] : argument.default
    if (value === null || value === undefined) {
      if (argument.required) problems.push(`${name} is missing`)
      continue
    }
    const read = argumentWord(argument, value, options)
    if ('word' in read) words.set(name, read.word)
    else problems.push(`${name} ${read.problem}`)
  }
  return { words, problems }
}

/** The words of a command with its arguments in their places; a place whose argument is not there is left out. Pure. */
export function filledCommand(command: readonly string[], words: ReadonlyMap<string, string>): readonly string[] {
  return command.flatMap((word) => {
    const name = placeholderOf(word)
    if (name === null) return [word]
    const filled = words.get(name)
    return filled === undefined ? [] : [filled]
  })
}
